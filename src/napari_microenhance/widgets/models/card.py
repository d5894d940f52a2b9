"""The card of a network: what was found out about it, and what the user knows better."""

from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit, PushButton
from psygnal import Signal
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QResizeEvent, QTextCursor, QTextDocument
from qtpy.QtWidgets import QFormLayout, QHBoxLayout, QLabel, QTextBrowser, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_microenhance.errors import OptionsError
from napari_microenhance.widgets.fields.checked_field import CheckedField, check_option
from napari_microenhance.widgets.fields.options_form import WordBox, let_shrink
from napari_microenhance.widgets.fields.theme_colours import DockColours, Rgb, css
from napari_microenhance.widgets.models.facts import describe

if TYPE_CHECKING:
    from napari_microenhance.api import Model
    from napari_microenhance.engine.probing.findings import Finding
    from napari_microenhance.engine.reports.report_sections import ProviderSection
    from napari_microenhance.engine.spec import ModelSpec

__all__ = ["ModelCard"]

_TEXT_PX = 120
_NO_LIMIT_PX = (1 << 24) - 1


class ModelCard(QCollapsible):
    """Unfolds to all that is known of the chosen network.

    Attributes
    ----------
    task, value_range, output_range, output_channels : magicgui widgets
        What the user may know better.
    save, test, verify : PushButton
    checks : tuple of CheckedField
        Say what is wrong with the last three.
    facts, outcome : QLabel
        What is known, and how a test or verification went.
    editor : QWidget
        Holds the first four; hidden where nothing can be edited.
    words : QTextBrowser
        The network's own card.
    """

    unfolded = Signal()
    """The user wants to see it."""

    def __init__(self) -> None:
        super().__init__("Model card", expandedIcon="▾", collapsedIcon="▸")
        self._spec: ModelSpec | None = None
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._findings: tuple[Finding, ...] = ()
        self._provider: ProviderSection | None = None
        self._colours = DockColours.of_theme("dark")
        self._said = ("", False)
        self.facts, self.outcome = _Text(), _Text()
        self.words = _CardText()
        self.task = ComboBox(
            name="task",
            label="Output",
            choices=[("an image", "image"), ("labels", "labels")],
            tooltip="Whether the model outputs an image or labels (segmentation).",
        )
        self.value_range = WordBox(
            name="value_range",
            label="Value range",
            choices=("auto", (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)),
            tooltip="Range the model was trained on; auto: as stated by the file or measured.",
        )
        self.output_range = WordBox(
            name="output_range",
            label="Output range",
            choices=("auto", (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)),
            tooltip="Output range of the model; auto: as measured.",
        )
        self.output_channels = LineEdit(
            name="output_channels",
            label="Output channels",
            tooltip="Output channels that form the image: all, or numbers counted from 0.",
        )
        self.save = _button(
            "Save for this file", "Save these settings beside the file, for later use."
        )
        self.test = _button("Test on this image", "Run one tile at the centre of the view.")
        self.verify = _button("Verify", "Run the test tensors of the package.")
        self._lay_out()
        self.toggled.connect(self._on_toggled)
        self.show_nothing("")

    def show_nothing(self, text: str) -> None:
        """Show a network that is not open: only the text of its card, Markdown."""
        self._spec, self._findings, self._provider = None, (), None
        self._pairs = ()
        self._show_text(text)
        self._show_facts()
        self.say("")
        for widget in (self.editor, self.verify.native):
            widget.setVisible(False)

    def show_model(self, model: "Model", *, editable: bool) -> None:
        """Show an open network.

        Parameters
        ----------
        model : Model
        editable : bool
            Whether the user may know better: of a file of their own.
        """
        self._spec = model.spec
        self._pairs = describe(model.spec)
        self._findings = tuple(model.details)
        self._provider = None
        self.task.value = model.spec.task
        self.value_range.value = model.spec.value_range
        self.output_range.value = model.spec.output_range
        channels = model.spec.output_channels
        self.output_channels.value = ", ".join(map(str, channels)) or "all"
        self._show_text(model.card or model.spec.card)
        self._show_facts()
        self.say("")
        self.editor.setVisible(editable)
        package = model.package
        self.verify.native.setVisible(package is not None and package.test_files is not None)

    def show_provider(self, provider: "ProviderSection") -> None:
        """Show what a run asked for and got."""
        self._provider = provider
        self._show_facts()

    def say(self, text: str, *, bad: bool = False) -> None:
        """Say how a test or a verification went; an empty text hides the line."""
        self._said = (text, bad)
        self.outcome.setText(_coloured(text, self._colours.error) if bad else escape(text))
        self.outcome.setVisible(bool(text))

    def paint_with(self, colours: DockColours) -> None:
        """Take the colours of another theme."""
        self._colours = colours
        self._show_facts()
        text, bad = self._said
        self.say(text, bad=bad)

    def edits(self) -> dict[str, Any]:
        """Return the fields that differ from what is shown above them.

        Returns
        -------
        dict
            Fields of `ModelSpec`; None: what was kept for it is to be forgotten.

        Raises
        ------
        OptionsError
            If a field holds text that means nothing.
        """
        if self._spec is None:
            return {}
        ranges = {field.name: field.value for field in (self.value_range, self.output_range)}
        found = {
            "task": self.task.value,
            **{name: None if value == "auto" else value for name, value in ranges.items()},
            "output_channels": parse_channels(self.output_channels.value),
        }
        return {name: v for name, v in found.items() if v != getattr(self._spec, name)}

    def _show_facts(self) -> None:
        """Write the facts, the findings and the provider."""
        rows = [(escape(head), escape(text)) for head, text in self._pairs]
        if self._provider is not None:
            rows.append(("Provider", _provider_text(self._provider, self._colours.error)))
        table = "".join(f"<tr><td>{a}&nbsp;&nbsp;</td><td>{b}</td></tr>" for a, b in rows)
        lines = [_finding_text(f, self._colours.caution) for f in self._findings]
        self.facts.setText(f"<table>{table}</table>" + "".join(lines))
        self.facts.setVisible(bool(rows or lines))

    def _show_text(self, text: str) -> None:
        """Write the network's own card."""
        self.words.show_markdown(text)
        self.words.setVisible(bool(text.strip()))

    def _lay_out(self) -> None:
        """Put facts, text, fields and buttons below each other."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        self.editor = QWidget()
        form = QFormLayout(self.editor)
        form.setContentsMargins(0, 0, 0, 0)
        for box in (self.task, self.value_range, self.output_range):
            let_shrink(box)
        ranges = [
            CheckedField(field, partial(check_option, field.name))
            for field in (self.value_range, self.output_range)
        ]
        self.checks = (*ranges, CheckedField(self.output_channels, parse_channels))
        fields = (self.task, self.value_range, self.output_range, self.output_channels)
        for field, part in zip(fields, (self.task.native, *self.checks), strict=True):
            form.addRow(field.label, part)
        form.addRow(self.save.native)
        buttons = QWidget()
        row = QHBoxLayout(buttons)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.test, self.verify):
            row.addWidget(button.native)
        for part in (self.facts, self.words, buttons, self.outcome, self.editor):
            column.addWidget(part)
        self.setDuration(0)
        inner = self.content().layout()
        if inner is not None:
            # Its own addWidget fits the height of short texts, not of those that wrap.
            inner.addWidget(content)

    def _on_toggled(self, is_open: bool) -> None:
        """Tell that the card is looked at."""
        if is_open:
            self.content().setMaximumHeight(_NO_LIMIT_PX)
            self.unfolded.emit()


class _Text(QLabel):
    """Wraps, can be copied, and is never cut off: forms do not ask for the height of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def setText(self, text: str | None) -> None:  # noqa: N802
        """Show a text."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Wrap anew."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be as high as the text is at this width."""
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


