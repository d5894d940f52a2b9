"""The network files that were opened last, kept in napari's settings of this plugin."""

from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QMenu, QPushButton

from napari_microenhance.widgets.viewer.settings import section

__all__ = ["RecentMenu", "recent_files"]

KEPT = 8

_WIDTH_PX = 24


class RecentMenu(QMenu):
    """Unfolds from a button to the files that were opened last.

    Parameters
    ----------
    button : QPushButton
    """

    chosen = Signal(object)
    """The `Path` of a file."""

    def __init__(self, button: QPushButton) -> None:
        super().__init__(button)
        self.setToolTipsVisible(True)
        self.aboutToShow.connect(self._fill)
        button.setText("")
        button.setMenu(self)
        button.setFixedWidth(_WIDTH_PX)

    def _fill(self) -> None:
        """Offer what there is now."""
        self.clear()
        paths = recent_files()
        for path in paths:
            action = self.addAction(f"{path.name} ({path.parent.name})")
            # PyQt's types say that it may be none.
            if action is not None:
                action.setToolTip(str(path))
                action.triggered.connect(lambda _=False, p=path: self.chosen.emit(p))
        if not paths and (empty := self.addAction("No recent files")) is not None:
            empty.setEnabled(False)


def recent_files() -> tuple[Path, ...]:
    """Return the files that were opened last and still exist, the latest first."""
    kept = section("networks")
    texts = kept.recent.splitlines() if kept is not None else []
    return tuple(path for path in map(Path, filter(None, texts)) if path.exists())


def add_recent(path: Path) -> None:
    """Remember a file; napari saves its settings whenever they change."""
    kept = section("networks")
    if kept is not None:
        text = str(path.absolute())
        before = [line for line in kept.recent.splitlines() if line and line != text]
        kept.recent = "\n".join([text, *before][:KEPT])
