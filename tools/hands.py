"""Try the whole path in a real window with each Qt, napari and Python that is there.

Everything goes through Qt's events, as from a mouse and a keyboard, not through our functions.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QMenu,
    QRadioButton,
    QWidget,
)

PATIENCE_S = 60
LEFT = Qt.MouseButton.LeftButton
NO_BUTTON = Qt.MouseButton.NoButton
NO_KEY = Qt.KeyboardModifier.NoModifier
READER = "MicroEnhance"


class Trouble(Exception):  # noqa: N818 - it is the user's, not the program's
    """Something that a user would stumble over."""


class Hands:
    """Acts in the window of a viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window that is shown.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.said: list[Notification] = []
        notification_manager.notification_ready.connect(self.said.append)

    def close(self) -> None:
        """Close the window as its cross does, with every question answered by yes."""
        notification_manager.notification_ready.disconnect(self.said.append)
        self.viewer.close()
        QApplication.processEvents()

    # --- waiting ---------------------------------------------------------------------

    def pause(self, ms: int = 50) -> None:
        """Let the window live."""
        QTest.qWait(ms)

    def until(self, come: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> Any:
        """Wait for something, and return what it is; no error may be told meanwhile."""
        end = time.monotonic() + seconds
        while not (found := come()):
            self.nothing_wrong()
            if time.monotonic() > end:
                raise Trouble(f"waited {seconds:.0f} s for {what}")
            QTest.qWait(20)
        return found

    @contextlib.contextmanager
    def hears(self, done: Any, failed: Any = None) -> Iterator[list[Any]]:
        """Do something, then wait for a signal; the list gets what came with it."""
        heard: list[Any] = []
        done.connect(lambda *what: heard.append(what[0] if what else None))
        if failed is not None:
            failed.connect(lambda *what: heard.append(what[0]))
        yield heard
        self.until(lambda: heard, f"the signal {getattr(done, 'name', done)}")

    # --- what the window says ----------------------------------------------------------

    def nothing_wrong(self) -> None:
        """Raise if an error was told that nobody expected."""
        wrong = [n for n in self.said if n.severity >= NotificationSeverity.ERROR]
        if wrong:
            raise Trouble(f"the window said: {wrong[0].message}")

    def wrong(self) -> str:
        """Take the sentence of an error that is expected."""
        end = time.monotonic() + PATIENCE_S
        while not (wrong := [n for n in self.said if n.severity >= NotificationSeverity.ERROR]):
            if time.monotonic() > end:
                raise Trouble("no error was told")
            QTest.qWait(20)
        self.said.clear()
        return str(wrong[0].message)

    # --- mouse and keys ------------------------------------------------------------------

    def click(self, button: Any, at: QPoint | None = None) -> None:
        """Click a button of the window, after bringing it into sight."""
        native = getattr(button, "native", button)
        self._reach(native)
        QTest.mouseClick(native, LEFT, NO_KEY, at or native.rect().center())
        self.pause(20)

    def key(self, key: Any, where: QWidget | None = None, held: Any = NO_KEY) -> None:
        """Press a key, on the canvas unless something else is named."""
        QTest.keyClick(where or self.canvas, key, held)
        self.pause(20)

    def focus(self) -> QWidget:
        """Return what the keyboard writes to."""
        window = self.viewer.window._qt_window
        if not window.isActiveWindow():
            window.activateWindow()
            self.pause(100)
        found = QApplication.focusWidget()
        if found is None:
            raise Trouble("nothing has the focus of the keyboard")
        return found

    def write(self, field: Any, text: str) -> None:
        """Type into a field in the place of what it holds, and leave it."""
        native = getattr(field, "native", field)
        self._reach(native)
        native.setFocus()
        QTest.keyClick(native, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
        QTest.keyClicks(native, text)
        QTest.keyClick(native, Qt.Key.Key_Tab)
        self.pause(20)

    def choose(self, chooser: Any, text: str) -> None:
        """Choose an entry of a list that drops down, by how it begins."""
        box: QComboBox = getattr(chooser, "native", chooser)
        self._reach(box)
        names = [box.itemText(i) for i in range(box.count())]
        row = next((i for i, name in enumerate(names) if name.startswith(text)), None)
        if row is None:
            raise Trouble(f"{text!r} is not among {names}")
        QTest.mouseClick(box, LEFT, NO_KEY, box.rect().center())
        view = box.view()
        self.until(view.isVisible, f"the list with {text!r}")
        index = box.model().index(row, box.modelColumn())
        view.scrollTo(index)
        end = time.monotonic() + PATIENCE_S
        while view.isVisible() and time.monotonic() < end:
            # Qt takes a click that follows at once for the second half of a double click.
            self.pause(QApplication.doubleClickInterval() + 50)
            place = view.visualRect(index).center()
            QTest.mouseMove(view.viewport(), place)
            QTest.mouseClick(view.viewport(), LEFT, NO_KEY, place)
        self.until(lambda: not view.isVisible(), "the list to close")
        self.pause(20)

    def _reach(self, native: QWidget) -> None:
        """Bring a widget into sight, or say that it cannot be used."""
        parent = native.parentWidget()
        while parent is not None:
            if hasattr(parent, "ensureWidgetVisible"):
                parent.ensureWidgetVisible(native)
            parent = parent.parentWidget()
        self.pause(10)
        name = native.objectName() or getattr(native, "text", lambda: type(native).__name__)()
        if not native.isVisible():
            raise Trouble(f"{name!r} is not in sight")
        if not native.isEnabled():
            raise Trouble(f"{name!r} is disabled: {native.toolTip()}")

    # --- the canvas -------------------------------------------------------------------

    @property
    def canvas(self) -> QWidget:
        """The widget that draws the layers."""
        return self.viewer.window._qt_viewer.canvas.native

    def place(self, layer: Any, point: Sequence[float]) -> QPoint:
        """Return where a point of a layer, in its pixels, is on the canvas."""
        world = np.asarray(layer.data_to_world(point))[-2:]
        camera = self.viewer.scene.camera
        size = np.array([self.canvas.height(), self.canvas.width()])
        y, x = size / 2 + (world - np.asarray(camera.center)[-2:]) * camera.zoom
        return QPoint(round(float(x)), round(float(y)))

    def draw_polygon(self, layer: Any, corners: Sequence[Sequence[float]], *, end: bool) -> None:
        """Click the corners of a polygon, in pixels of a layer; the last one twice if it ends."""
        places = [self.place(layer, corner) for corner in corners]
        for place in places:
            self._mouse(QEvent.Type.MouseMove, place)
            QTest.mouseClick(self.canvas, LEFT, NO_KEY, place)
            # Two clicks in quick succession would be a double click.
            self.pause(QApplication.doubleClickInterval() + 20 if place is places[-1] else 60)
        if end:
            QTest.mouseDClick(self.canvas, LEFT, NO_KEY, places[-1])
        self.pause(50)

    def drag(self, start: QPoint, stop: QPoint, steps: int = 8) -> None:
        """Drag from one place of the canvas to another."""
        self._mouse(QEvent.Type.MouseMove, start)
        self._mouse(QEvent.Type.MouseButtonPress, start, LEFT)
        for part in np.linspace(0, 1, steps)[1:]:
            where = QPointF(start) + (QPointF(stop) - QPointF(start)) * float(part)
            self._mouse(QEvent.Type.MouseMove, where.toPoint(), LEFT)
            self.pause(15)
        self._mouse(QEvent.Type.MouseButtonRelease, stop, LEFT)
        self.pause(30)

    def _mouse(self, kind: QEvent.Type, place: QPoint, held: Qt.MouseButton = NO_BUTTON) -> None:
        """Send one event of the mouse; QTest's moves carry no button."""
        button = NO_BUTTON if kind == QEvent.Type.MouseMove else held
        after = NO_BUTTON if kind == QEvent.Type.MouseButtonRelease else held
        there = QPointF(place)
        event = QMouseEvent(kind, there, QPointF(self.canvas.mapToGlobal(place)), button, after,
                            NO_KEY)  # fmt: skip
        QApplication.sendEvent(self.canvas, event)

    # --- menus and dialogs ---------------------------------------------------------------

    def menu(self, *titles: str) -> None:
        """Click through the menus of the window."""
        bar = self.viewer.window._qt_window.menuBar()
        for title in titles:
            action = self._entry(bar, title)
            place = bar.actionGeometry(action).center()
            submenu = action.menu()
            if submenu is None:
                QTest.mouseClick(bar, LEFT, NO_KEY, place)
                break
            # A menu takes no notice of a mouse that has not moved since it came.
            for shift in (-9, -4, 0):
                QTest.mouseMove(bar, place + QPoint(shift, 0))
                self.pause(20)
            if not submenu.isVisible():
                QTest.mouseClick(bar, LEFT, NO_KEY, place)
            self.until(submenu.isVisible, f"the menu {title!r}", 10)
            bar = submenu
        self.pause(20)

    def pick(self, button: Any, title: str) -> None:
        """Choose an entry of the menu that a button drops down."""

        def act() -> None:
            menu = QApplication.activePopupWidget()
            if not isinstance(menu, QMenu):
                QTimer.singleShot(30, act)
                return
            place = menu.actionGeometry(self._entry(menu, title)).center()
            QTest.mouseClick(menu, LEFT, NO_KEY, place)

        QTimer.singleShot(30, act)
        self.click(button)

    def _entry(self, bar: Any, title: str) -> Any:
        """Return the action of a menu that begins with some words."""
        named = {a.text().replace("&", ""): a for a in bar.actions() if a.isVisible()}
        found = next((a for name, a in named.items() if name.startswith(title)), None)
        if found is None:
            raise Trouble(f"{title!r} is not among {list(named)}")
        return found

    @contextlib.contextmanager
    def files(self, *paths: Path) -> Iterator[None]:
        """Let the dialogs for files be answered with these; they are the system's own."""
        names = [str(path) for path in paths]
        answers: dict[str, Any] = {
            "getOpenFileNames": lambda *_, **__: (names, ""),
            "getOpenFileName": lambda *_, **__: (names[0], ""),
            "getSaveFileName": lambda *_, **__: (names[0], ""),
            "getExistingDirectory": lambda *_, **__: names[0],
        }
        before = {name: getattr(QFileDialog, name) for name in answers}
        for name, answer in answers.items():
            setattr(QFileDialog, name, staticmethod(answer))
        try:
            yield
        finally:
            for name, answer in before.items():
                setattr(QFileDialog, name, answer)

    def open(self, *paths: Path) -> list[Any]:
        """Open files by File > Open File(s), with our reader where napari asks for one."""
        before = list(self.viewer.layers)
        folder = paths[0].is_dir()
        timer = QTimer()
        timer.timeout.connect(self._choose_reader)
        timer.start(50)
        try:
            with self.files(*paths):
                self.menu("File", "Open Folder" if folder else "Open File(s)")
                return self.until(
                    lambda: [layer for layer in self.viewer.layers if layer not in before],
                    f"the layers of {paths[0].name}",
                )
        finally:
            timer.stop()

    def _choose_reader(self) -> None:
        """Choose our reader where a dialog asks, and press OK."""
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QDialog) or not dialog.isVisible():
            return
        for button in dialog.findChildren(QRadioButton):
            if READER in button.text():
                QTest.mouseClick(button, LEFT, NO_KEY, QPoint(8, button.height() // 2))
        (box,) = dialog.findChildren(QDialogButtonBox)
        QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), LEFT)
