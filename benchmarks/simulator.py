"""Patches of 256 x 256 px that the simulator makes in a second, on two processes.

``python benchmarks/simulator.py`` prints the rate, and each family's part in it.
"""

import argparse
import time

import numpy as np

from napari_microenhance.simulation.specimens import FAMILIES, simulate
from napari_microenhance.training.data.examples import TASKS, build_bank, draw_examples

SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the simulator.")
    parser.add_argument("--count", type=int, default=280, help="fields of the first figure")
    count = parser.parse_args().count
    started = time.perf_counter()
    bank = build_bank(count, size=SIZE, real_share=0, workers=2)
    rate = count / (time.perf_counter() - started)
    print(f"clean fields, two processes: {rate:.0f} a second")
    for task in TASKS:
        scale = 2 if task == "superres" else 1
        started = time.perf_counter()
        rng = np.random.default_rng(1)
        draw_examples(bank, task, count=32, patch=SIZE, rng=rng, scale=scale)
        print(f"  imaged for {task}, one: {32 / (time.perf_counter() - started):.0f} a second")
    for family in FAMILIES:
        started = time.perf_counter()
        for k in range(8):
            simulate(family, SIZE, np.random.default_rng(k))
        print(f"  {family}, one process: {8 / (time.perf_counter() - started):.0f} a second")


if __name__ == "__main__":
    main()
