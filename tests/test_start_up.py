"""What importing costs, and what works where napari and Qt are missing."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PACKAGE = "napari_microenhance"
SOURCE = Path(__file__).resolve().parents[1] / "src" / PACKAGE
GUI = ("napari", "qtpy", "PyQt6", "PySide6", "superqt", "magicgui", "vispy")
HEAVY = {*GUI, "onnxruntime", "numpy", "scipy", "skimage", "dask", "zarr", "torch", "pydantic"}

BLOCK = """
import sys
from importlib.abc import MetaPathFinder

class Wall(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Wall())
"""


def _modules() -> list[str]:
    """Return every module of the package but those that need Qt or a script's start."""
    names = []
    for path in sorted(SOURCE.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(SOURCE).with_suffix("").parts]
        if parts[1] in {"widgets", "training", "__main__"}:
            continue
        names.append(".".join(parts).removesuffix(".__init__"))
    return names


def _python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded(code: str) -> set[str]:
    """Return the top-level modules that code loads on top of a bare start."""
    show = "import sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    return set(_python(f"{code}\n{show}").split()) - set(_python(show).split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = _loaded(f"import {PACKAGE}")
    assert PACKAGE in loaded
    assert loaded & HEAVY == set()


def test_names_are_listed_without_being_loaded() -> None:
    loaded = _loaded(f"import {PACKAGE}; assert 'enhance' in dir({PACKAGE})")
    assert loaded & HEAVY == set()


def test_asking_for_help_loads_neither_napari_nor_onnxruntime() -> None:
    code = f"from {PACKAGE}.cli import main\nimport sys\nsys.argv[1:] = ['--help']\n"
    code += "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
    code += "import sys; print('LOADED', *{m.split('.')[0] for m in sys.modules})"
    loaded = set(_python(code).rpartition("LOADED")[2].split())
    assert loaded & {*GUI, "onnxruntime", "psutil"} == set()


@pytest.mark.slow
def test_everything_but_the_widgets_imports_without_napari_and_qt() -> None:
    modules = _modules()
    assert len(modules) > 10
    wall = BLOCK.replace("NAMES", repr(GUI))
    _python(wall + "".join(f"import {name}\n" for name in modules))


def test_the_wall_stands() -> None:
    wall = BLOCK.replace("NAMES", repr(GUI))
    with pytest.raises(AssertionError, match="No module named 'qtpy'"):
        _python(wall + "import qtpy")


@pytest.mark.slow
def test_no_room_but_the_widgets_loads_napari_or_an_extra() -> None:
    code = "".join(f"import {name}\n" for name in _modules())
    assert _loaded(code) & {*GUI, "dask", "zarr", "torch"} == set()


def test_every_public_name_resolves() -> None:
    _python(f"import {PACKAGE} as p\nfor name in dir(p): getattr(p, name)\n")


def test_unknown_name_is_an_attribute_error() -> None:
    import napari_microenhance

    with pytest.raises(AttributeError, match="nothing_like_it"):
        napari_microenhance.nothing_like_it  # noqa: B018 - the access is the test


def test_settings_and_caches_stay_out_of_the_users_home(root: Path) -> None:
    import platformdirs
    from napari.settings import get_settings

    places = [
        Path.home(),
        Path(get_settings().config_path or ""),
        platformdirs.user_cache_path("napari"),
        platformdirs.user_data_path(PACKAGE),
    ]
    outside = Path(tempfile.gettempdir()).resolve()
    assert [p for p in places if outside not in p.resolve().parents] == []
    assert [p for p in places if root in p.resolve().parents] == []
