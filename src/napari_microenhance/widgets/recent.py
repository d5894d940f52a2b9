"""The network files that were opened last, kept in napari's settings of this plugin."""

from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.QtWidgets import QMenu, QPushButton

__all__ = ["RecentMenu", "add_recent", "recent_files"]

KEPT = 8

_PLUGIN = "napari-microenhance"

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
        if not paths and (empty := self.addAction("No file was opened yet")) is not None:
            empty.setEnabled(False)


def recent_files() -> tuple[Path, ...]:
    """Return the files that were opened last and still exist, the latest first."""
    section = _section()
    texts = section.recent.splitlines() if section is not None else []
    return tuple(path for path in map(Path, filter(None, texts)) if path.exists())


def add_recent(path: Path) -> None:
    """Remember a file; napari saves its settings whenever they change."""
    section = _section()
    if section is not None:
        text = str(path.absolute())
        before = [line for line in section.recent.splitlines() if line and line != text]
        section.recent = "\n".join([text, *before][:KEPT])


def _section() -> Any:  # noqa: ANN401 - made by napari from the manifest
    """Return our part of the settings; None where napari does not know this plugin."""
    try:
        # New in napari 0.9; and it reads the manifests of all plugins.
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(_PLUGIN), "networks", None)
    except (ImportError, KeyError):
        return None
