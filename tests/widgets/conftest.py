"""What tests of the docks share: a viewer without a window, an image in it, a dock over both."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

import dock


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def image(viewer, rng):
    return viewer.add_image(rng.integers(20, 200, (96, 128), dtype=np.uint8), name="cells")


@pytest.fixture
def widget(qtbot, viewer):
    with dock.made(qtbot, viewer) as made:
        yield made


@pytest.fixture
def settings(plugin_settings, npe2pm, root):
    """Napari's settings of this plugin, empty and saved to a folder of the test's own."""
    with npe2pm.tmp_plugin(manifest=PluginManifest.from_file(root / "napari.yaml")):
        yield get_plugin_settings("napari-microenhance")
