"""Write `detail-classic.onnx`: a fixed filter as an ONNX graph, with no learned weights.

``python tools/build_detail_classic.py [FILE]`` writes the same bytes every time.

The filter, for an image x with values around [0, 1] (`mean_n` is the mean over a
window of n x n pixels, over only those inside the image; `clip` is to [0, 1]):

1. Scales: s0 = x, limited to [-1, 2] so that hot pixels cannot spoil their
   surroundings; s1 = mean_3(mean_3(s0)); s2 = mean_5(mean_5(s1));
   s3 = mean_13(mean_13(s2)). The details are d_k = s_k - s_(k+1).
2. Noise: the mean absolute mixed second difference of s0, as in [1]_, over 13 x 13.
3. Gate per scale: E^2 / (E^2 + T^2), E the local mean of d_k^2, T the square of
   twice the noise expected at that scale, plus a floor.
4. Illumination: B = mean_65(mean_17(s0)); the gain is the power of the odds
   ratio (target : B) that brings B part of the way to the target. The gain is
   bounded, fades to 1 where it is dark, and fades to 1 on objects that are
   brighter than their surroundings, which have their contrast already.
5. Detail above the noise is boosted, detail below it is weakened by at least
   what the gain would add to it; the sum is limited softly, by how far the pixel
   is from black (downwards) or white (upwards), against halos.
6. The gain multiplies the odds of a pixel, not the pixel: black stays black,
   white stays white, and no value is pushed out of [0, 1] by it.

Means that leave out what is not there, and differences of such means, are the
only spatial operations: the border needs no padding, and any size works.

References
----------
.. [1] J. Immerkaer, "Fast Noise Variance Estimation", Computer Vision and Image
   Understanding 64(2), 1996. https://doi.org/10.1006/cviu.1996.0060
"""

import itertools
import math
import sys
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

SCALES = (3, 5, 13)
"""Windows of the smoothing steps; each is applied twice."""
ENERGY = (5, 7, 13)
"""Windows of the mean squared detail."""
NOISE = 13
"""Window of the noise estimate."""
ILLUMINATION = (17, 65)
"""Windows of the local illumination, one after the other."""

BOOST = (0.6, 0.9, 0.6)
KEEP = (0.5, 0.6, 0.8)
"""What is kept of detail below the noise, before it is divided by the gain."""
GATE = 2.0
"""Detail counts as such from this many standard deviations of the noise."""
FLOOR = 0.004
"""Detail below it, about one grey level of 8 bits, is never boosted."""
LIMIT = (0.02, 0.35)
"""Largest change by detail: constant part, part of the way to black or white."""

TARGET_ODDS = 2.0
STRENGTH = 0.4
DARK = 0.06
"""Local brightness at which the gain has half its effect."""
RELIEF = 1.5
"""How fast the gain fades on objects brighter than their surroundings."""
GAIN = (0.9, 2.5)

OPSET = 17
IR_VERSION = 8
"""The version that came with the opset, read by every current runtime."""

DEFAULT_PATH = (
    Path(__file__).resolve().parents[1]
    / "src/napari_microenhance/models/builtin/detail-classic.onnx"
)


