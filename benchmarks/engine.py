"""Measure the engine against its own network: python benchmarks/engine.py

Prints ratios from one run on this machine; absolute times are only context. The network
has 8 residual blocks of 32 channels (receptive radius 18 px), the image 2048 x 2048 px.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import toys
from napari_microenhance import Options, enhance, load_model


def star(cy: float, cx: float, outer: float, turn: float) -> np.ndarray:
    """Return a five-pointed star, inner radius 0.45 of the outer, (y, x) vertices."""
    angle = turn + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, 0.45 * outer, outer)
    return np.stack([cy + radius * np.sin(angle), cx + radius * np.cos(angle)], axis=1)


def stars(edge: int) -> list[np.ndarray]:
    """Return three stars that cover about a tenth of a square image."""
    outer = np.sqrt(edge * edge * 0.1 / 3 / (5 * 0.45 * np.sin(np.pi / 5)))
    places = [(0.22, 0.25, 0.3), (0.7, 0.3, 1.1), (0.5, 0.74, 0.7)]
    return [star(y * edge, x * edge, outer, turn) for y, x, turn in places]


def run(image: np.ndarray, model: object, roi: object = None) -> tuple[dict, float]:
    """Return the report of one run and the median time of a tile."""
    ends: list[float] = []
    report = enhance(
        image,
        model,
        roi=roi,
        options=Options(),
        on_progress=lambda _: ends.append(time.perf_counter()),
    ).report.to_dict()
    steps = np.diff(ends[1:])
    return report, float(np.median(steps)) if len(steps) else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=2048, help="edge of the image in px")
    parser.add_argument("--blocks", type=int, default=8, help="residual blocks of the network")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.random((args.edge, args.edge), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(toys.residual(Path(folder) / "residual.onnx", blocks=args.blocks))
        print(f"network: radius {model.spec.radius} px, opened in {model.probe_seconds:.2f} s")
        full, parts = [], []
        for _ in range(args.repeats):
            full.append(run(image, model))
            parts.append(run(image, model, stars(args.edge)))
    total = [r["seconds"]["total"] for r, _ in full]
    overhead = statistics.median(r["seconds"]["total"] / r["seconds"]["session"] for r, _ in full)
    first = statistics.median(r["seconds"]["first_tile"] - 1.5 * tile for r, tile in full)
    wall = statistics.median(
        p["seconds"]["total"] / f["seconds"]["total"]
        for (p, _), (f, _) in zip(parts, full, strict=True)
    )
    plan = parts[0][0]["plan"]
    print(f"full frame: {statistics.median(total):.2f} s, {full[0][0]['plan']['tiles']} tiles")
    print(f"engine overhead, total / session: {overhead:.3f} (bar 1.10)")
    print(f"first tile, beyond 1.5 tile times: {first * 1000:.0f} ms (bar 100 ms)")
    print(f"peak extra memory: {max(r['peak_bytes'] for r, _ in full) / 1e6:.0f} MB (bar 300 MB)")
    print(
        f"three stars: {plan['pixels_roi'] / args.edge**2:.3f} of the image, {plan['tiles']} tiles"
    )
    print(f"  computed / ROI pixels: {plan['pixels_computed'] / plan['pixels_roi']:.2f} (bar 2.2)")
    print(f"  wall / full frame: {wall:.3f} (bar 0.2)")
    print(f"  tile mismatch: {parts[0][0]['tile_mismatch']:.2g} of the network's range")


if __name__ == "__main__":
    main()
