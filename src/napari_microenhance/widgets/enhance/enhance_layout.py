"""Where the parts of the dock "Enhance ROI" stand: three steps, Run, and what came of it."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from magicgui.widgets import Container, Widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QProgressBar, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_microenhance.widgets.enhance.cautions.caution_panel import CautionPanel
from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields
from napari_microenhance.widgets.enhance.outcome.result_bar import ResultBar
from napari_microenhance.widgets.fields.checked_field import CheckedField, check_option
from napari_microenhance.widgets.fields.folds import FoldButton, paint_arrows
from napari_microenhance.widgets.fields.layout import FieldArea, beside, form
from napari_microenhance.widgets.fields.notice import Notice
from napari_microenhance.widgets.fields.options_form import ADVANCED
from napari_microenhance.widgets.fields.theme_colours import DockColours, css
from napari_microenhance.widgets.models.card import ModelCard
from napari_microenhance.widgets.roi.labels_roi import parse_labels

__all__ = ["Panels", "lay_out"]

_REGION = ("dilate", "feather", "background")


@dataclasses.dataclass(frozen=True, eq=False)
class Panels:
    """What the fields stand in, as far as it is shown, hidden or painted.

    Parameters
    ----------
    dock : QWidget
    card : ModelCard
    welcome : QWidget
        In sight until there is an image.
    activity : QWidget
        In sight while something goes on.
    status : Notice
    notes : FoldButton
        Unfolds to the remarks on a run.
    cautions : CautionPanel
    results : ResultBar
    steps : tuple of QLabel
        Their headings.
    checks : tuple of CheckedField
    """

    dock: QWidget
    card: ModelCard
    welcome: QWidget
    activity: QWidget
    status: Notice
    notes: FoldButton
    cautions: CautionPanel
    results: ResultBar
    steps: tuple[QLabel, ...]
    checks: tuple[CheckedField, ...]

    def paint_with(self, colours: DockColours) -> None:
        """Take the colours of another theme."""
        self.card.paint_with(colours)
        paint_arrows(self.dock, colours)
        for notice in (self.status, self.cautions.notice, *(c.notice for c in self.checks)):
            notice.paint_with(colours)
        primary, on_primary = css(colours.primary), css(colours.on_primary)
        self.dock.setStyleSheet(
            f"QPushButton#run:enabled {{ background-color: {primary}; color: {on_primary};"
            " font-weight: bold; }"
            f" QPushButton#run:enabled:hover {{ border: 1px solid {css(colours.text)}; }}"
            " QLabel#step { font-weight: bold; padding-top: 3px; }"
            " QCollapsible QPushButton { background: transparent; text-align: left; padding: 2px; }"
            f" QCollapsible QPushButton:hover {{ background: {css(colours.raised)}; }}"
            " QToolButton { border: none; background: transparent; padding: 2px 0; }"
        )


def lay_out(
    dock: Container[Any], fields: EnhanceFields, card: ModelCard, cautions: CautionPanel
) -> Panels:
    """Put the steps into an area that scrolls, Run and what came of it below.

    magicgui stacks all parts in one column; here they move into forms, whose labels
    line up whatever the font.

    Parameters
    ----------
    dock : Container
        Holds the fields already.
    fields : EnhanceFields
    card : ModelCard
        Of the model.
    cautions : CautionPanel

    Returns
    -------
    Panels
    """
    fields.run.native.setObjectName("run")
    close_up(card)
    options = fields.options
    checks = {name: CheckedField(options[name], partial(check_option, name)) for name in ADVANCED}
    labels = CheckedField(fields.roi_label, parse_labels)
    advanced = _stack(
        _form_of(fields.preset.label, beside(fields.preset, fields.preset_menu)),
        _checked_form([options[name] for name in ADVANCED], checks),
    )
    fold = _section("Options", advanced)
    welcome = _welcome(fields)
    headings = tuple(_heading(text) for text in ("1  Image", "2  Region", "3  Model"))
    content = _stack(
        welcome,
        headings[0],
        fields.image.native,
        fields.noise.native,
        _holding(form(options["planes"])),
        headings[1],
        beside(fields.roi, fields.draw_roi, fields.more_roi),
        labels,
        fields.each_shape.native,
        _holding(form(*(options[name] for name in _REGION))),
        headings[2],
        beside(fields.model, fields.open_file, fields.open_recent),
        fields.about.native,
        card,
        fold,
        right=6,
    )
    activity = beside(fields.progress, fields.cancel)
    status = Notice(fields.status.native)
    notes = FoldButton("", fields.remarks.native)
    results = ResultBar(fields)
    below = (
        cautions,
        beside(fields.run, fields.more_run, fields.preview),
        activity,
        status,
        notes,
        fields.remarks.native,
        results,
    )
    layout = dock.native.layout()
    for at, part in enumerate((FieldArea(content), *below)):
        layout.insertWidget(at, part)
    dock.margins = (8, 4, 8, 8)
    bar = native_bar(fields)
    bar.setTextVisible(True)
    bar.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return Panels(
        dock=dock.native,
        card=card,
        welcome=welcome,
        activity=activity,
        status=status,
        notes=notes,
        cautions=cautions,
        results=results,
        steps=headings,
        checks=(labels, *checks.values(), *card.checks),
    )


def native_bar(fields: EnhanceFields) -> QProgressBar:
    """Return Qt's progress bar, for a text of our own."""
    native = fields.progress.native
    bar: QProgressBar = (
        native if isinstance(native, QProgressBar) else native.findChild(QProgressBar)
    )
    return bar


def _welcome(fields: EnhanceFields) -> QWidget:
    """Return what is said before there is an image."""
    said = QLabel("Open an image, or try a sample.")
    said.setWordWrap(True)
    return _stack(said, fields.try_sample.native)


def _heading(text: str) -> QLabel:
    """Return the heading of a step."""
    label = QLabel(text)
    label.setObjectName("step")
    return label


def _section(text: str, content: QWidget) -> QCollapsible:
    """Return a part that unfolds."""
    fold = QCollapsible(text, expandedIcon="▾", collapsedIcon="▸")
    fold.setDuration(0)
    fold.addWidget(content)
    close_up(fold)
    return fold


def close_up(fold: QCollapsible) -> None:
    """Take away the room around a part that unfolds."""
    for layout in (fold.layout(), fold.content().layout()):
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)


def _stack(*parts: QWidget, right: int = 0) -> QWidget:
    """Return parts below each other."""
    whole = QWidget()
    column = QVBoxLayout(whole)
    column.setContentsMargins(0, 0, right, 0)
    column.setSpacing(5)
    for part in parts:
        column.addWidget(part)
    column.addStretch()
    return whole


def _holding(layout: QFormLayout) -> QWidget:
    """Return a widget with a layout."""
    whole = QWidget()
    whole.setLayout(layout)
    return whole


def _form_of(label: str, part: QWidget) -> QWidget:
    """Return a part with its label."""
    rows = form()
    rows.addRow(label, part)
    return _holding(rows)


def _checked_form(fields: Sequence[Widget], checks: dict[str, CheckedField]) -> QWidget:
    """Return fields below each other, each with room for what is wrong with it."""
    rows = form()
    for field in fields:
        rows.addRow(field.label, checks[field.name])
    return _holding(rows)
