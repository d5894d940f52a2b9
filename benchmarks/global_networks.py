"""Measure networks that normalise by the whole image: python benchmarks/global_networks.py

Each network is run by the engine and in one call of onnxruntime on the whole image, in turns: how
far the two are apart, how long the engine takes beside that call, and what memory each adds, with
plenty of it and with a quarter of what the call takes. `--large` takes the generator of pix2pix
(64 channels, 8 levels) over a 4096 x 4096 image.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import coupled
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.source import reflect

LEAST_BYTES = 60_000_000
"""Of the tighter budget: below it a process's own parts are most of what it adds."""

STAR = np.array([(0.1, 0.15), (0.25, 0.5), (0.6, 0.8), (0.8, 0.3), (0.45, 0.35)])


def image_of(edge: int) -> np.ndarray:
    """Return noise whose level rises from left to right, shape (edge, edge)."""
    rng = np.random.default_rng(0)
    return rng.random((edge, edge), np.float32) * np.linspace(0.2, 1, edge, dtype=np.float32)


def tensor_of(image: np.ndarray, model: object) -> np.ndarray:
    """Return what one call takes: the image mirrored at its end to a size that it takes."""
    lengths = [rule.round_up(n) for rule, n in zip(model.spec.size, image.shape, strict=True)]
    rows, columns = (reflect(0, n, m) for n, m in zip(lengths, image.shape, strict=True))
    padded = image[rows][:, columns]
    return padded[None, None] if model.spec.axes_in == "NCYX" else padded[None, ..., None]


def session_of(path: Path) -> object:
    """Return a session of its own for the call on the whole image."""
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def apart(found: np.ndarray, expected: np.ndarray, where: object = ...) -> float:
    """Return the largest difference, in parts of the range of one call."""
    return float(np.abs(found - expected)[where].max() / np.ptp(expected))


def exactness(path: Path, model: object, edge: int) -> tuple[float, float, bool]:
    """Return how far tiles of several sizes and a region are from one call; preview = run."""
    image = image_of(edge)[:, : edge - 13]
    ratio = int(model.spec.scale)
    expected = session_of(path).run(None, {"x": tensor_of(image, model)})[0].squeeze()
    expected = expected[: image.shape[0] * ratio, : image.shape[1] * ratio]
    whole = 0.0
    for tile in (48, 100, "auto"):
        how = Options(intensity="none", tile=tile)
        whole = max(whole, apart(enhance(image, model, options=how).pixels, expected))
    how = Options(intensity="none", tile=64)
    roi = [STAR * image.shape]
    result = enhance(image, model, roi=roi, options=how)
    outside = np.repeat(np.repeat(image, ratio, 0), ratio, 1)
    region = apart(result.pixels, expected, result.pixels != outside)
    window = ((edge // 4, edge // 2), (edge // 4, edge // 2))
    part = enhance(image, model, roi=roi, options=how, window=window)
    inside = tuple(
        slice(n * ratio, n * ratio + m) for n, m in zip(part.offset, part.patch.shape, strict=True)
    )
    return whole, region, bool(np.array_equal(part.patch, result.pixels[inside]))


def costs(path: Path, model: object, edge: int, repeats: int, memory: int) -> tuple[float, float]:
    """Return the time of a run over that of one call: plenty of memory, and a quarter."""
    image = image_of(edge)
    session, tensor = session_of(path), tensor_of(image, model)
    session.run(None, {"x": tensor})
    ample, tight = [], []
    for turn in range(repeats):
        seconds = []
        for how in ({}, {"memory": memory}):
            started = time.perf_counter()
            session.run(None, {"x": tensor})
            once = time.perf_counter() - started
            image[0, 0] = turn  # another image: its numbers are not known
            started = time.perf_counter()
            enhance(image, model, options=Options(intensity="none", **how))
            seconds.append((time.perf_counter() - started) / once)
        ample.append(seconds[0])
        tight.append(seconds[1])
    return statistics.median(ample), statistics.median(tight)


def peak_of(work: str) -> int:
    """Return what a piece of work adds to the memory of a process of its own, bytes."""
    command = [sys.executable, __file__, "--work", work]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(json.loads(found.stdout.splitlines()[-1]))


def do_work(text: str) -> None:
    """Do a piece of work as a process of its own, and print how far its memory grew."""
    how = json.loads(text)
    path, image = Path(how["path"]), image_of(how["edge"])
    model = load_model(path)
    with Watch() as watch:
        if how["call"]:
            session_of(path).run(None, {"x": tensor_of(image, model)})
        else:
            options = {} if how["memory"] is None else {"memory": how["memory"]}
            enhance(image, model, options=Options(intensity="none", **options))
    print(watch.grown)


class Watch:
    """The growth of this process's memory, looked at every few milliseconds."""

    def __enter__(self) -> "Watch":
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.grown = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.004):
            self.grown = max(self.grown, self._process.memory_info().rss - self._before)


def work(path: Path, edge: int, *, call: bool = False, memory: int | None = None) -> str:
    """Return a piece of work as text."""
    return json.dumps({"path": str(path), "edge": edge, "call": call, "memory": memory})


def large(folder: Path, edge: int, budget: int) -> None:
    """Print what the generator of pix2pix takes over a large image."""
    path = coupled.pix2pix(folder / "pix2pix.onnx", width=64, depth=8)
    started = time.perf_counter()
    added = peak_of(work(path, edge, memory=budget))
    seconds = time.perf_counter() - started
    quarter = peak_of(work(path, edge // 2, call=True))
    print(f"pix2pix, 64 channels, 8 levels, {edge} x {edge}: memory={budget / 1e9:.1f} GB")
    print(f"  added by the run: {added / 1e9:.2f} GB, {seconds:.0f} s with opening")
    print(f"  one call on a quarter of it adds {quarter / 1e9:.2f} GB, so about")
    print(f"  {4 * quarter / 1e9:.1f} GB on all of it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=1024, help="edge of the timed image in px")
    parser.add_argument("--small", type=int, default=230, help="edge of the compared image in px")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--networks", nargs="*", default=list(coupled.NETWORKS))
    parser.add_argument("--width", type=int, default=32, help="channels of the generators")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        do_work(args.work)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            "network          whole    region   preview  cost  quarter  peak, MB: call ours quarter"
        )
        for name in args.networks:
            wide = {"width": args.width} if name in ("cyclegan", "pix2pix") else {}
            path = coupled.NETWORKS[name][0](folder / f"{name}.onnx", **wide)
            model = load_model(path)
            whole, region, same = exactness(path, model, args.small)
            call = peak_of(work(path, args.edge, call=True))
            memory = max(call // 4, LEAST_BYTES)
            ours = [peak_of(work(path, args.edge, memory=m)) for m in (None, memory)]
            ample, tight = costs(path, model, args.edge, args.repeats, memory)
            peaks = " ".join(f"{p / 1e6:6.0f}" for p in (call, *ours, memory))
            print(
                f"{name:16s} {whole:.1e}  {region:.1e}  {'equal' if same else 'OTHER'}   "
                f"{ample:5.2f} {tight:7.2f}  {peaks}",
                flush=True,
            )
        if args.large:
            large(folder, 4096, 4_000_000_000)


if __name__ == "__main__":
    main()
