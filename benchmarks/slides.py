"""Measure slides: python benchmarks/slides.py [--small] [section ...]

Prints ratios from one run on this machine; absolute times are only context. Every run is a process
of its own, so that its peak is its own. Sections: slide (ROI in a large zarr and TIFF), estimate
(what is told before a run, and what it takes), pyramid (an OME-TIFF written in blocks).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

RUN = """
import json, sys
import numpy as np, psutil
from napari_microenhance import enhance, load_model
from napari_microenhance.api import estimating
image, name, start, edge = json.loads(sys.argv[1])
axes = None
if isinstance(image, list):
    shape, dtype, axes = image
    image = (np.random.default_rng(0).random(shape, dtype=np.float32) * 200).astype(dtype)
stop = start + edge
roi = [np.array([(start, start), (start, stop), (stop, stop), (stop, start)]) - 0.5]
model = load_model(name)
estimating.LARGE_PX = 0
found = []
known = estimating.estimate_run
def kept(*args, **how):
    found.append(known(*args, **how))
    return found[-1]
estimating.estimate_run = kept
before = psutil.Process().memory_info().rss
result = enhance(image, model, roi=roi if edge else None, axes=axes)
# Not ru_maxrss, which a child process has from its parent.
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
told = found[0] if found else None
print(json.dumps({"seconds": result.report.seconds.total, "session": result.report.seconds.session,
                  "peak": peak, "added": peak - before,
                  "told": told and [told.memory_bytes, told.seconds]}))
"""

WRITE = """
import sys
import numpy as np
from napari_microenhance.images.image_formats import write_image
class Blocks:
    def __init__(self, edge):
        self.shape, self.dtype = (edge, edge), np.dtype(np.uint16)
        self.block = np.random.default_rng(0).integers(0, 4000, (2048, 2048), np.uint16)
    def __getitem__(self, key):
        rows, columns = (part.stop - part.start for part in key)
        return self.block[:rows, :columns]
write_image(sys.argv[2], Blocks(int(sys.argv[1])), "YX")
lines = open("/proc/self/status").read().splitlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""


def picture(edge: int) -> np.ndarray:
    """Return an image of some structure and noise, uint16."""
    y, x = np.mgrid[:edge, :edge]
    waves = 4000 + 2500 * np.sin(y / 37) * np.cos(x / 53)
    return (waves + np.random.default_rng(0).normal(0, 400, waves.shape)).clip(0).astype(np.uint16)


def tiles(image: np.ndarray, edge: int, tile: int) -> Iterator[np.ndarray]:
    """Yield the tiles of a large image that repeats a small one."""
    for y in range(0, edge, tile):
        for x in range(0, edge, tile):
            rows, columns = np.arange(y, y + tile), np.arange(x, x + tile)
            yield image[rows % len(image)][:, columns % len(image)]


def large_zarr(path: Path, image: np.ndarray, edge: int, chunk: int) -> Path:
    """Write a Zarr array block by block."""
    import zarr

    array = zarr.create_array(
        zarr.storage.LocalStore(path),
        shape=(edge, edge),
        dtype="uint16",
        chunks=(chunk, chunk),
        dimension_names=["y", "x"],
    )
    step = len(image)
    for y in range(0, edge, step):
        for x in range(0, edge, step):
            height, width = min(step, edge - y), min(step, edge - x)
            array[y : y + height, x : x + width] = image[:height, :width]
    return path


def large_tiff(path: Path, image: np.ndarray, edge: int) -> Path:
    """Write a tiled, compressed TIFF file."""
    narrow = (image >> 5).astype(np.uint8)
    tifffile.imwrite(
        path, tiles(narrow, edge, 256), shape=(edge, edge), dtype=np.uint8, tile=(256, 256),
        compression="zlib", compressionargs={"level": 1},
    )  # fmt: skip
    return path


def run(image: Any, model: str, start: int, edge: int) -> dict[str, Any]:
    """Run in a process of its own."""
    what = json.dumps([image, model, start, edge])
    done = subprocess.run(
        [sys.executable, "-c", RUN, what], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def slide(folder: Path, scale: int) -> None:
    """A ROI costs what it costs in a small image."""
    image, edge = picture(4096 // scale), 2000 // scale
    small, large = 4000 // scale, 40_000 // scale
    runs = []
    for length in (small, large):
        path = large_zarr(folder / f"{length}.zarr", image, length, 1024 // scale)
        runs.append(run(str(path), "denoise", length // 3, edge))
    ratio = runs[1]["seconds"] / runs[0]["seconds"]
    more = (runs[1]["peak"] - runs[0]["peak"]) / 1e6
    print(f"{edge} px ROI in a {large} px zarr / in {small} px: time {ratio:.2f} (bar 1.2)")
    print(f"  memory: {more:+.0f} MB (bar +500)")
    path = large_tiff(folder / "slide.tif", image, 20_480 // scale)
    found = run(str(path), "denoise", 9000 // scale, edge)
    print(f"{edge} px ROI in a {20_480 // scale} px TIFF: {found['peak'] / 1e6:.0f} MB (bar 400)")


def estimate(folder: Path, scale: int) -> None:
    """What is told before a run holds."""
    del folder
    cases = (
        ([[3000 // scale] * 2, "float32", "YX"], "denoise"),
        ([[2500 // scale] * 2 + [3], "uint8", "YXC"], "detail"),
        ([[12, 800 // scale, 800 // scale], "uint16", "ZYX"], "denoise"),
        ([[1500 // scale] * 2, "uint16", "YX"], "superres-x2"),
        ([[4000 // scale, 1000 // scale], "uint8", "YX"], "foreground"),
    )
    for image, model in cases:
        found = run(image, model, 0, 0)
        memory, seconds = found["told"]
        print(
            f"{model}, {' x '.join(map(str, image[0]))} {image[1]}: told / taken "
            f"memory {memory / found['added']:.2f}, time {seconds / found['seconds']:.2f} "
            "(bar 0.75 to 1.25)"
        )


def pyramid(folder: Path, scale: int) -> None:
    """A large OME-TIFF is written in the memory of a small one."""
    peaks = []
    for edge in (2500 // scale, 16_000 // scale):
        command = [sys.executable, "-c", WRITE, str(edge), str(folder / f"{edge}.ome.tif")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    size = (folder / f"{16_000 // scale}.ome.tif").stat().st_size
    more = (peaks[1] - peaks[0]) / 1e6
    print(f"OME-TIFF of {16_000 // scale} px, {size / 1e6:.0f} MB: {more:+.0f} MB of memory")


SECTIONS = {"slide": slide, "estimate": estimate, "pyramid": pyramid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--small", action="store_true", help="a tenth of the lengths, as a test")
    args = parser.parse_args()
    for name in args.sections or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            SECTIONS[name](Path(folder), 10 if args.small else 1)


if __name__ == "__main__":
    main()
