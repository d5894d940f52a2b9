"""Which elements of its inputs an operator needs for a range of its output, one axis at a time.

Indices count from the tensor's own first element. Padding at the tensor's ends is part of the
operator, so a range may reach beyond them; the caller cuts it to what is there.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Final

from napari_microenhance.engine.statistics.network_graph import (
    CutError,
    Layer,
    NetworkGraph,
)
from napari_microenhance.engine.statistics.tensor_axes import Along, AxesOfTensors

__all__ = ["Range", "needed_ranges"]

Range = tuple[int, int]

POINTWISE: Final = frozenset(
    """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BiasGelu BitShift Cast
    CastLike Ceil Celu Clip ConstantOfShape Cos Cosh DequantizeLinear Div Dropout Elu Equal
    Erf Exp Expand FastGelu Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity
    IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu
    Pow QLinearAdd QLinearLeakyRelu QLinearMul QLinearSigmoid QuantizeLinear QuickGelu
    Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum
    Swish Tan Tanh ThresholdedRelu Transpose Where Xor
    """.split()  # noqa: SIM905 - one name a line would fill pages
)
"""Each element of the output needs the same element of its inputs."""

ALONG_CHANNELS: Final = frozenset(
    """
    ArgMax ArgMin Concat Gather Gemm LRN LayerNormalization LogSoftmax LpNormalization
    MatMul MatMulInteger QLinearConcat QLinearMatMul ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    RMSNormalization Softmax Split Squeeze TopK Unsqueeze
    """.split()  # noqa: SIM905 - one name a line would fill pages
)
"""So do these, as long as they work along another axis than rows and columns."""


def needed_ranges(
    layer: Layer, out: Along, wanted: Range, *, image_axis: int, where: "Where"
) -> Iterator[tuple[str, Range]]:
    """Yield (input, range) for the inputs that follow the image along one axis.

    Parameters
    ----------
    layer : Layer
    out : Along
        The image's axis in the layer's output.
    wanted : tuple of int
        First element and the one after the last.
    image_axis : int
        0 rows, 1 columns.
    where : Where

    Raises
    ------
    CutError
        If the operator is none whose reach is known.
    """
    rule = RULES.get(layer.op, _same if layer.op in POINTWISE | ALONG_CHANNELS else None)
    if rule is None:
        raise CutError(f"the receptive field of {layer.op} is unknown")
    for name in dict.fromkeys(layer.inputs):
        if name not in where.axes:
            continue
        tensor = where.axes[name]
        if tensor.merged:
            raise CutError(f"{layer.op} treats rows and columns as one axis")
        span = tensor.spans[image_axis]
        if span is not None:
            yield name, rule(layer, span, out, wanted, where)


class Where:
    """What the rules look up.

    Parameters
    ----------
    graph : NetworkGraph
    axes : AxesOfTensors
    """

    def __init__(self, graph: NetworkGraph, axes: AxesOfTensors) -> None:
        self.graph = graph
        self.axes = axes

    def numbers(self, name: str) -> list[int] | None:
        """Return whole numbers that do not depend on the image's size."""
        if name in self.graph.constants:
            return [int(v) for v in self.graph.constants[name].ravel()]
        return self.axes.steady(name)

    def ndim(self, name: str) -> int:
        """Return the number of axes of a tensor."""
        if name in self.graph.constants:
            return self.graph.constants[name].ndim
        return len(self.axes[name].shape)


