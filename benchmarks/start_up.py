"""What `import napari_microenhance` costs in a fresh interpreter, beside `import numpy`."""

import argparse
import statistics
import subprocess
import sys


def import_ms(module: str) -> float:
    """Return the time of one import, as `-X importtime` counts it, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("|") for line in done.stderr.splitlines() if "|" in line]
    return next(int(row[1]) / 1000 for row in rows if row[2].strip() == module)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    median = {
        module: statistics.median(import_ms(module) for _ in range(repeats))
        for module in ("napari_microenhance", "numpy")
    }
    ours, numpy = median.values()
    print(f"import napari_microenhance: {ours:.1f} ms, median of {repeats}")
    print(f"beside import numpy: {ours / numpy:.3f}")


if __name__ == "__main__":
    main()
