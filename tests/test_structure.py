"""Habits of the code that a linter cannot see: names, sizes, and who reaches into what."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "napari_microenhance"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}

FOLDER_MODULES = 16
ANCESTORS = 2
METHODS = 21
FILE_LINES = 460
ANY_SUPPRESSIONS = 70
TWICE_NAMED_MODULES = 0
TWICE_NAMED_CLASSES = 0
RECORD_SUBSCRIPTS = 0
PRIVATE_ACCESSES = 0

# Names of other packages that have no public counterpart.
FOREIGN = {"_add_layer_from_data", "_qt_viewer", "_clear_plugin_settings_cache"}


def _place(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def _classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield all classes, those of the command line apart."""
    for path, tree in TREES.items():
        if _package(path) != "cli":
            yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _twice(names: list[str]) -> list[str]:
    """Return the names that occur more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


# --- sizes -----------------------------------------------------------------------


def test_no_folder_is_a_corridor() -> None:
    modules = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert {_place(f): n for f, n in modules.items() if n > FOLDER_MODULES} == {}


def test_no_file_is_long() -> None:
    lines = {_place(path): len(path.read_text("utf-8").splitlines()) for path in FILES}
    assert {place: n for place, n in lines.items() if n > FILE_LINES} == {}


def test_no_class_of_the_docks_does_everything() -> None:
    found = {
        f"{_place(path)}:{node.name}": count
        for path, node in _classes()
        if _package(path) == "widgets"
        and (count := sum(isinstance(n, ast.FunctionDef) for n in node.body)) > METHODS
    }
    assert found == {}


def test_widgets_are_composed_not_inherited() -> None:
    known: dict[str, list[ast.ClassDef]] = {}
    for _, node in _classes():
        known.setdefault(node.name, []).append(node)

    def ancestors(name: str) -> int:
        bases = {
            ast.unparse(base).partition("[")[0].rpartition(".")[2]
            for node in known.get(name, ())
            for base in node.bases
        }
        return max((1 + ancestors(base) for base in bases & set(known) - {name}), default=0)

    deep = {
        node.name: ancestors(node.name) for path, node in _classes() if _package(path) == "widgets"
    }
    assert {name: depth for name, depth in deep.items() if depth > ANCESTORS} == {}


# --- names -----------------------------------------------------------------------


def test_no_two_modules_share_a_name() -> None:
    stems = [p.stem for p in FILES if p.name != "__init__.py" and _package(p) != "cli"]
    assert len(_twice(stems)) <= TWICE_NAMED_MODULES, _twice(stems)


def test_no_two_classes_share_a_public_name() -> None:
    names = [node.name for _, node in _classes() if not node.name.startswith("_")]
    assert len(_twice(names)) <= TWICE_NAMED_CLASSES, _twice(names)


@pytest.mark.parametrize("word", ["utils", "helpers", "manager", "common", "misc"])
def test_no_module_is_called_anything(word: str) -> None:
    assert [_place(path) for path in FILES if word in path.stem.split("_")] == []


def test_what_is_exported_says_what_it_takes() -> None:
    """A function in `__all__` documents its parameters; what only its neighbours use leaves it."""
    bare = []
    for path, tree in TREES.items():
        exported = {
            constant.value
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            for constant in ast.walk(node.value)
            if isinstance(constant, ast.Constant)
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in exported:
                takes = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                text = ast.get_docstring(node) or ""
                if takes and "Parameters" not in text:
                    bare.append(f"{_place(path)}:{node.name}")
    assert bare == []


# --- who reaches into what -------------------------------------------------------


def _asked(node: ast.AST) -> str | None:
    """Return the name of a report or record that is asked by a string, or None."""
    if isinstance(node, ast.Subscript):
        value, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr != "get":
            return None
        value, key = node.func.value, node.args[0]
    else:
        return None
    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
        return None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value if value.func.attr == "to_dict" else value.func
    name = getattr(value, "attr", getattr(value, "id", ""))
    return name if name.strip("_") in {"record", "report"} else None


def test_records_are_values_outside_their_package() -> None:
    found = [
        f"{_place(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if _package(path) != "records"
        for node in ast.walk(tree)
        if _asked(node)
    ]
    assert len(found) <= RECORD_SUBSCRIPTS, found


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ('record["model"]', True),
        ('self._report["model"]', True),
        ('result.report.to_dict()["model"]', True),
        ('record.get("model")', True),
        ("record[0]", False),
        ('columns["model"]', False),
        ("record.model", False),
    ],
)
def test_every_way_to_ask_a_record_is_seen(source: str, seen: bool) -> None:
    (statement,) = ast.parse(source).body
    assert any(_asked(node) for node in ast.walk(statement)) is seen


def test_few_values_are_of_any_type() -> None:
    count = sum(path.read_text("utf-8").count("ANN401") for path in FILES)
    assert count <= ANY_SUPPRESSIONS


def test_only_the_command_line_prints() -> None:
    found = [
        f"{_place(path)}:{node.lineno}"
        for path, tree in TREES.items()
        if _package(path) != "cli"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "typer.echo"}
    ]
    assert found == []


def _private(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield where a test reaches into what is private: line, name."""
    hidden = re.compile(r"(^|\.)_[A-Za-z]\w*$")
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            own = ast.unparse(node.value) in {"self", "cls", "super()"}
            names = [] if own else [node.attr]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_micro"):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            texts = (a.value for a in node.args[:2] if isinstance(a, ast.Constant))
            names = [text for text in texts if isinstance(text, str)]
        for name in names:
            if hidden.search(name) and name.rpartition(".")[2] not in FOREIGN:
                yield node.lineno, name


def test_tests_use_what_is_public() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line, name in _private(ast.parse(path.read_text("utf-8")))
    ]
    assert len(found) <= PRIVATE_ACCESSES, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("widget._card.name", ["_card"]),
        ("self._card", []),
        ("super()._card", []),
        ("thing.__class__", []),
        ("from napari_microenhance.engine.axis import _ends", ["_ends"]),
        ('monkeypatch.setattr(module, "_SIZE", 1)', ["_SIZE"]),
        ('monkeypatch.setattr("napari_microenhance.api._spatial", 1)', [
            "napari_microenhance.api._spatial"
        ]),
        ("viewer.window._qt_viewer", []),
    ],
)  # fmt: skip
def test_every_way_into_something_private_is_seen(source: str, names: list[str]) -> None:
    assert [name for _, name in _private(ast.parse(source))] == names