def radius() -> int:
    """Return how far, in px, an input pixel reaches: the largest sum along a path."""
    reach = [0]
    for window in SCALES:
        reach.append(reach[-1] + 2 * (window // 2))
    paths = [far + window // 2 for far, window in zip(reach[1:], ENERGY, strict=True)]
    return max(*paths, 1 + NOISE // 2, sum(window // 2 for window in ILLUMINATION))


def noise_gains() -> tuple[float, ...]:
    """Return the standard deviation of each detail for white noise of deviation 1."""
    line = np.ones(1)
    smooth = [np.pad(np.outer(line, line), 64)]
    for window in SCALES:
        for _ in range(2):
            line = np.convolve(line, np.full(window, 1 / window))
        smooth.append(np.pad(np.outer(line, line), 64 - len(line) // 2))
    pairs = itertools.pairwise(smooth)
    # Four decimals: the last bits of a sum are not the same on every machine.
    return tuple(round(float(np.sqrt(((a - b) ** 2).sum())), 4) for a, b in pairs)


class Graph:
    """The nodes written so far; its methods add one operation and return its output's name.

    Tensors are (N, Y, X) inside: runtimes share the rows, as "channels" of a
    one-dimensional mean, among threads, and a single-channel image otherwise not.
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, kind: str, *inputs: str | float, **attributes: int | list[int]) -> str:
        """Add a node of `kind`; numbers among `inputs` become scalar constants."""
        names = [self._name(value) for value in inputs]
        output = f"{kind.lower()}_{len(self.nodes)}"
        node = helper.make_node(kind, names, [output], name=output)
        node.attribute.extend(helper.make_attribute(*pair) for pair in attributes.items())
        self.nodes.append(node)
        return output

    def mean(self, x: str, *windows: int) -> str:
        """Average over square windows, one after the other, of the pixels inside the image."""
        return self._turn(self._row_means(self._turn(self._row_means(x, windows)), windows))

    def clip(self, x: str, low: float, high: float) -> str:
        """Limit values to [low, high]."""
        return self.add("Clip", x, low, high)

    def mixed_difference(self, x: str) -> str:
        """Return the second difference along x and y: 0 on planes, edges and lines."""
        along = self.add("Sub", self._row_means(x, (3,)), x)
        turned = self._turn(along)
        return self.add("Sub", self._row_means(turned, (3,)), turned)

    def turned_mean(self, x: str, window: int) -> str:
        """Average a turned tensor over a square window and turn it back."""
        return self._row_means(self._turn(self._row_means(x, (window,))), (window,))

    def _row_means(self, x: str, windows: tuple[int, ...]) -> str:
        """Average along the last axis."""
        for window in windows:
            pads = [window // 2] * 2
            x = self.add("AveragePool", x, kernel_shape=[window], pads=pads, count_include_pad=0)
        return x

    def _turn(self, x: str) -> str:
        """Swap rows and columns."""
        return self.add("Transpose", x, perm=[0, 2, 1])

    def _name(self, value: str | float) -> str:
        """Return the tensor name of an input, adding the constant if it is a number."""
        if isinstance(value, str):
            return value
        name = f"c_{value:.9g}"
        self.constants[name] = numpy_helper.from_array(np.array(value, np.float32), name)
        return name


def noise_variance(graph: Graph, signal: str) -> str:
    """Return the local variance of the noise."""
    level = graph.turned_mean(graph.add("Abs", graph.mixed_difference(signal)), NOISE)
    # White noise of deviation 1 has a mean absolute mixed difference of
    # sqrt(2 / pi) * 6; ours, of means of three, is a ninth of it.
    return graph.add("Mul", graph.add("Mul", level, level), math.pi / 2 * (9 / 6) ** 2)


def gate(graph: Graph, detail: str, variance: str, *, window: int, gain: float) -> str:
    """Return how far a detail stands out of the local noise, 0 to 1."""
    energy = graph.mean(graph.add("Mul", detail, detail), window)
    noise = graph.add("Mul", variance, (GATE * gain) ** 2)
    threshold = graph.add("Add", noise, FLOOR**2)
    high, low = graph.add("Mul", energy, energy), graph.add("Mul", threshold, threshold)
    return graph.add("Div", high, graph.add("Add", high, low))


def odds_gain(graph: Graph, signal: str, base: str) -> str:
    """Return the factor on a pixel's odds that evens out the illumination."""
    light = graph.mean(signal, *ILLUMINATION)
    inside = graph.clip(light, 0.005, 0.995)
    odds = graph.add("Div", inside, graph.add("Sub", 1.0, inside))
    way = graph.add("Sub", math.log(TARGET_ODDS), graph.add("Log", odds))
    square = graph.add("Mul", base, base)
    lit = graph.add("Div", square, graph.add("Add", square, DARK**2))
    above = graph.add("Mul", graph.add("Sub", base, light), RELIEF)
    plain = graph.add("Sub", 1.0, graph.clip(above, 0.0, 1.0))
    weight = graph.add("Mul", graph.add("Mul", lit, plain), STRENGTH)
    power = graph.add("Exp", graph.add("Mul", way, weight))
    return graph.clip(power, *GAIN)


def factor(graph: Graph, gain: str, level: str) -> str:
    """Return what a pixel of brightness `level` is multiplied by when its odds are by `gain`."""
    below = graph.add("Mul", graph.add("Sub", gain, 1.0), level)
    return graph.add("Div", gain, graph.add("Add", below, 1.0))


def boost(graph: Graph, scales: list[str], lift: str) -> str:
    """Return what to add to the image: boosted detail, less what is noise."""
    quiet = graph.add("Div", 1.0, graph.add("Max", lift, 1.0))
    variance = noise_variance(graph, scales[0])
    total = ""
    for k, gain in enumerate(noise_gains()):
        detail = graph.add("Sub", scales[k], scales[k + 1])
        shown = gate(graph, detail, variance, window=ENERGY[k], gain=gain)
        hidden = graph.add("Mul", graph.add("Sub", 1.0, shown), KEEP[k])
        kept = graph.add("Mul", hidden, quiet)
        wanted = graph.add("Add", graph.add("Mul", shown, 1.0 + BOOST[k]), kept)
        change = graph.add("Mul", detail, graph.add("Sub", wanted, 1.0))
        total = graph.add("Add", total, change) if total else change
    return total


def limit(graph: Graph, change: str, x: str) -> str:
    """Limit `change` softly, by how far `x` is from white or, downwards, from black."""
    brightness = graph.clip(x, 0.0, 1.0)
    upwards = graph.add("Greater", change, 0.0)
    room = graph.add("Where", upwards, graph.add("Sub", 1.0, brightness), brightness)
    most = graph.add("Add", graph.add("Mul", room, LIMIT[1]), LIMIT[0])
    share = graph.add("Div", most, graph.add("Add", most, graph.add("Abs", change)))
    return graph.add("Mul", change, share)


def build() -> ModelProto:
    """Return the whole model with its description."""
    graph = Graph()
    graph.constants["channel"] = numpy_helper.from_array(np.array([1], np.int64), "channel")
    x = graph.add("Squeeze", "image", "channel")
    scales = [graph.clip(x, -1.0, 2.0)]
    for window in SCALES:
        scales.append(graph.mean(scales[-1], window, window))
    base = graph.clip(scales[-1], 0.0, 1.0)
    gain = odds_gain(graph, scales[0], base)
    change = limit(graph, boost(graph, scales, factor(graph, gain, base)), x)
    sharp = graph.add("Add", x, change)
    # A peak is held by its own brightness, a gap by its surroundings: it stays dark.
    level = graph.add("Max", graph.clip(sharp, 0.0, 1.0), base)
    result = graph.add("Mul", sharp, factor(graph, gain, level))
    graph.nodes.append(
        helper.make_node("Unsqueeze", [result, "channel"], ["enhanced"], name="unsqueeze")
    )
    shape: list[str | int | None] = ["N", 1, "Y", "X"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "detail-classic",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("enhanced", TensorProto.FLOAT, shape)],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="napari-microenhance",
        doc_string="Evens out illumination and boosts detail above the noise. Not learned.",
    )
    helper.set_model_props(model, metadata())
    checker.check_model(model, full_check=True)
    return model


def metadata() -> dict[str, str]:
    """Return the description that travels inside the file."""
    entries = {
        "name": "detail-classic",
        "task": "image",
        "units": "input",
        "value_range": "0,1",
        "radius": str(radius()),
        "shift_step": "1",
        "size_minimum": "1",
        "size_step": "1",
        "licence": "CC0-1.0",
        "citation": "napari-microenhance, detail-classic: a fixed filter without learned weights",
        "bytes_per_pixel": "50",
    }
    return {f"microenhance.{key}": value for key, value in entries.items()}


def main(path: Path = DEFAULT_PATH) -> None:
    """Write the file."""
    path.write_bytes(build().SerializeToString(deterministic=True))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
