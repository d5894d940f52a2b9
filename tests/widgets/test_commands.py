"""Commands of napari's menus: one dock of each kind, however it is opened."""

import numpy as np
import pytest
from napari.plugins import menu_item_template
from npe2 import PluginManifest

from napari_microenhance.widgets import EnhanceWidget, InspectWidget
from napari_microenhance.widgets.commands import show_widget
from napari_microenhance.widgets.docking import DISPLAY_NAME, INSPECT, PLUGIN, WIDGET, show_inspect


@pytest.fixture
def viewer(make_napari_viewer_proxy, npe2pm, root):
    manifest = PluginManifest.from_file(root / "napari.yaml")
    assert manifest.display_name == DISPLAY_NAME
    with npe2pm.tmp_plugin(manifest=manifest):
        made = make_napari_viewer_proxy()
        made.add_image(np.zeros((32, 32), np.uint8))
        yield made


def docks(viewer, kind):
    return [name for name, w in viewer.window.dock_widgets.items() if isinstance(w, kind)]


def test_the_filter_menu_finds_the_dock_of_the_plugins_menu(viewer):
    viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    show_widget(viewer)
    show_widget(viewer)
    assert len(docks(viewer, EnhanceWidget)) == 1


def test_the_plugins_menu_finds_the_docks_of_other_ways(viewer):
    show_widget(viewer)
    first = show_inspect(viewer)
    assert show_inspect(viewer) is first
    assert docks(viewer, EnhanceWidget) == [menu_item_template.format(DISPLAY_NAME, WIDGET)]
    assert docks(viewer, InspectWidget) == [menu_item_template.format(DISPLAY_NAME, INSPECT)]
