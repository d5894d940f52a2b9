"""What all tests share: a home of their own, and the public sample data where it is."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="microenhance-tests-"))


def _move_home() -> None:
    """Send every setting, cache and history file that a library writes into `HOME`."""
    # The display's key stays where the desktop put it.
    key = Path.home() / ".Xauthority"
    if "XAUTHORITY" not in os.environ and key.exists():
        os.environ["XAUTHORITY"] = str(key)
    for name, folder in {
        "HOME": "",
        "XDG_CONFIG_HOME": ".config",
        "XDG_CACHE_HOME": ".cache",
        "XDG_DATA_HOME": ".local/share",
        "XDG_STATE_HOME": ".local/state",
        "IPYTHONDIR": ".ipython",
    }.items():
        (HOME / folder).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(HOME / folder)
    os.environ["NAPARI_CONFIG"] = str(HOME / ".config" / "napari-settings.yaml")


# At import: napari reads NAPARI_CONFIG once, when its settings module is first imported.
_move_home()
# A real viewer's test fails where it leaves a window or widget behind.
os.environ["NAPARI_STRICT_QT"] = "raise"


# No test measures time: a shared machine can be slow at any moment. The same examples in
# every run, so that a failure can be repeated.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Let no test begin with the settings of the plugin that another one left."""
    yield
    # Where nothing has loaded napari, nothing has kept settings either.
    if napari_settings := sys.modules.get("napari.settings"):
        (HOME / ".config" / "napari-microenhance.yaml").unlink(missing_ok=True)
        napari_settings._clear_plugin_settings_cache()


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a random generator that gives the same numbers in every run."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Return the folder of third-party sample files; the suite is complete without it."""
    folder = Path(os.environ.get("MICROENHANCE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no folder of third-party sample data; MICROENHANCE_DATA can name one")
    return folder
