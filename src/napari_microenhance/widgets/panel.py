"""The look of the dock widget: its fields, buttons and lines, without behaviour."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, Label, ProgressBar, PushButton, Widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_microenhance.widgets.card import CAUTION, ModelCard
from napari_microenhance.widgets.compare.buttons import mode_buttons
from napari_microenhance.widgets.compare.modes import MODES
from napari_microenhance.widgets.menus import ButtonMenu
from napari_microenhance.widgets.options_form import ADVANCED, SHOWN, let_shrink, make_field
from napari_microenhance.widgets.presets import PresetBox, Presets
from napari_microenhance.widgets.recent import RecentMenu
from napari_microenhance.widgets.roi_menu import RoiMenu

if TYPE_CHECKING:
    from napari_microenhance.api import Progress

__all__ = ["LayerBox", "Panel"]

WIDTH_PX = 364


class LayerBox(ComboBox):
    """A chooser that keeps its layer when layers are renamed or move."""

    null_string = "Whole image"

    def reset_choices(self, *_: Any) -> None:  # noqa: ANN401 - events of several kinds
        """Offer what is there now; a layer that is gone gives way to the first."""
        native = self.native
        before = native.itemData(native.currentIndex())
        with self.changed.blocked():
            super().reset_choices()
            # magicgui keeps the text; after a renaming the text is another one.
            if before is not None and any(before == choice for choice in self.choices):
                self.value = before
        if not _same(before, self.value):
            self.changed.emit(self.value)


class FieldArea(QScrollArea):
    """Scrolls its content only where the window is too low for it, and never sideways."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        content.installEventFilter(self)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Ask for the height that the content has at this width."""
        content = self.widget()
        layout = content.layout() if content is not None else None
        if content is None or layout is None:
            return super().sizeHint()
        hint: QSize = content.sizeHint()
        least = max(hint.height(), content.minimumSizeHint().height())
        # napari's theme draws a border here that frameWidth() does not know of.
        inner = self.maximumViewportSize()
        height = max(least, layout.totalHeightForWidth(inner.width()))
        return QSize(hint.width(), height + self.height() - inner.height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Be as low as the window wants, but never narrower than the content."""
        content = self.widget()
        width = content.minimumSizeHint().width() if content is not None else 0
        bar = self.verticalScrollBar()
        # What scrolls has that much less room.
        width += bar.sizeHint().width() if bar is not None else 0
        return QSize(max(width, WIDTH_PX), 120)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Ask again: text wraps differently at another width."""
        super().resizeEvent(event)
        self.updateGeometry()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the content's height."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)


class Panel(Container[Any]):
    """All parts of the dock widget, top to bottom.

    The fields of a run are attributes under the names that `Options` and the run give
    them: `image`, `roi`, `model`, `background` and so on.
    """

    def __init__(self) -> None:
        choosers = [
            LayerBox(
                name="image",
                label="Image",
                choices=self._image_choices,
                tooltip="The image layer to enhance; it is never changed.",
            ),
            LayerBox(
                name="roi",
                label="ROI",
                choices=self._roi_choices,
                nullable=True,
                tooltip="The Shapes or Labels layer that marks what to enhance; "
                "everything outside stays as it is.",
            ),
            ComboBox(
                name="model",
                label="Network",
                choices=self._model_choices,
                tooltip="A built-in network, one of your folder, or a file that was opened.",
            ),
        ]
        for chooser in choosers:
            let_shrink(chooser)
        choosers[-1].native.setMinimumContentsLength(4)
        side_buttons = [
            _button("draw_roi", "Draw ROI", "Add a layer over the image and draw a polygon on it."),
            _button("more_roi", "", "Other shapes, the foreground network, ROI files."),
            CheckBox(
                name="each_shape",
                text="Each shape on its own",
                tooltip="A run makes one layer per shape, each a patch of its own.",
            ),
            _button(
                "open_file", "Open file…", "Open a file or package; dropping one here does too."
            ),
            _button("open_recent", "", "Files that were opened lately."),
        ]
        about = _text("about")
        shown: list[Widget] = [
            PresetBox(),
            _button("preset_menu", "", "Save and open presets."),
            *(make_field(name) for name in SHOWN),
        ]
        advanced = [make_field(name) for name in ADVANCED]
        actions = [
            _text("caution"),
            _button("run", "Run", "Enhance the whole ROI."),
            _button("more_run", "", "Run on several images."),
            _button("preview", "Preview", "Enhance the part of the ROI that is in sight."),
            _button("cancel", "Cancel", "Stop the run; nothing of it is kept."),
        ]
        lines = [
            ProgressBar(name="progress", min=0, max=1, value=0),
            *mode_buttons(),
            _button("use_as_roi", "Use as ROI", "Enhance what the labels of this result mark."),
            _button("inspect", "Inspect…", "What a result changed, and how far to trust it."),
            _text("status"),
            _text("remarks"),
        ]
        parts = [*choosers, *side_buttons, about, *shown, *advanced, *actions, *lines]
        super().__init__(widgets=parts, labels=False)
        self._card = ModelCard()
        self._recent = RecentMenu(self.open_recent.native)
        self._roi_menu = RoiMenu(self.more_roi.native)
        self._run_menu = ButtonMenu(self.more_run.native)
        self._presets = Presets(self)
        self._fold = QCollapsible("Advanced", expandedIcon="▾", collapsedIcon="▸")
        self._lay_out()
        self.cancel.enabled = self.use_as_roi.enabled = self.inspect.enabled = False
        self.each_shape.visible = False
        self.warn(())

    def show_progress(self, progress: "Progress", number: int = 1, of: int = 1) -> None:
        """Show tiles done and time left, in the run of this number of several."""
        text = f"{progress.done} of {progress.total} tiles"
        if progress.seconds_left is not None and progress.done:
            text += f", {_clock(progress.seconds_left)} left"
        total = max(1, progress.total)
        if of > 1:
            text = f"{number} of {of}: {text}"
        self._set_bar((number - 1) * total + progress.done, of * total, text)

    def show_busy(self, text: str) -> None:
        """Show that something goes on whose end is not known."""
        self._set_bar(0, 0, "")
        self.say(text)

    def show_idle(self) -> None:
        """Empty the bar."""
        self._set_bar(0, 1, "")

    def warn(self, cautions: Iterable[str]) -> None:
        """Write the line above Run that asks for caution."""
        lines = [f'<p style="margin: 0">⚠ {escape(text)}</p>' for text in cautions]
        colour = f'<div style="color: {CAUTION}">{"".join(lines)}</div>'
        self.caution.value = colour if lines else ""
        self.caution.visible = bool(lines)

    def say(self, status: str, remarks: Iterable[str] = ()) -> None:
        """Write the line that says what ran, and remarks below it."""
        self.status.value = status
        # The same remark may come from two rooms.
        self.remarks.value = "\n".join(f"• {r}" for r in dict.fromkeys(remarks))
        self.status.visible = bool(status)
        self.remarks.visible = bool(self.remarks.value)

    def _image_choices(self, _: Any) -> list[Any]:  # noqa: ANN401 - a magicgui callback
        return []

    def _roi_choices(self, _: Any) -> list[Any]:  # noqa: ANN401 - a magicgui callback
        return []

    def _model_choices(self, _: Any) -> list[Any]:  # noqa: ANN401 - a magicgui callback
        return []

    def _lay_out(self) -> None:
        """Put the fields into an area that scrolls, the rest below it.

        magicgui stacks all parts in one column; here they move into forms, whose labels
        line up whatever the font.
        """
        form = _form()
        form.addRow(self.image.label, self.image.native)
        form.addRow(self.roi.label, _beside(self.roi, self.draw_roi, self.more_roi))
        form.addRow(self.each_shape.native)
        form.addRow(self.model.label, _beside(self.model, self.open_file, self.open_recent))
        form.addRow(self.about.native)
        form.addRow(self._card)
        form.addRow(self.preset.label, _beside(self.preset, self.preset_menu))
        for name in SHOWN:
            form.addRow(self[name].label, self[name].native)
        advanced = QWidget()
        advanced.setLayout(_form(*(self[name] for name in ADVANCED)))
        self._fold.setDuration(0)
        self._fold.addWidget(advanced)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        column.addLayout(form)
        column.addWidget(self._fold)
        column.addStretch()
        layout = self.native.layout()
        layout.insertWidget(0, FieldArea(content))
        layout.insertWidget(1, self.caution.native)
        layout.insertWidget(2, _beside(self.run, self.more_run, self.preview, self.cancel))
        layout.insertWidget(4, _beside(*(self[name] for name in MODES)))
        layout.insertWidget(5, _beside(self.use_as_roi, self.inspect))
        self.margins = (8, 4, 8, 8)
        bar = self._bar()
        bar.setTextVisible(True)
        bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.show_idle()

    def _set_bar(self, value: int, total: int, text: str) -> None:
        """Set the bar; it is drawn when the event loop comes to it, not once per setter."""
        bar = self._bar()
        bar.setUpdatesEnabled(False)
        bar.setRange(0, total)
        bar.setValue(value)
        bar.setFormat(text)
        bar.setUpdatesEnabled(True)

    def _bar(self) -> QProgressBar:
        """Return Qt's progress bar, for a text of our own."""
        native = self.progress.native
        bar: QProgressBar = (
            native if isinstance(native, QProgressBar) else native.findChild(QProgressBar)
        )
        return bar


def _same(a: object, b: object) -> bool:
    """Compare two choices, either of which may be None."""
    return a is b or (a is not None and b is not None and bool(a == b))


def _button(name: str, text: str, tooltip: str) -> PushButton:
    """Return a button that is never narrower than a word."""
    button = PushButton(name=name, text=text, tooltip=tooltip)
    button.native.setMinimumWidth(max(64, button.native.sizeHint().width()))
    return button


def _form(*fields: Widget) -> QFormLayout:
    """Return fields below each other, their labels in a column of their own."""
    form = QFormLayout()
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    for field in fields:
        form.addRow(field.label, field.native)
    return form


def _beside(*parts: Widget) -> QWidget:
    """Return parts in a row, the first ones taking the room."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part.native)
    return row


def _text(name: str) -> Label:
    """Return an empty text that wraps."""
    text = Label(name=name, label="", value="")
    native = text.native
    if isinstance(native, QLabel):
        native.setWordWrap(True)
        native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        native.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        native.setMinimumWidth(WIDTH_PX - 100)
    return text


def _clock(seconds: float) -> str:
    """Return a time as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
