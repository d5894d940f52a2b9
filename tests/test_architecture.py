"""The import arrows of docs/architecture.md: who may know whom, and no circles."""

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "napari_microenhance"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE

# package -> the packages it may import; everything may import `errors`.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "files": set(),
    "outputs": set(),
    "types": set(),
    "unfinished": set(),
    "engine": set(),
    "simulation": set(),
    "images": {"engine"},
    # A label image is an ROI file, and an image.
    "rois": {"engine", "images"},
    "models": {"engine"},
    "measure": {"engine"},
    "presets": {"engine"},
    "records": {"engine", "images", "rois", "models", "measure"},
    "jobs": {"engine", "images", "rois", "models", "measure", "presets", "records"},
    "api": {"engine", "images", "rois", "models", "measure", "presets", "records", "jobs"},
    "contributions": {"api", "images", "rois", "records", "engine", "simulation"},
    "evaluation": {"api", "measure", "engine", "images", "models", "simulation"},
    "training": {"engine", "models", "measure", "images", "simulation"},
    "widgets": {"api", "jobs", "measure", "engine", "images", "rois", "records", "contributions"},
    "cli": {
        *("api", "engine", "images", "rois", "jobs", "measure", "models", "presets", "records"),
        *("contributions", "evaluation", "training", "widgets"),
    },
    "__main__": {"cli"},
    # Its lazy names point at packages by string; type checkers follow real imports.
    "__init__": {"api", "engine", "models", "presets", "rois"},
}
GROUND = {"errors", "files", "outputs", "types", "unfinished"}
# `microenhance --help` must not pay for a run: only inside the function that needs them.
INSIDE_FUNCTIONS = {("cli", package) for package in ARROWS["cli"] - {"engine"}} | {
    ("__init__", package) for package in (*ARROWS["__init__"], "errors")
}
# Packages that only their owners may import; elsewhere they may be missing.
OWNERS = {
    "napari": ("widgets",),
    "qtpy": ("widgets",),
    "superqt": ("widgets",),
    "magicgui": ("widgets",),
    # Training only quantises with it.
    "onnxruntime": ("engine/runtime", "training/shipping/quantizing.py"),
    "torch": ("training",),
}
FILES = sorted(SOURCE.rglob("*.py"))


