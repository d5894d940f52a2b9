"""The memory that a run may add: kept in a real process, and said where it is not."""

import os
import subprocess
import sys

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model

RUN = """
import sys
import numpy as np
import psutil
from napari_microenhance import Options, enhance, load_model

name, edge, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = load_model(name)
image = np.random.default_rng(0).integers(0, 256, (edge, edge), np.uint8)
enhance(image[:64, :64], model)  # libraries are loaded, threads begun
before = psutil.Process().memory_info().rss
report = enhance(image, model, options=Options(memory=memory)).report
grown = psutil.Process().memory_info().rss - before
print(max(grown, report.peak_bytes), report.plan.tiles)
"""


def _taken(name: str, edge: int, memory: int) -> tuple[int, int]:
    """Return the growth of a fresh process, bytes, and the tiles of its run."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, name, str(edge), str(memory)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    taken, tiles = map(int, done.stdout.split())
    return taken, tiles


@pytest.mark.parametrize(
    ("name", "edge", "memory"),
    [("denoise", 900, 55_000_000), ("superres-x2", 400, 60_000_000)],
)
def test_a_small_budget_is_kept(name, edge, memory):
    taken, tiles = _taken(name, edge, memory)
    assert taken <= memory
    assert tiles > 1
    # It is no empty promise: without a budget the same run takes more.
    assert _taken(name, edge, 10**10)[0] > memory


class Hoarder:
    """An image whose library keeps memory of its own when it is read."""

    shape, dtype = (60, 60), np.dtype(np.uint8)

    def __init__(self) -> None:
        self.kept: list[np.ndarray] = []

    def __getitem__(self, key):
        self.kept.append(np.ones(10_000_000, np.uint8))
        return np.zeros(self.shape, self.dtype)[key]


def test_more_than_allowed_is_said(tmp_path):
    model = load_model(toys.plain(tmp_path / "net.onnx", convs=2))
    options = Options(tile=24, memory=40_000_000, value_range=(0, 1))
    warned = enhance(Hoarder(), model, options=options).report.warnings
    assert any("more than the 40 MB that memory allows" in text for text in warned)
    quiet = enhance(np.zeros((60, 60), np.uint8), model, options=options).report.warnings
    assert not any("that memory allows" in text for text in quiet)
