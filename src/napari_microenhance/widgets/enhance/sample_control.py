"""The sample that a dock without an image offers."""

from typing import TYPE_CHECKING, Final

from napari.layers import Layer
from psygnal import Signal

from napari_microenhance.contributions.samples import SAMPLES
from napari_microenhance.widgets.background.background_job import BackgroundJob

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtCore import QObject

    from napari_microenhance.contributions.layer_data import LayerData

__all__ = ["SampleControl"]

_SAMPLE: Final = "fluorescence"


class SampleControl:
    """Opens a sample with its ROI beside the window; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    parent : QObject
    """

    began = Signal(str)
    """What is being done."""

    opened = Signal(tuple)
    """The layers that were added."""

    failed = Signal(object)
    """The exception that kept the sample from being opened."""

    def __init__(self, viewer: "ViewerModel", parent: "QObject") -> None:
        self._viewer = viewer
        self._job = BackgroundJob(parent)
        self._job.failed.connect(self.failed.emit)

    def open(self) -> None:
        """Open the sample, unless it is being opened."""
        if not self._job.is_busy:
            self.began.emit("Opening the sample…")
            self._job.start(lambda _: SAMPLES[_SAMPLE](), self._on_made)

    def drop(self) -> None:
        """Open nothing any more."""
        self._job.drop()

    def _on_made(self, made: "list[LayerData]") -> None:
        """Add the image and its ROI."""
        layers = tuple(Layer.create(*one) for one in made)
        for layer in layers:
            self._viewer.add_layer(layer)
        self.opened.emit(layers)
