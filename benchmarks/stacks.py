"""Compare a stack with its planes: python benchmarks/stacks.py

With the intensity given, a series of two channels must equal runs of each plane alone. Prints how
many planes do.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import toys
from napari_microenhance import Options, enhance, load_model


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="", help="default: a small stack of convolutions")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--size", type=int, default=512, help="edge of a plane, px")
    given = parser.parse_args()
    shape = (given.times, given.channels)
    rng = np.random.default_rng(0)
    levels = np.linspace(0.1, 1, shape[0] * shape[1]).reshape(*shape, 1, 1) * 4095
    image = (rng.random((*shape, given.size, given.size)) * levels).astype(np.uint16)
    options = Options(intensity=(0, 4095))
    with tempfile.TemporaryDirectory() as folder:
        path = given.model or toys.plain(Path(folder) / "plain.onnx", convs=3, width=8)
        model = load_model(path)
        stack = enhance(image, model, None, "TCYX", options=options).pixels
        equal = sum(
            np.array_equal(stack[place], enhance(image[place], model, options=options).pixels)
            for place in np.ndindex(*shape)
        )
    print(f"stack {image.shape}: {equal} of {shape[0] * shape[1]} planes equal")


if __name__ == "__main__":
    main()
