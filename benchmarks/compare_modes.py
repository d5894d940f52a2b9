"""How long swipe and blink take to respond on a large pair, beside napari's own redraw.

Needs a display: xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/compare_modes.py
"""

import argparse
import time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication

from napari_microenhance.widgets.compare.control import Compare

WANTED_MS = 50


def settle(seconds: float = 1.0) -> None:
    """Let the window draw itself."""
    loop = QEventLoop()
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    loop.exec()


class Times:
    """What steps took, ms.

    `called` is the call alone, `drawn` the call and all that Qt then draws, `busy` what the
    window's thread had to compute in `drawn`: on a machine that others use, or without a GPU,
    that is what is left of it where there are neither.
    """

    def __init__(self, action, steps: int) -> None:
        rows = []
        QApplication.processEvents()
        for number in range(steps):
            start, busy = time.perf_counter(), time.thread_time()
            action(number)
            called = time.perf_counter()
            QApplication.processEvents()
            stop = time.perf_counter()
            rows.append((called - start, stop - start, time.thread_time() - busy))
        self.called, self.drawn, self.busy = np.array(rows).T * 1e3

    def show(self, name: str, alone: "Times | None" = None) -> None:
        """Print one line of figures."""
        words = [
            f"{what} {np.median(times):.1f} (p95 {np.percentile(times, 95):.1f}) ms"
            for what, times in (
                ("step", self.called),
                ("with drawing", self.drawn),
                ("of it the window's thread", self.busy),
            )
        ]
        if alone is not None:
            ratio = np.median(self.drawn) / np.median(alone.drawn)
            words.append(f"ratio to a move of the camera {ratio:.2f}")
        print(f"{name}: " + ", ".join(words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096, help="edge of the image, px")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--dtype", default="uint16")
    arguments = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    edge = arguments.size
    data = np.random.default_rng(0).integers(0, 255, (edge, edge)).astype(arguments.dtype)
    look = {"contrast_limits": (0, 255), "rgb": False, "multiscale": False}
    original = viewer.add_image(data, name="field", **look)
    result = viewer.add_image(255 - data, name="result", **look)
    settle(2)
    centre = viewer.scene.camera.center

    def move(number: int) -> None:
        viewer.scene.camera.center = (*centre[:-1], centre[-1] + number % 7)

    alone = Times(move, arguments.steps)
    viewer.scene.camera.center = centre
    alone.show("napari alone, a move of the camera")

    compare = Compare(viewer)
    places = np.random.default_rng(1).uniform(0.2, 0.8, arguments.steps) * edge

    def swipe(number: int) -> None:
        compare.shown.position = float(places[number])

    def blink(number: int) -> None:
        if number % 2:
            compare.stop()
        else:
            compare.start("blink", original, result)

    start = time.perf_counter()
    compare.start("swipe", original, result)
    settle(0.5)
    print(f"swipe starts in {(time.perf_counter() - start - 0.5) * 1e3:.0f} ms")
    Times(swipe, arguments.steps).show("swipe", alone)
    compare.stop()
    settle(0.5)
    Times(blink, arguments.steps).show("blink", alone)
    compare.stop()
    print(f"wanted: at most {WANTED_MS} ms")
    viewer.close()


if __name__ == "__main__":
    main()