class _CardText(QTextBrowser):
    """Shows Markdown of others: no HTML, no pictures, no link is followed."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.setFixedHeight(_TEXT_PX)

    def show_markdown(self, text: str) -> None:
        """Show a text."""
        document = self.document()
        if document is not None:
            document.setMarkdown(text, QTextDocument.MarkdownFeature.MarkdownNoHTML)
            # The cursor is behind what was inserted, and is scrolled to when the card unfolds.
            self.moveCursor(QTextCursor.MoveOperation.Start)

    def loadResource(self, _kind: int, _name: QUrl) -> None:  # noqa: N802
        """Load nothing, whatever the text names."""
        return


def parse_channels(text: str) -> tuple[int, ...]:
    """Return the channels that a text names; all: none in particular.

    Raises
    ------
    OptionsError
        If it is neither "all" nor whole numbers.
    """
    words = text.replace(",", " ").split()
    if [w.lower() for w in words] in ([], ["all"]):
        return ()
    if not all(word.isdecimal() for word in words):
        raise OptionsError(
            f"Output channels are whole numbers such as 4, 5, 6, or all, not {text!r}."
        )
    return tuple(int(word) for word in words)


def _provider_text(provider: "ProviderSection", bad: Rgb) -> str:
    """Return asked and got, red where they differ."""
    asked, got = provider.asked, provider.got
    text = f"{asked} requested, {got} used"
    return escape(text) if asked in ("auto", got) else _coloured(text, bad)


def _finding_text(finding: "Finding", caution: Rgb) -> str:
    """Return a finding; what asks for caution stands out."""
    is_info = finding.severity == "info"
    sentence = escape(finding.sentence) if is_info else _coloured(f"⚠ {finding.sentence}", caution)
    return f"<p>{sentence}</p>"


def _coloured(text: str, colour: Rgb) -> str:
    """Return escaped text in a colour."""
    return f'<span style="color:{css(colour)}">{escape(text)}</span>'


def _button(text: str, tooltip: str) -> PushButton:
    """Return a button."""
    return PushButton(text=text, tooltip=tooltip)
