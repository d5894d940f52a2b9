"""The caution before a run: in what an image is unlike those that a network was trained on."""

import logging
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.api import Model, check_domain, load_model
from napari_microenhance.errors import MicroEnhanceError, ModelError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.viewer.layer_values import read_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

    from napari_microenhance.widgets.background.call_worker import Call
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.enhance.layer_control import LayerControl
    from napari_microenhance.widgets.enhance.request import EnhanceRequest
    from napari_microenhance.widgets.models.network_choices import Networks
    from napari_microenhance.widgets.viewer.layer_values import ImageSource

__all__ = ["CautionControl", "pixel_size_um"]

LOGGER = logging.getLogger(__name__)

_DELAY_MS = 300
_OPTIONS = ("intensity", "value_range", "colour", "precision")
"""What the check depends on, beside image and network."""

Found = tuple[Model, tuple[str, ...]]


class CautionControl:
    """Looks at image and network whenever one of them changes; main thread only.

    Parameters
    ----------
    read_request : callable
        Returns an `EnhanceRequest`.
    fields : EnhanceFields
        Whose changes are followed.
    layers : LayerControl
    networks : Networks
    parent : QObject or None
        With it, a look ends.
    """

    found = Signal(tuple)
    """Sentences, each a str, about the image that is chosen; none where all is well."""

    done = Signal()
    """A look is over, whatever came of it."""

    def __init__(
        self,
        read_request: "Callable[[], EnhanceRequest]",
        fields: "EnhanceFields",
        layers: "LayerControl",
        networks: "Networks",
        parent: "QObject | None",
    ) -> None:
        self._read_request, self._networks = read_request, networks
        self._key = ""
        self._job = BackgroundJob(parent, delay_ms=_DELAY_MS)
        self._job.failed.connect(self._on_failed)
        for field in (fields.image, fields.model, *(fields.options[n] for n in _OPTIONS)):
            field.changed.connect(self.look)
        layers.image_watch.changed.connect(self.look)
        networks.opened.connect(self.look)
        self.look()

    def look(self, _: object = None) -> None:
        """Look soon; what was found before counts no more."""
        self.found.emit(())
        self._job.request(self._read, self._on_found)

    def drop(self) -> None:
        """Look no more."""
        self._job.drop()

    def _read(self) -> "Call[Found] | None":
        """Return the look at what is chosen now, if there is something to look at."""
        try:
            request = self._read_request()
            image, model = request.image, request.model
            if image is None or model is None:
                return None
            if not isinstance(model, Model) and not self._networks.is_builtin(request.key):
                return None  # it is being opened
            source = read_image(image)
        except MicroEnhanceError:
            return None  # Run says it
        self._key = request.key
        size = pixel_size_um(source)

        def check(_: object) -> Found:
            opened = load_model(model)
            found = check_domain(
                source.data,
                opened,
                source.axes,
                options=request.options,
                pixel_size_um=size,
            )
            return opened, found

        return check

    def _on_found(self, outcome: Found) -> None:
        """Tell what was found."""
        model, found = outcome
        if not isinstance(self._networks[self._key], Model):
            self._networks.keep(self._key, model)
        self.found.emit(found)
        self.done.emit()

    def _on_failed(self, error: Exception) -> None:
        """Tell what is wrong with the network; what is wrong with the rest, Run says."""
        if isinstance(error, ModelError):
            self.found.emit((str(error),))
        elif not isinstance(error, MicroEnhanceError):
            LOGGER.error("domain check", exc_info=error)
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
