"""The look of the dock "Enhance ROI": what its fields say, and the lines that it writes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from magicgui.widgets import Label, ProgressBar
from magicgui.widgets.bases import ValueWidget
from napari.utils.notifications import show_error
from psygnal import Signal

from napari_microenhance.widgets.background.telling import text_of
from napari_microenhance.widgets.enhance.enhance_layout import native_bar
from napari_microenhance.widgets.enhance.readiness import ButtonStates, Readiness
from napari_microenhance.widgets.enhance.request import EnhanceRequest
from napari_microenhance.widgets.fields.notice import Kind
from napari_microenhance.widgets.fields.options_form import CURRENT_PLANE, read_options
from napari_microenhance.widgets.roi.labels_roi import parse_labels

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
    from napari_microenhance.widgets.enhance.enhance_layout import Panels
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
    panels : Panels
        What the fields stand in.
    """

    told = Signal(object)
    """An exception that the user was told of."""

    def __init__(self, fields: "EnhanceFields", networks: "Networks", panels: "Panels") -> None:
        self._fields, self._networks, self._panels = fields, networks, panels
        self._buttons = ButtonStates(fields)
        self._busy = self._can_cancel = False
        # Before anybody else hears of it: what an action says itself is to stay.
        for part in fields:
            if isinstance(part, ValueWidget) and not isinstance(part, Label | ProgressBar):
                part.changed.connect(self._on_action)
        for field in (fields.image, fields.model):
            field.changed.connect(self._show_buttons)

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
        self._busy, self._can_cancel = busy, can_cancel
        self._show_buttons()
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
        """Show that something goes on whose end is not known.

        The bar stands still: an endless one makes the window compose all the time.
        """
        self._panels.activity.show()
        self._set_bar(0, 1, "")
        self.say(text)

    def show_stage(self, progress: "JobProgress", what: str) -> None:
        """Show which stage of several goes on."""
        count = f", {progress.done} of {progress.total}" if progress.total else ""
        self._set_bar(max(0, progress.done - 1), max(1, progress.total), "")
        self.say(f"{what}: {progress.stage.lower()}{count}")

    def show_parts(self, progress: "JobProgress") -> None:
        """Show which stage goes on, and how many of its parts are done."""
        self._panels.activity.show()
        count = f"{progress.done} of {progress.total} {progress.unit}" if progress.total else ""
        self._set_bar(progress.done, max(1, progress.total), count.rstrip())
        self.say(f"{progress.stage}…")

    def show_idle(self) -> None:
        """Put the bar away."""
        self._panels.activity.hide()
        self._set_bar(0, 1, "")

    def say(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what ran, and remarks that unfold below it."""
        self._write("plain", status, remarks)

    def say_done(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what was finished, and remarks that unfold below it."""
        self._write("done", status, remarks)

    def tell(self, error: Exception) -> None:
        """Tell the user what went wrong; it stays until the next action."""
        text = text_of(error)
        self._write("error", text)
        show_error(text)
        self.told.emit(error)

    def show_noise(self, text: str) -> None:
        """Show what the noise of the image is like; nothing where it is not known."""
        self._fields.noise.value = text
        self._fields.noise.native.setVisible(bool(text))

    def show_result(self, result: "Layer | None") -> None:
        """Show what can be done with a result, where there is one."""
        self._panels.results.setVisible(result is not None)
        for part in (self._fields.save_result, self._fields.discard):
            part.enabled = result is not None

    def _write(self, kind: Kind, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line of the status, and what unfolds from it."""
        fields, panels = self._fields, self._panels
        # The same remark may come from two sources.
        notes = tuple(dict.fromkeys(remarks))
        fields.status.value = status
        fields.status.visible = bool(status)
        fields.remarks.value = "\n".join(f"• {note}" for note in notes)
        panels.status.show_kind(kind)
        panels.status.setVisible(bool(status))
        panels.notes.offer(f"{len(notes)} note{'s' * (len(notes) > 1)}" if notes else "")

    def _on_action(self, _: object = None) -> None:
        """Take an error away: the user goes on."""
        if self._panels.status.kind == "error":
            self.say("")

    def _show_buttons(self, _: object = None) -> None:
        """Enable the buttons that make sense, and say what to begin with."""
        image, model = self._fields.image.value, self._fields.model.value
        ready = Readiness(image is not None, model is not None, self._busy, self._can_cancel)
        self._buttons.show(ready)
        self._panels.welcome.setVisible(image is None)

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
