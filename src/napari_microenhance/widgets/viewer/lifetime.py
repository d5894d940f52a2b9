"""Qt events that magicgui does not hand on: dropped files, and the end of the widget."""

from pathlib import Path

from psygnal import Signal
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QWidget

__all__ = ["WidgetEvents"]


class WidgetEvents(QObject):
    """Watches one widget, and the window around it, for what matters to a run.

    Parameters
    ----------
    native : QWidget
    suffixes : tuple of str
        How the names of files that may be dropped end, lower case.
    """

    dropped = Signal(object)
    """A `Path` with one of the suffixes was dropped on the widget."""

    ended = Signal()
    """The widget was closed or taken out of its window, or the window was closed."""

    def __init__(self, native: QWidget, suffixes: tuple[str, ...]) -> None:
        # The parent is asked for, never kept: Python may clear an object that Qt still calls.
        super().__init__(native)
        self._suffixes = suffixes
        self._window: QWidget | None = None
        native.setAcceptDrops(True)
        native.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Look at an event; only drags and drops are taken."""
        if event is None or watched is None:
            return False
        if watched is not self.parent():
            # A user's click may still be revoked in napari's dialog; then the widget stays.
            if event.type() == QEvent.Type.Close and not event.spontaneous():
                self.ended.emit()
            return False
        undocked = event.type() == QEvent.Type.ParentChange and watched.parent() is None
        if undocked or event.type() == QEvent.Type.Close:
            self.ended.emit()
        if isinstance(event, QDropEvent):
            return self._take(event)
        return False

    def _take(self, event: QDropEvent) -> bool:
        """Accept a drag, and open what is dropped; return whether it is ours."""
        path = self._path_in(event)
        kind = event.type()
        if path is None or kind not in (QEvent.Type.DragEnter, QEvent.Type.Drop):
            return False
        event.acceptProposedAction()
        if kind == QEvent.Type.Drop:
            self.dropped.emit(path)
        return True

    def watch_window(self) -> None:
        """Watch the window that the widget is in now."""
        native = self.parent()
        window = native.window() if isinstance(native, QWidget) else None
        if window is None or window is native or window is self._window:
            return
        if self._window is not None:
            self._window.removeEventFilter(self)
        self._window = window
        window.installEventFilter(self)

    def _path_in(self, event: QDropEvent) -> Path | None:
        """Return the first dropped file with a known suffix."""
        data = event.mimeData()
        urls = data.urls() if data is not None and data.hasUrls() else []
        paths = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        return next((p for p in paths if p.name.lower().endswith(self._suffixes)), None)


def keep_focus(native: QWidget) -> None:
    """Give a widget the focus that one of its parts has.

    Qt moves it on from a button that is disabled, out of the widget.
    """
    focus = QApplication.focusWidget()
    if focus is not None and native.isAncestorOf(focus):
        native.setFocus()
