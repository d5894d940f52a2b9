"""The wheel, the sdist, the editable install and the napari manifest."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest
from npe2.manifest.utils import import_python_name

NAME = "napari-microenhance"
PACKAGE = "napari_microenhance"
MAX_WHEEL_BYTES = 12_000_000

# Run in another environment: find the manifest as napari does, then import all it names.
CHECK_MANIFEST = f"""
import {PACKAGE}
from npe2 import PluginManager
manager = PluginManager()
manager.discover()
manifest = manager.get_manifest({NAME!r})
manifest.validate_imports()
print({PACKAGE}.__file__)
"""


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command without a terminal or input and return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree, so that no build leaves a trace in the original."""
    copy = tmp_path_factory.mktemp("tree") / "checkout"
    ignore = shutil.ignore_patterns(
        ".*_cache", ".hypothesis", ".venv", "__pycache__", "demo", "dist"
    )
    shutil.copytree(root, copy, symlinks=True, ignore=ignore)
    return copy


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    """Return a folder with the sdist and the wheel made from it, with no index asked."""
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tree / "out", tree)
    return tree / "out"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(built: Path) -> Path:
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """Return the Python of a new environment that sees this one's packages, but not ours."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    here = importlib.metadata.distribution("npe2").locate_file("")
    site = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # A path without its .pth files: an editable install of this project stays behind.
    (Path(site) / "borrowed.pth").write_text(str(here), "utf-8")
    yield python
    shutil.rmtree(folder)


def _install(python: Path, *what: str | Path) -> None:
    target = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    _run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet",
        "--no-deps", "--no-index", "--no-build-isolation", "--target", target, *what,
    )  # fmt: skip


@pytest.mark.slow
def test_wheel_carries_its_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for wanted in ("napari.yaml", "py.typed", "presets/article.json"):
        assert f"{PACKAGE}/{wanted}" in names
    builtin = [name for name in names if name.startswith(f"{PACKAGE}/models/builtin/")]
    files = [name.removesuffix(".onnx") for name in builtin if name.endswith(".onnx")]
    networks = {name.removesuffix(".int8") for name in files}
    cards = {name.removesuffix(".md") for name in builtin if name.endswith(".md")}
    assert networks
    assert networks <= cards, "every network in the wheel has a card"


@pytest.mark.slow
def test_wheel_carries_every_file_of_the_package(wheel: Path, tree: Path) -> None:
    source = tree / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in (source / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


@pytest.mark.slow
def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


@pytest.mark.slow
def test_wheel_metadata(wheel: Path) -> None:
    files = zipfile.ZipFile(wheel)
    (folder,) = {name.split("/")[0] for name in files.namelist() if ".dist-info/" in name}
    assert f"{folder}/licenses/LICENSE" in files.namelist()
    entry_points = files.read(f"{folder}/entry_points.txt").decode()
    assert f"microenhance = {PACKAGE}.cli:main" in entry_points
    assert f"{NAME} = {PACKAGE}:napari.yaml" in entry_points
    metadata = files.read(f"{folder}/METADATA").decode()
    assert "Classifier: Framework :: napari" in metadata
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert not [line for line in needed if "pyqt" in line.lower() or "pyside" in line.lower()]
    assert [line for line in needed if "napari[all]" in line] == [
        "Requires-Dist: napari[all]; extra == 'all'"
    ]


def test_every_package_that_is_imported_is_declared(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    lists = (project["project"]["dependencies"], *extras, project["dependency-groups"]["evaluate"])
    declared = {
        re.split(r"[^\w.-]", requirement)[0].lower() for names in lists for requirement in names
    }
    # The name to import is seldom another than that to install.
    known = {"pil": "pillow", "skimage": "scikit-image", "google": "protobuf", "pywt": "pywavelets"}
    known |= {"yaml": "pyyaml", "bioimageio": "bioimageio.spec"}
    # What bioimageio.spec itself reads YAML with; there where that is.
    known |= {"ruyaml": "bioimageio.spec"}
    imported = {
        name.partition(".")[0]: path.name
        for path in (root / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    missing = {
        name: file
        for name, file in imported.items()
        if name not in {*sys.stdlib_module_names, PACKAGE}
        and not declared & {name.replace("_", "-").lower(), known.get(name.lower(), "")}
    }
    assert missing == {}


@pytest.mark.slow
def test_sdist_carries_the_tests_and_the_manifest(sdist: Path) -> None:
    with tarfile.open(sdist) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    for wanted in ("napari.yaml", "LICENSE", "README.md", "Makefile", "tests/conftest.py"):
        assert wanted in names
    assert f"src/{PACKAGE}/napari.yaml" in names
    assert not [name for name in names if name.startswith(("demo/", ".venv/"))]


def test_manifest_at_the_top_is_the_one_in_the_package(root: Path) -> None:
    top = root / "napari.yaml"
    assert top.is_symlink()
    assert top.readlink().as_posix() == f"src/{PACKAGE}/napari.yaml"


def test_manifest_is_valid(root: Path) -> None:
    manifest = PluginManifest.from_file(root / "napari.yaml")
    manifest.validate_imports()
    assert manifest.name == NAME
    names = [widget.display_name for widget in manifest.contributions.widgets]
    assert names == ["Enhance ROI", "Inspect result"]
    assert len(manifest.contributions.sample_data) == 3


def test_manifest_names_functions(root: Path) -> None:
    manifest = PluginManifest.from_file(root / "napari.yaml")
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_manifest_uses_menus_that_napari_opens(root: Path) -> None:
    manifest = PluginManifest.from_file(root / "napari.yaml")
    assert set(manifest.contributions.menus) == {"napari/layers/filter"}
    enabled = {c.id: c.enablement for c in manifest.contributions.commands}
    (item,) = manifest.contributions.menus["napari/layers/filter"]
    assert enabled[item.command] == "active_layer_type == 'image'"


@pytest.mark.parametrize(
    ("file", "layer", "plugin"),
    [
        ("a.ome.tif", "image", NAME),
        ("a.OME.TIFF", "image", NAME),
        ("a.json", "shapes", NAME),
        # What napari saves by itself stays with napari.
        ("a.tif", "image", "napari"),
        ("a.png", "image", "napari"),
        ("a", "image", "napari"),
        ("a.csv", "shapes", "napari"),
        ("a", "shapes", "napari"),
    ],
)
def test_manifest_takes_only_its_own_files(root: Path, file: str, layer: str, plugin: str) -> None:
    import napari_builtins

    builtins = Path(napari_builtins.__file__).parent / "builtins.yaml"
    manager = PluginManager()
    for path in (builtins, root / "napari.yaml"):
        manager.register(PluginManifest.from_file(path))
    writer, _path = manager.get_writer(file, [layer])
    assert writer.plugin_name == plugin


@pytest.mark.slow
def test_installed_wheel_is_found_by_napari(wheel: Path, environment: Path) -> None:
    _install(environment, wheel)
    found = _run(environment, "-c", CHECK_MANIFEST, cwd=environment.parent)
    assert str(environment.parents[1]) in found


@pytest.mark.slow
def test_installed_wheel_has_its_command(wheel: Path, environment: Path) -> None:
    _install(environment, wheel)
    by_name = (
        "from importlib.metadata import entry_points; "
        "(e,) = entry_points(group='console_scripts', name='microenhance'); "
        "import sys; sys.argv = ['microenhance', '--help']; e.load()()"
    )
    assert "enhance" in _run(environment, "-c", by_name)
    assert "enhance" in _run(environment, "-m", PACKAGE, "--help")


@pytest.mark.slow
def test_editable_install_is_found_by_napari(tree: Path, environment: Path) -> None:
    _install(environment, "--editable", tree)
    found = _run(environment, "-c", CHECK_MANIFEST, cwd=environment.parent)
    assert str(tree) in found
