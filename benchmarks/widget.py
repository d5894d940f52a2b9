"""How long the window stands still during a 2048 x 2048 run, beside napari's own cost.

Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/widget.py
"""

import argparse
import time

import napari
import numpy as np
from napari.layers import Image
from qtpy.QtCore import QEventLoop, QTimer

from napari_microenhance.widgets import EnhanceWidget

SETTLE_SECONDS = 1.0
PATIENCE_SECONDS = 300


class Heartbeat:
    """Ticks as often as the event loop lets it, and notes the longest pause."""

    def __init__(self) -> None:
        self._timer = QTimer()
        self._timer.timeout.connect(self._on_beat)
        self._last = 0.0
        self.longest = 0.0

    def __enter__(self):
        self.longest, self._last = 0.0, time.perf_counter()
        self._timer.start(0)
        return self

    def __exit__(self, *_):
        self._timer.stop()

    def _on_beat(self) -> None:
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._last)
        self._last = now


def wait(until=None, seconds=SETTLE_SECONDS) -> None:
    """Let the event loop run until something is true, or for a time."""
    loop, poll = QEventLoop(), QTimer()
    end = time.perf_counter() + (seconds if until is None else PATIENCE_SECONDS)

    def look() -> None:
        if (until is not None and until()) or time.perf_counter() > end:
            loop.quit()

    poll.timeout.connect(look)
    poll.start(5)
    loop.exec()
    poll.stop()


def longest_pause(action, until=None) -> float:
    """Return the longest pause of the event loop while something goes on, s."""
    with Heartbeat() as heart:
        QTimer.singleShot(0, action)
        wait(until)
        wait()
    return heart.longest


def napari_alone(viewer, data: np.ndarray) -> tuple[float, float]:
    """Return the longest pauses of adding an equal layer and of removing it, s."""
    layer = Image(data, contrast_limits=(0, 1), rgb=False, multiscale=False)
    add = longest_pause(lambda: viewer.add_layer(layer))
    remove = longest_pause(lambda: viewer.layers.remove(layer))
    return add, remove


def one_run(widget: EnhanceWidget) -> tuple[float, float, int]:
    """Return the longest pause of a run, its duration, and how often its tiles were shown."""
    ends, shown = [], []
    widget.completed.connect(ends.append)
    widget.failed.connect(ends.append)

    def watch(event) -> None:
        if event.value.name.endswith("(tiles)"):
            event.value.events.set_data.connect(lambda _: shown.append(time.perf_counter()))

    layers = napari.current_viewer().layers
    layers.events.inserted.connect(watch)
    started = time.perf_counter()
    finished = []

    def done() -> bool:
        if ends and not finished:
            finished.append(time.perf_counter() - started)
        return bool(ends)

    pause = longest_pause(widget.run.native.click, until=done)
    layers.events.inserted.disconnect(watch)
    if isinstance(ends[0], Exception):
        raise ends[0]
    layers.remove(ends[0])
    wait()
    return pause, finished[0], len(shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="edge of the image, px")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tile", type=int, default=256, help="px")
    arguments = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    rng = np.random.default_rng(0)
    data = rng.random((arguments.size, arguments.size), np.float32)
    viewer.add_image(data, name="field", contrast_limits=(0, 1))
    widget = EnhanceWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Enhance ROI")
    widget.tile.value = arguments.tile
    wait(seconds=3)
    one_run(widget)
    adds, removes, pauses = [], [], []
    for number in range(arguments.runs):
        add, remove = napari_alone(viewer, data.copy())
        pause, seconds, shown = one_run(widget)
        adds.append(add)
        removes.append(remove)
        pauses.append(pause)
        print(
            f"run {number + 1}: {seconds:.2f} s, tiles shown {shown} times, longest pause "
            f"{pause * 1e3:.0f} ms; napari alone: add {add * 1e3:.0f} ms, "
            f"remove {remove * 1e3:.0f} ms"
        )
    beyond = np.median(pauses) - np.median(adds)
    print(f"median beyond napari's own add: {beyond * 1e3:.0f} ms (wanted: at most 100 ms)")
    print(f"ratio to napari's own add: {np.median(pauses) / np.median(adds):.2f}")
    viewer.close()


if __name__ == "__main__":
    main()
