"""What is said before a run: about the image, its noise and file, the ROI, the model, the plan."""

import logging
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.api import Model, foresee, load_model, noise_in
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import MicroEnhanceError, ModelError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.roi.drawn_roi import read_roi
from napari_microenhance.widgets.viewer.layer_values import read_image
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from qtpy.QtCore import QObject

    from napari_microenhance.measure.seen_noise import SeenNoise
    from napari_microenhance.widgets.background.call_worker import Call
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.enhance.layer_control import LayerControl
    from napari_microenhance.widgets.enhance.request import EnhanceRequest
    from napari_microenhance.widgets.models.network_choices import Networks

__all__ = ["CautionControl"]

LOGGER = logging.getLogger(__name__)

_DELAY_MS = 300

Found = tuple[Model, tuple[Caution | str, ...], str]


class CautionControl:
    """Looks at what a run would say whenever a field changes; main thread only.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
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
    """What a run would say, each a `Caution` or str; none where all is well."""

    noise = Signal(str)
    """The noise of the image in words; empty where it is not known."""

    done = Signal()
    """A look is over, whatever came of it."""

    def __init__(
        self,
        viewer: "ViewerModel",
        read_request: "Callable[[], EnhanceRequest]",
        fields: "EnhanceFields",
        layers: "LayerControl",
        networks: "Networks",
        parent: "QObject | None",
    ) -> None:
        self._viewer, self._read_request, self._networks = viewer, read_request, networks
        self._key = ""
        self._job = BackgroundJob(parent, delay_ms=_DELAY_MS)
        self._job.failed.connect(self._on_failed)
        for field in (fields.image, fields.model):
            field.changed.connect(self.look)
        for other in (fields.roi_label, *fields.options.values()):
            other.changed.connect(self.look_again)
        layers.image_watch.changed.connect(self.look)
        layers.roi_watch.changed.connect(self.look_again)
        networks.opened.connect(self.look)
        self.look()

    def look(self, _: object = None) -> None:
        """Look soon; what was found before counts no more."""
        self.found.emit(())
        self.noise.emit("")
        self.look_again()

    def look_again(self, _: object = None) -> None:
        """Look soon at another ROI or with other options; what was found stays till then."""
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
            roi = read_roi(request.roi, image, read_view(self._viewer), classes=request.classes)
        except MicroEnhanceError:
            return None  # Run says it
        self._key = request.key

        def look(_: object) -> Found:
            opened = load_model(model)
            options = request.options
            found = foresee(source.to_input(), opened, roi.read(), options=options)
            return opened, found, _noise(noise_in(source.to_input(), opened, options=options))

        return look

    def _on_found(self, outcome: Found) -> None:
        """Tell what was found."""
        model, found, noise = outcome
        if not isinstance(self._networks[self._key], Model):
            self._networks.keep(self._key, model)
        self.found.emit(found)
        self.noise.emit(noise)
        self.done.emit()

    def _on_failed(self, error: Exception) -> None:
        """Tell what is wrong with the network; what is wrong with the rest, Run says."""
        if isinstance(error, ModelError):
            self.found.emit((str(error),))
        elif not isinstance(error, MicroEnhanceError):
            LOGGER.error("checking for cautions", exc_info=error)
        self.done.emit()


def _noise(found: "Sequence[SeenNoise]") -> str:
    """Return the noise in words, a line for each group of channels that runs apart."""
    if len(found) == 1:
        return str(found[0])
    return "\n".join(f"Channel {noise.channels[0]}: {noise}" for noise in found)
