"""The gravest caution in sight, the others and the ticks that silence them folded away."""

from collections.abc import Iterable
from html import escape
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.widgets.enhance.cautions.caution_ticks import CautionTicks
from napari_microenhance.widgets.fields.folds import FoldButton
from napari_microenhance.widgets.fields.notice import Notice

__all__ = ["CautionPanel"]

_GRAVEST: Final = (
    "absent-chunks",
    "random",
    "training-mode",
    "value-range",
    "output-range",
    "white-is-zero",
    "colour-order",
    "domain",
    "roi-frame",
    "seams",
)
"""What spoils a result, the worst first; all others come after."""


class CautionPanel(QWidget):
    """Shows one caution at a time.

    Parameters
    ----------
    text : QLabel
        Of the gravest caution.
    ticks : CautionTicks

    Attributes
    ----------
    notice : Notice
    fold : FoldButton
        Unfolds to the others, and to the ticks.
    """

    def __init__(self, text: QLabel, ticks: CautionTicks) -> None:
        super().__init__()
        self._text, self._ticks = text, ticks
        self._more = 0
        text.setTextFormat(Qt.TextFormat.RichText)
        self.notice = Notice(text)
        self.notice.show_kind("caution")
        self._rest = QLabel()
        self._rest.setTextFormat(Qt.TextFormat.RichText)
        self._rest.setWordWrap(True)
        unfolded = QWidget()
        below = QVBoxLayout(unfolded)
        below.setContentsMargins(20, 0, 0, 0)
        below.addWidget(self._rest)
        below.addWidget(ticks)
        self.fold = FoldButton("", unfolded)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.notice)
        column.addWidget(self.fold)
        column.addWidget(unfolded)
        ticks.changed.connect(self._show_fold)
        self.show_cautions(())

    def show_cautions(self, cautions: Iterable[Caution | str]) -> None:
        """Show what asks for caution, with a way to silence what has a name."""
        found = sorted(cautions, key=_rank)
        self._ticks.show_names([c.name for c in found if isinstance(c, Caution)])
        self._text.setText(escape(str(found[0])) if found else "")
        self.notice.setVisible(bool(found))
        self._text.setVisible(bool(found))
        rest = [f'<p style="margin: 2px 0">{escape(str(c))}</p>' for c in found[1:]]
        self._rest.setText("".join(rest))
        self._rest.setVisible(bool(rest))
        self._more = len(rest)
        self._show_fold()

    def _show_fold(self) -> None:
        """Say what is folded away."""
        silent = self._ticks.silent
        words = [f"{self._more} more"] if self._more else []
        words += [f"{silent} silenced"] if silent else []
        self.fold.offer(", ".join(words) or ("Silence…" if self._ticks.boxes else ""))
        self.setVisible(self._text.text() != "" or bool(silent))


def _rank(caution: Caution | str) -> int:
    """Return how far down a caution stands; one without a name is an error, and the gravest."""
    if isinstance(caution, str):
        return -1
    return _GRAVEST.index(caution.name) if caution.name in _GRAVEST else len(_GRAVEST)
