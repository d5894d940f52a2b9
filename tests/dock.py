"""What tests of the dock widget share: a widget that ends cleanly, and ears for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_microenhance.widgets import EnhanceWidget
from napari_microenhance.widgets.viewer.live import is_live

WAIT_MS = 20_000


def threads_at_work() -> list[threading.Thread]:
    """Return the engine's threads that are still there."""
    return [t for t in threading.enumerate() if t.name.startswith("microenhance")]


@contextmanager
def made(qtbot: Any, viewer: Any) -> Iterator[EnhanceWidget]:
    """Make a dock widget with the fixed filter chosen; take it away when its threads have ended."""
    widget = EnhanceWidget(viewer)
    widget.model.value = "detail-classic"
    yield widget
    widget.native.close()
    qtbot.waitUntil(lambda: not threads_at_work(), timeout=WAIT_MS)
    widget.native.deleteLater()
    qtbot.wait(10)


def opened(qtbot: Any, widget: EnhanceWidget, path: Path) -> None:
    """Open a network file and wait until it can be used."""
    widget.open_model(path)
    qtbot.waitUntil(lambda: "is open" in widget.status.value, timeout=WAIT_MS)


def click(qtbot: Any, widget: EnhanceWidget, button: str, wanted: str) -> Any:
    """Click a button, wait for how it ends, and return what came with that."""
    heard: list[tuple[str, Any]] = []
    for name in ("completed", "previewed", "failed"):
        getattr(widget, name).connect(lambda what, n=name: heard.append((n, what)))
    getattr(widget, button).native.click()
    qtbot.waitUntil(lambda: bool(heard), timeout=WAIT_MS)
    got, what = heard[0]
    assert got == wanted, (got, what)
    return what


def run(qtbot: Any, widget: EnhanceWidget) -> Any:
    """Run, and return the result's layer."""
    return click(qtbot, widget, "run", "completed")


def said(qtbot: Any, card: Any, words: str) -> str:
    """Wait until a card says something, and return all that it says there."""
    qtbot.waitUntil(lambda: words in card.outcome.text(), timeout=WAIT_MS)
    text: str = card.outcome.text()
    return text


def keep_tiles(viewer: Any) -> list[Any]:
    """Return a list that gets what each layer of finished tiles shows."""
    kept: list[Any] = []

    def look(event: Any) -> None:
        if is_live(event.value):
            kept.append(event.value.data)

    viewer.layers.events.inserted.connect(look)
    return kept
