"""The main job in a real window: a sample, its ROI, the result beside the original."""

from collections.abc import Callable
from pathlib import Path

import napari
from psygnal import SignalInstance
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_microenhance.api import list_models
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.widgets.docking import PLUGIN, WIDGET
from napari_microenhance.widgets.enhance.preset_control import DEFAULTS

__all__ = ["run_demo", "settle", "wait_for"]

SAMPLE = "histology"
SIZE_PX = (1500, 820)

_PATIENCE_MS = 180_000
_SETTLE_MS = 1500


def run_demo(out: Path, *, window: bool) -> Path:
    """Open napari with a sample, enhance its ROI, and save a picture of the window.

    Parameters
    ----------
    out : Path
        Folder for ``napari.png``; made if missing.
    window : bool
        Whether napari stays open until the user closes it. It needs a display either way,
        real or virtual.

    Returns
    -------
    Path
        Of the picture.

    Raises
    ------
    MicroEnhanceError
        If the run fails.
    """
    viewer = napari.Viewer(title="napari-microenhance", show=True)
    viewer.window.resize(*SIZE_PX)
    viewer.open_sample(PLUGIN, SAMPLE)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    # Not with what somebody used last.
    widget.preset.value = DEFAULTS
    widget.model.value = next(info.name for info in list_models() if info.default)
    viewer.reset_view()
    settle()
    wait_for(widget.run.native.click, widget.completed, widget.failed)
    widget.side_by_side.value = True
    viewer.reset_view()
    settle()
    out.mkdir(parents=True, exist_ok=True)
    picture = out / "napari.png"
    viewer.window.screenshot(str(picture), flash=False, canvas_only=False)
    if window:
        napari.run()
    else:
        viewer.close()
        QApplication.processEvents()
    return picture


def wait_for(start: Callable[[], object], done: SignalInstance, failed: SignalInstance) -> None:
    """Do something and wait until it is done, the window staying alive.

    Parameters
    ----------
    start : callable
    done, failed : psygnal.SignalInstance
        One of them ends the wait; `failed` brings an exception.

    Raises
    ------
    MicroEnhanceError
        If it fails, or takes too long.
    """
    loop = QEventLoop()
    ended: list[object] = []

    def end(*what: object) -> None:
        ended.extend(what)
        loop.quit()

    done.connect(end)
    failed.connect(end)
    QTimer.singleShot(_PATIENCE_MS, loop.quit)
    QTimer.singleShot(0, start)
    loop.exec()
    done.disconnect(end)
    failed.disconnect(end)
    if not ended:
        raise MicroEnhanceError(f"The demonstration took longer than {_PATIENCE_MS // 1000} s.")
    if isinstance(ended[0], Exception):
        raise ended[0]


def settle() -> None:
    """Let the window draw itself."""
    loop = QEventLoop()
    QTimer.singleShot(_SETTLE_MS, loop.quit)
    loop.exec()