def _same(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to itself."""
    del where
    if span.scale != out.scale:
        raise CutError(f"{layer.op} combines tensors of different sizes")
    return wanted


def _window(layer: Layer, span: Along, where: Where) -> tuple[int, int, int, int]:
    """Return stride, dilation, kernel and padding before, along one axis."""
    at = span.axis - 2
    kernel = layer.attributes.get("kernel_shape")
    if kernel is None:
        weight = layer.inputs[3] if layer.op == "QLinearConv" else layer.inputs[1]
        kernel = where.graph.constants[weight].shape[2:]
    count = len(kernel)
    if not 0 <= at < count:
        raise CutError(f"{layer.op} treats rows or columns as channels")
    stride = int(layer.attributes.get("strides", [1] * count)[at])
    dilation = int(layer.attributes.get("dilations", [1] * count)[at])
    reach = (int(kernel[at]) - 1) * dilation + 1
    auto = layer.attributes.get("auto_pad", b"NOTSET")
    if auto in {b"SAME_UPPER", b"SAME_LOWER"}:
        if layer.op == "ConvTranspose":
            total = max(0, reach - stride)
        else:
            total = max(0, reach - stride) if span.rest == 0 else reach - 1
        before = total // 2 if auto == b"SAME_UPPER" else total - total // 2
    elif auto == b"VALID":
        before = 0
    else:
        before = int(layer.attributes.get("pads", [0] * 2 * count)[at])
    return stride, dilation, int(kernel[at]), before


def _convolution(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to a window of the input."""
    del out
    if span.axis < 2:
        # The weights of a layer do not follow the image.
        raise CutError(f"{layer.op} treats rows or columns as channels")
    stride, dilation, kernel, before = _window(layer, span, where)
    low, high = wanted
    return low * stride - before, (high - 1) * stride - before + (kernel - 1) * dilation + 1


def _transposed(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to those that are spread over it."""
    del out
    stride, dilation, kernel, before = _window(layer, span, where)
    low, high = wanted
    first = -(-(low + before - (kernel - 1) * dilation) // stride)
    return first, (high - 1 + before) // stride + 1


def _rescaled(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map one element to several, or several to one, as pixel shuffle does."""
    del where
    ratio = out.scale / span.scale
    if ratio.denominator != 1 and ratio.numerator != 1:
        raise CutError(f"{layer.op} scales lengths by {ratio}")
    low, high = wanted
    return math.floor(low / ratio), math.ceil(high / ratio)


def _pad(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to one further on; at an end, to what is mirrored there."""
    del out
    mode = layer.attributes.get("mode", b"constant")
    if mode == b"wrap":
        raise CutError("Pad wraps the image around")
    pads = layer.attributes.get("pads") or where.numbers(layer.input(1))
    if pads is None:
        raise CutError("Pad depends on the image size")
    axes = where.numbers(layer.input(3)) if layer.input(3) else None
    ndim = where.ndim(layer.inputs[0])
    order = list(range(ndim)) if axes is None else [a % ndim for a in axes]
    if span.axis not in order:
        return wanted
    at = order.index(span.axis)
    before, after = int(pads[at]), int(pads[at + len(order)])
    low, high = wanted[0] - before, wanted[1] - before
    if mode == b"reflect":
        # Mirrored elements lie within so many of the end.
        low = min(low, low + 2 * max(0, -low))
        high = max(high, max(before, 0) + 1 if low < 0 else high)
        low -= max(after, 0)
    return low, high


def _resize(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to those around the same place."""
    del where
    mode = layer.attributes.get("coordinate_transformation_mode", b"half_pixel")
    if layer.op == "Upsample":
        mode = b"asymmetric"
    if mode not in {b"half_pixel", b"asymmetric", b"pytorch_half_pixel", b"half_pixel_symmetric"}:
        raise CutError(f"{layer.op} places pixels by the size of the whole image ({mode.decode()})")
    ratio = out.scale / span.scale
    if out.rest != span.rest * ratio:
        raise CutError(f"{layer.op} resizes to a fixed size")
    kind = layer.attributes.get("mode", b"nearest")
    more = 2 if kind == b"cubic" else 1
    if layer.attributes.get("antialias"):
        more = math.ceil(more / min(ratio, Fraction(1)))
    if kind == b"nearest" and ratio.denominator == 1 and mode == b"asymmetric":
        nearest = layer.attributes.get("nearest_mode", b"floor")
        if nearest == b"floor":
            return wanted[0] // ratio.numerator, (wanted[1] - 1) // ratio.numerator + 1
    low, high = wanted[0] / ratio, wanted[1] / ratio
    return math.floor(low) - more, math.ceil(high) + more


def _slice(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to one further on."""
    del out
    ndim = where.ndim(layer.inputs[0])
    if layer.input(1):
        starts = where.numbers(layer.input(1))
        axes = where.numbers(layer.input(3)) if layer.input(3) else None
        steps = where.numbers(layer.input(4)) if layer.input(4) else None
    else:
        starts = [int(v) for v in layer.attributes["starts"]]
        axes, steps = layer.attributes.get("axes"), None
    order = list(range(ndim)) if axes is None else [int(a) % ndim for a in axes]
    if span.axis not in order:
        return wanted
    if starts is None:
        raise CutError("Slice starts at a position that depends on the image size")
    at = order.index(span.axis)
    step = 1 if steps is None else int(steps[at])
    if step < 1:
        raise CutError("Slice flips the image")
    start = int(starts[at])
    if start < 0:
        raise CutError("Slice counts from the end of the image")
    return wanted[0] * step + start, (wanted[1] - 1) * step + start + 1


def _gather(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to itself, where it picks channels."""
    ndim = where.ndim(layer.inputs[0])
    if int(layer.attributes.get("axis", 0)) % ndim == span.axis:
        raise CutError("Gather selects rows or columns")
    return _same(layer, span, out, wanted, where)


def _channels_only(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to itself, where the operator works along channels."""
    ndim = where.ndim(layer.inputs[0])
    default = 0 if layer.op in {"Concat", "Split", "QLinearConcat"} else -1
    old = layer.op in {"LogSoftmax", "Softmax"} and where.graph.opsets.get("", 13) < 13
    axis = int(layer.attributes.get("axis", 1 if old else default)) % ndim
    # Before opset 13 a softmax ran over all axes from this one on.
    if axis == span.axis or (old and axis < span.axis):
        raise CutError(f"{layer.op} works along the rows or columns")
    return _same(layer, span, out, wanted, where)


def _product(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to itself, where rows and columns are no axis of the product."""
    second = layer.inputs[1] if layer.op != "QLinearMatMul" else layer.inputs[3]
    if second in where.axes and where.axes[second].is_spatial:
        raise CutError(f"{layer.op} multiplies pixels by pixels (attention over all pixels)")
    ndim = where.ndim(layer.inputs[0])
    if span.axis == ndim - 1 or out.axis != span.axis:
        raise CutError(f"{layer.op} sums over rows or columns (attention over all pixels)")
    return _same(layer, span, out, wanted, where)


def _normalised(layer: Layer, span: Along, out: Along, wanted: Range, where: Where) -> Range:
    """Map an element to itself, where the norm is one over channels."""
    ndim = where.ndim(layer.inputs[0])
    if int(layer.attributes.get("axis", -1)) % ndim <= span.axis:
        raise CutError(f"{layer.op} works along the rows or columns")
    return _same(layer, span, out, wanted, where)


Rule = Callable[[Layer, Along, Along, Range, Where], Range]
RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("AveragePool", "Conv", "ConvInteger", "LpPool", "MaxPool"), _convolution),
    **dict.fromkeys(("FusedConv", "QLinearConv", "QLinearAveragePool"), _convolution),
    "ConvTranspose": _transposed,
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth", "Reshape", "Flatten"), _rescaled),
    "Pad": _pad,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Slice": _slice,
    "Gather": _gather,
    **dict.fromkeys(("Concat", "Split", "QLinearConcat", "LpNormalization"), _channels_only),
    **dict.fromkeys(("LogSoftmax", "Softmax", "TopK"), _channels_only),
    **dict.fromkeys(("MatMul", "Gemm", "MatMulInteger", "QLinearMatMul"), _product),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _normalised),
}
