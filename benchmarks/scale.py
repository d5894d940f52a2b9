"""Measure large images: python benchmarks/scale.py [--sections frame kills]

frame: a full frame of one edge and of twice that edge, from OME-Zarr to OME-Zarr, each in a process
of its own and in turns: time (wall and processor) and the peak memory of the whole process.
kills: a run into OME-Zarr that is killed at random moments and resumed; whether the bytes are those
of a run that was not.
slide, estimate, pyramid: a ROI in a slide, what is told before a run, a large OME-TIFF (slides.py).
"""

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import slides

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

CHILD = """
import json, resource, sys, time
from napari_microenhance import Options, enhance, load_model
source, model, out, tile = sys.argv[1:5]
network = load_model(model)
tile = tile if tile == "auto" else int(tile)
started, before = time.perf_counter(), time.process_time()
result = enhance(source, network, options=Options(tile=tile), out=out, resume=True)
print(json.dumps({
    "seconds": time.perf_counter() - started,
    "processor": time.process_time() - before,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "tiles": result.report.plan.tiles,
}))
"""


def image_in(folder: Path, edge: int, dtype: str) -> Path:
    """Write a noisy image as OME-Zarr, a band of rows at a time, unless it is there."""
    import zarr

    path = folder / f"image{edge}.ome.zarr"
    if path.exists():
        return path
    root = zarr.create_group(path)
    array = root.create_array("0", shape=(edge, edge), chunks=(512, 512), dtype=dtype)
    rng, top = np.random.default_rng(0), np.iinfo(dtype).max
    shade = np.linspace(0.2, 0.7, edge, dtype=np.float32)
    for row in range(0, edge, 512):
        noise = rng.normal(0, 0.05, (min(512, edge - row), edge)).astype(np.float32)
        array[row : row + 512] = np.clip((shade + noise) * top, 0, top).astype(dtype)
    scale = [{"type": "scale", "scale": [1.0, 1.0]}]
    axes = [{"name": name, "type": "space"} for name in "yx"]
    sets = [{"path": "0", "coordinateTransformations": scale}]
    root.update_attributes({"ome": {"version": "0.5", "multiscales": [
        {"axes": axes, "datasets": sets}]}})  # fmt: skip
    return path


def child(source: Path, model: str, out: Path, tile: str) -> list[str]:
    """Return the command of a run in a process of its own."""
    return [sys.executable, "-c", CHILD, str(source), model, str(out), tile]


def digest(folder: Path) -> str:
    """Return a fingerprint of all files of a store but the group's attributes, which hold times."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != folder / "zarr.json":
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def frame(folder: Path, given: argparse.Namespace) -> None:
    """Print how time and memory grow from one edge to twice that edge."""
    edges = (given.edge, 2 * given.edge)
    images = {edge: image_in(folder, edge, given.dtype) for edge in edges}
    found: dict[int, list[dict[str, float]]] = {edge: [] for edge in edges}
    for repeat in range(given.repeats):
        for edge in edges:
            out = folder / f"result{edge}-{repeat}.ome.zarr"
            command = child(images[edge], given.model, out, given.tile)
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[edge].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"  {edge} px: {found[edge][-1]}", flush=True)
    small, large = (found[edge] for edge in edges)

    def ratio(name: str) -> float:
        return statistics.median(b[name] / a[name] for a, b in zip(small, large, strict=True))

    print(f"frame {edges[0]} -> {edges[1]} px: wall time {ratio('seconds'):.2f} times")
    print(f"frame {edges[0]} -> {edges[1]} px: processor time {ratio('processor'):.2f} times")
    print(f"frame {edges[0]} -> {edges[1]} px: peak memory {ratio('peak'):.2f} times")
    print(f"frame: largest peak {max(run['peak'] for run in large) / 1e6:.0f} MB")


def kills(folder: Path, given: argparse.Namespace) -> None:
    """Print how often a run that was killed ended with the bytes of one that was not."""
    source = image_in(folder, given.killed_edge, given.dtype)
    whole = folder / "whole.ome.zarr"
    began = time.perf_counter()
    subprocess.run(child(source, given.model, whole, given.tile), check=True, capture_output=True)
    longest, expected = time.perf_counter() - began, digest(whole)
    chance, equal, interrupted = random.Random(given.seed), 0, 0
    for number in range(given.kills):
        out = folder / f"killed{number}.ome.zarr"
        command = child(source, given.model, out, given.tile)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.perf_counter() + longest
        while not out.exists() and process.poll() is None and time.perf_counter() < until:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, given.within))
        os.kill(process.pid, signal.SIGKILL)
        interrupted += process.wait() < 0
        subprocess.run(command, check=True, capture_output=True)
        same = digest(out) == expected
        equal += same
        print(f"  kill {number + 1}: {'equal' if same else 'NOT EQUAL'}", flush=True)
    print(f"kills: {equal} of {given.kills} end with equal bytes ({interrupted} were interrupted)")


SECTIONS = {
    "frame": frame,
    "kills": kills,
    "slide": lambda folder, _: slides.slide(folder, 1),
    "estimate": lambda folder, _: slides.estimate(folder, 1),
    "pyramid": lambda folder, _: slides.pyramid(folder, 1),
}


def main() -> None:
    """Run the sections that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=["frame", "kills"])
    parser.add_argument("--model", default="", help="default: a small stack of convolutions")
    parser.add_argument("--edge", type=int, default=4096)
    parser.add_argument("--dtype", default="uint8")
    parser.add_argument("--tile", default="auto")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--killed-edge", type=int, default=5000)
    parser.add_argument("--within", type=float, default=4.0, help="s after the store is there")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not given.model:
            import toys

            given.model = str(toys.plain(folder / "plain.onnx", convs=3, width=8))
        for section in given.sections:
            SECTIONS[section](folder, given)


if __name__ == "__main__":
    main()