def _package(path: Path) -> str:
    """Return the first part of a file's place in the package."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    """Return the module that an import statement names, relative ones resolved."""
    if node.level == 0:
        return node.module or ""
    parts = [PACKAGE, *path.relative_to(SOURCE).parent.parts]
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _modules(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield the modules that one import statement or `import_module` call names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = _absolute(node, path)
        # `from package import inner` names the inner one in the list, not in the module.
        yield from (f"{module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
            yield node.args[0].value


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


@functools.cache
def _imports(path: Path) -> tuple[tuple[str, bool, bool, int], ...]:
    """Return (module, stands inside a function, is for type checkers only, line) of each import."""

    def visit(node: ast.AST, *, inside: bool, types: bool) -> Iterator[tuple[str, bool, bool, int]]:
        for module in _modules(node, path):
            yield module, inside, types, node.lineno
        deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside=deeper, types=types or _is_type_checking(node))

    return tuple(visit(ast.parse(path.read_text("utf-8")), inside=False, types=False))


def _own_packages(path: Path) -> Iterator[tuple[str, bool, bool, int]]:
    """Yield the imports of one file that lead into another of our packages."""
    for module, inside, types, line in _imports(path):
        parts = module.split(".")
        if parts[0] == PACKAGE and len(parts) > 1 and parts[1] != _package(path):
            yield parts[1], inside, types, line


def test_there_is_something_to_check() -> None:
    assert {"engine", "api", "widgets", "cli"} <= {_package(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_follow_the_arrows(path: Path) -> None:
    package = _package(path)
    assert package in ARROWS, (
        f"{package} has no arrows yet: add it here and in docs/architecture.md"
    )
    for target, inside, types, line in _own_packages(path):
        # Public names of the top package, such as `__version__`, are not packages.
        if target not in ARROWS:
            continue
        where = f"{path.name}:{line} imports {target}"
        assert target in ARROWS[package] | GROUND, f"{where}, which {package} must not"
        if (package, target) in INSIDE_FUNCTIONS:
            assert inside or types, f"{where} at module level"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_heavy_packages_stay_with_their_owner(path: Path) -> None:
    place = path.relative_to(SOURCE).as_posix()
    for module, _inside, types, line in _imports(path):
        owners = OWNERS.get(module.split(".")[0])
        if owners and not types:
            assert any(place == owner or place.startswith(f"{owner}/") for owner in owners), (
                f"{place}:{line} imports {module}, which belongs to {' and '.join(owners)}"
            )


def _assert_no_circle(edges: Mapping[str, Iterable[str]]) -> None:
    """Assert that no way along the edges leads back to where it began."""
    done: set[str] = set()

    def walk(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, " -> ".join([*trail[trail.index(node) :], node])
        if node not in done:
            for target in sorted(edges[node]):
                walk(target, (*trail, node))
            done.add(node)

    for node in edges:
        walk(node, ())


def _name(path: Path) -> str:
    """Return the dotted name of a module below the package, "" for the package itself."""
    return (
        ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").strip(".")
    )


@functools.cache
def _module_edges() -> dict[str, set[str]]:
    """Return which modules each module imports, late and type-only imports included."""
    modules = {_name(path): path for path in FILES}
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for module, *_ in _imports(path):
            package, _, target = module.partition(".")
            while package == PACKAGE and target and target not in modules:
                target = target.rpartition(".")[0]  # a name in the module
            # The top package only names what others hold.
            if package == PACKAGE and target not in ("", name):
                edges[name].add(target)
    return edges


def test_no_circle_between_modules() -> None:
    _assert_no_circle(_module_edges())


def test_no_circle_between_packages_side_by_side() -> None:
    """Of packages in one folder none knows another that knows it."""
    packages = {_name(path) for path in FILES if path.name == "__init__.py"}
    circles: dict[str, dict[str, set[str]]] = {}
    for name, targets in _module_edges().items():
        for target in targets:
            mine, theirs = name.split("."), target.split(".")
            depth = next(
                (k for k, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), None
            )
            if depth is None:
                continue  # one is the package that the other lies in
            both = {".".join(name[: depth + 1]) for name in (mine, theirs)}
            if depth and not both <= packages:
                continue
            beside = circles.setdefault(".".join(mine[:depth]), {})
            beside.setdefault(mine[depth], set()).add(theirs[depth])
            beside.setdefault(theirs[depth], set())
    assert "" in circles
    for edges in circles.values():
        _assert_no_circle(edges)


def test_a_circle_is_seen() -> None:
    with pytest.raises(AssertionError, match="b -> c -> b"):
        _assert_no_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    _assert_no_circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from napari_microenhance.engine import spec", {"engine"}),
        ("from napari_microenhance import api", {"api"}),
        ("import napari_microenhance.cli as c", {"cli"}),
        ("from .. import widgets", {"widgets"}),
        ("from ..engine.spec import ModelSpec", {"engine"}),
        ("def f():\n    from ..jobs import run", {"jobs"}),
        ('import_module("napari_microenhance.cli")', {"cli"}),
        ("from . import beside", set()),
        ("import numpy", set()),
    ],
)
def test_every_way_to_import_is_seen(source: str, expected: set[str]) -> None:
    path = SOURCE / "images" / "some.py"
    found = {
        parts[1]
        for node in ast.walk(ast.parse(source))
        for parts in [m.split(".") for m in _modules(node, path)]
        if parts[0] == PACKAGE and len(parts) > 1 and parts[1] != _package(path)
    }
    assert found == expected
