"""The look of the dock "Enhance ROI": what its fields say, and the lines that it writes."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error
from psygnal import Signal

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.widgets.enhance.enhance_layout import native_bar
from napari_microenhance.widgets.enhance.request import EnhanceRequest
from napari_microenhance.widgets.enhance.telling import text_of
from napari_microenhance.widgets.fields.options_form import CURRENT_PLANE, read_options
from napari_microenhance.widgets.models.card import CAUTION
from napari_microenhance.widgets.roi.labels_roi import parse_labels

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.enhance.caution_ticks import CautionTicks
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.models.network_choices import Networks

__all__ = ["EnhanceView"]

_RUNNING = "Running…"


class EnhanceView:
    """Reads the fields and writes the lines; a `DockView`.

    Parameters
    ----------
    fields : EnhanceFields
    networks : Networks
        What the keys of the chooser stand for.
    ticks : CautionTicks
    """

    told = Signal(object)
    """An exception that the user was told of."""

    def __init__(
        self, fields: "EnhanceFields", networks: "Networks", ticks: "CautionTicks"
    ) -> None:
        self._fields, self._networks, self._ticks = fields, networks, ticks

    def read_request(self) -> EnhanceRequest:
        """Return what the fields say.

        Raises
        ------
        OptionsError
            If a field holds text that its option does not take.
        """
        fields, key = self._fields, self._fields.model.value
        return EnhanceRequest(
            image=fields.image.value,
            roi=fields.roi.value,
            key=key or "",
            model=None if key is None else self._networks[key],
            options=read_options(fields.options),
            only_current=fields.options["planes"].value == CURRENT_PLANE,
            classes=parse_labels(fields.roi_label.value),
            each_shape=bool(fields.each_shape.value),
        )

    def chosen_roi(self) -> "Layer | None":
        """Return the layer that is chosen as the ROI."""
        roi: Layer | None = self._fields.roi.value
        return roi

    def choose_roi(self, layer: "Layer") -> None:
        """Choose a layer as the ROI."""
        self._fields.roi.value = layer

    def show_state(self, *, busy: bool, can_cancel: bool) -> None:
        """Enable the buttons that make sense; `busy` is about runs, not about opening."""
        self._fields.run.enabled = self._fields.preview.enabled = not busy
        self._fields.cancel.enabled = can_cancel
        if not can_cancel:
            self.show_idle()

    def show_cancelling(self) -> None:
        """Show that what goes on is about to end."""
        self._fields.cancel.enabled = False
        self._fields.status.value = "Cancelling…"

    def show_progress(self, progress: "JobProgress", number: int = 1, of: int = 1) -> None:
        """Show tiles done and time left, in the run of this number of several."""
        text = f"{progress.done} of {progress.total} tiles"
        if progress.seconds_left is not None and progress.done:
            text += f", {_clock(progress.seconds_left)} left"
        total = max(1, progress.total)
        if of > 1:
            text = f"{number} of {of}: {text}"
        self._set_bar((number - 1) * total + progress.done, of * total, text)
        if self._fields.cancel.enabled and self._fields.status.value != _RUNNING:
            self._fields.status.value = _RUNNING

    def show_busy(self, text: str) -> None:
        """Show that something goes on whose end is not known."""
        self._set_bar(0, 0, "")
        self.say(text)

    def show_idle(self) -> None:
        """Empty the bar."""
        self._set_bar(0, 1, "")

    def warn(self, cautions: Iterable[Caution | str]) -> None:
        """Write the lines above Run that ask for caution, with a way to silence them."""
        cautions = tuple(cautions)
        self._ticks.show_names([c.name for c in cautions if isinstance(c, Caution)])
        lines = [f'<p style="margin: 0">⚠ {escape(str(text))}</p>' for text in cautions]
        colour = f'<div style="color: {CAUTION}">{"".join(lines)}</div>'
        self._fields.caution.value = colour if lines else ""
        self._fields.caution.visible = bool(lines)

    def say(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what ran, and remarks below it."""
        fields = self._fields
        fields.status.value = status
        # The same remark may come from two sources.
        fields.remarks.value = "\n".join(f"• {r}" for r in dict.fromkeys(remarks))
        fields.status.visible = bool(status)
        fields.remarks.visible = bool(fields.remarks.value)

    def tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        text = text_of(error)
        self.say("Failed.", [text])
        show_error(text)
        self.told.emit(error)

    def _set_bar(self, value: int, total: int, text: str) -> None:
        """Set the bar; it is drawn when the event loop comes to it, not once per setter."""
        bar = native_bar(self._fields)
        bar.setUpdatesEnabled(False)
        bar.setRange(0, total)
        bar.setValue(value)
        bar.setFormat(text)
        bar.setUpdatesEnabled(True)


def _clock(seconds: float) -> str:
    """Return a time as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
