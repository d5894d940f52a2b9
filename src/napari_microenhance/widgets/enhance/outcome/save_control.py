"""Saving the result that the dock shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.background.hooks import JobProgress
from napari_microenhance.widgets.compare.pairs import pair_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["SaveControl"]

RESULT_FILES: Final = "OME-TIFF (*.ome.tif);;OME-Zarr (*.ome.zarr)"

_SOON_MS: Final = 1000
_SUFFIXES: Final = (".ome.tif", ".ome.tiff", ".ome.zarr")


class SaveControl:
    """Writes a result with its record beside the window; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QWidget
    """

    began = Signal(str)
    """What is being done."""

    saved = Signal(object)
    """The `Path` of the file."""

    progressed = Signal(object)
    """The `JobProgress` of what takes over a second."""

    cancelled = Signal()
    """Saving was cancelled; no file is left."""

    failed = Signal(object)
    """The exception that kept the result from being saved."""

    def __init__(self, viewer: "ViewerModel", parent: QWidget) -> None:
        self._viewer = viewer
        self._job = BackgroundJob(parent)
        self._latest = JobProgress("Saving")
        self._pause = QTimer(parent)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_SOON_MS)
        self._pause.timeout.connect(self._tell)
        self._job.ended.connect(self._on_ended)
        self._job.failed.connect(self.failed.emit)
        self._job.cancelled.connect(self.cancelled.emit)
        self._job.progressed.connect(self._on_progressed)

    @property
    def is_busy(self) -> bool:
        """Whether a result is being saved."""
        return self._job.is_busy

    def ask(self, layer: "Layer", window: QWidget | None) -> None:
        """Ask for a file, and save a result there."""
        name = layer.name.replace("/", "-")
        path, kind = QFileDialog.getSaveFileName(
            window, "Save the result", f"{name}.ome.tif", RESULT_FILES
        )
        if path:
            suffix = ".ome.zarr" if "zarr" in kind else ".ome.tif"
            named = path.lower().endswith(_SUFFIXES)
            self.save(layer, Path(path if named else path + suffix))

    def save(self, layer: "Layer", path: Path) -> None:
        """Save a result with its record and the mask of its changed pixels."""
        # What measures changes is imported when it is needed, not when the dock is opened.
        from napari_microenhance.widgets.inspect.inspected_result import read_inspected
        from napari_microenhance.widgets.inspect.saving import save_result

        try:
            inspected = read_inspected(*pair_of(self._viewer, layer))
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self.failed.emit(error)
            return
        title = f"Saving {path.name}"
        self.began.emit(f"{title}…")
        self._latest = JobProgress(title)
        self._pause.start()
        self._job.start(
            lambda hooks: save_result(path, inspected, hooks),
            lambda _: self.saved.emit(path),
            title=title,
        )

    def cancel(self) -> None:
        """Write no further."""
        self._job.cancel()

    def drop(self) -> None:
        """Leave alone what is being written."""
        self._pause.stop()
        self._job.drop()

    def _on_progressed(self, progress: "JobProgress") -> None:
        """Note how far it is, and hand it on unless it may be over soon."""
        self._latest = progress
        if not self._pause.isActive():
            self._tell()

    def _on_ended(self) -> None:
        """Say no more."""
        self._pause.stop()

    def _tell(self) -> None:
        """Say how far it is."""
        if self.is_busy:
            self.progressed.emit(self._latest)
