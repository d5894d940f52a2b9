"""The caution before a run: in what an image is unlike those that a network was trained on."""

import logging
from typing import TYPE_CHECKING, Any

from psygnal import Signal
from qtpy.QtCore import QObject, QTimer

from napari_microenhance.api import Model, check_domain, load_model
from napari_microenhance.errors import MicroEnhanceError, ModelError
from napari_microenhance.widgets.examiner import CallWorker
from napari_microenhance.widgets.layers import read_image
from napari_microenhance.widgets.options_form import read_options
from napari_microenhance.widgets.worker import Handle

if TYPE_CHECKING:
    from napari_microenhance.widgets.choosers import LayerChoosers
    from napari_microenhance.widgets.layers import ImageSource
    from napari_microenhance.widgets.networks import Networks

__all__ = ["Caution", "pixel_size_um"]

LOGGER = logging.getLogger(__name__)

_DELAY_MS = 300
_FIELDS = ("image", "model", "intensity", "value_range", "colour", "precision")
"""What the check depends on."""


class Caution:
    """Looks at image and network whenever one of them changes; main thread only.

    Parameters
    ----------
    fields : LayerChoosers
        Image, network and options.
    networks : Networks
    parent : QObject
        Owner of the timer.
    """

    found = Signal(tuple)
    """Sentences, each a str, about the image that is chosen; none where all is well."""

    done = Signal()
    """A look is over, whatever came of it."""

    def __init__(self, fields: "LayerChoosers", networks: "Networks", parent: QObject) -> None:
        self._fields = fields
        self._networks = networks
        self._key = ""
        self.handle = Handle[CallWorker]()
        self._delay = QTimer(parent)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY_MS)
        self._delay.timeout.connect(self._start)
        for name in _FIELDS:
            fields[name].changed.connect(self.look)
        fields.image_watch.changed.connect(self.look)
        networks.opened.connect(self.look)
        self.look()

    def look(self, _: Any = None) -> None:  # noqa: ANN401 - values of several types
        """Look soon; what was found before counts no more."""
        self.handle.drop()
        self.found.emit(())
        self._delay.start()

    def drop(self) -> None:
        """Look no more."""
        self._delay.stop()
        self.handle.drop()

    def _start(self) -> None:
        """Begin to look at what is chosen now."""
        image, key = self._fields.image.value, self._fields.model.value
        if image is None or key is None:
            return
        model = self._networks[key]
        if not isinstance(model, Model) and not self._networks.is_builtin(key):
            return  # it is being opened
        try:
            source, options = read_image(image), read_options(self._fields, None)
        except MicroEnhanceError:
            return  # Run says it
        size = pixel_size_um(source)
        self._key = key

        def check(_: Any) -> tuple[Model, tuple[str, ...]]:  # noqa: ANN401 - cannot be stopped
            opened = load_model(model)
            found = check_domain(source.data, opened, source.axes, options, pixel_size_um=size)
            return opened, found

        worker = CallWorker(check)
        self.handle.worker = worker
        worker.finished.connect(self._on_finished)
        worker.start()

    def _on_finished(self, _: None = None) -> None:
        """Tell what was found."""
        worker = self.handle.worker
        if worker is None or not worker.done:
            return  # a dropped worker's late word
        self.handle.worker = None
        if worker.error is None:
            model, found = worker.outcome
            if not isinstance(self._networks[self._key], Model):
                self._networks.keep(self._key, model)
            self.found.emit(found)
        elif isinstance(worker.error, ModelError):
            self.found.emit((str(worker.error),))
        elif not isinstance(worker.error, MicroEnhanceError):
            LOGGER.error("domain check", exc_info=worker.error)
        self.done.emit()


def pixel_size_um(source: "ImageSource") -> float | None:
    """Return the edge of a pixel in micrometres; None where the layer has no unit of length."""
    placement = source.placement
    sizes = [
        float((1.0 * unit).to("micrometer").magnitude) * float(scale)
        for scale, unit in zip(placement.scale[-2:], placement.units[-2:], strict=True)
        if (1.0 * unit).check("[length]")
    ]
    return (sizes[0] * sizes[1]) ** 0.5 if len(sizes) == 2 else None
