"""What a trust map costs, in runs of the network it is for.

``python benchmarks/trust.py`` prints ratios of medians; nine runs are the bar for variability.
"""

import argparse
import statistics
import time

import numpy as np

from napari_microenhance import enhance, load_model
from napari_microenhance.api import mismatch_map, raw_consistency, variability


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the trust maps.")
    parser.add_argument("--edge", type=int, default=1024, help="of the image, px")
    parser.add_argument("--model", default="denoise")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (options.edge, options.edge), dtype=np.uint8)
    model = load_model(options.model)
    result = enhance(image, model)
    jobs = {
        "one run": lambda: enhance(image, model),
        "variability": lambda: variability(image, model),
        "raw consistency": lambda: raw_consistency(image, result),
        "tile mismatch, after a run": lambda: mismatch_map(result),
    }
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(options.repeats):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - started)
    once = statistics.median(seconds["one run"])
    for name, times in seconds.items():
        print(f"{name}: {statistics.median(times) / once:.2f} runs")


if __name__ == "__main__":
    main()
