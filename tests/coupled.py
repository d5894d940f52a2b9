"""Small networks that couple the whole image through numbers, as exporters write them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from toys import Graph

Maker = Callable[..., Path]


def _floats(g: Graph, *values: float, shape: tuple[int, ...] = ()) -> str:
    return g.constant(np.array(values, np.float32).reshape(shape))


def _whole(g: Graph, *values: int) -> str:
    return g.constant(np.array(values, np.int64))


def _instance_norm(g: Graph, x: str, channels: int, seed: int = 1) -> str:
    rng = np.random.default_rng(seed)
    scale = g.constant(rng.uniform(0.5, 1.5, channels).astype(np.float32))
    shift = g.constant(rng.uniform(-0.5, 0.5, channels).astype(np.float32))
    return g.node("InstanceNormalization", x, scale, shift, epsilon=1e-5)


def _mirrored(g: Graph, x: str, by: int) -> str:
    return g.node("Pad", x, _whole(g, 0, 0, by, by, 0, 0, by, by), mode="reflect")


def _upward(g: Graph, x: str, cin: int, cout: int) -> str:
    weights = np.random.default_rng(cin).normal(0, 0.2, (cin, cout, 3, 3)).astype(np.float32)
    return g.node(
        "ConvTranspose",
        x,
        g.constant(weights),
        strides=[2, 2],
        pads=[1, 1, 1, 1],
        output_padding=[1, 1],
    )


def _mean(g: Graph, x: str, *axes: int) -> str:
    return g.node("ReduceMean", x, axes=list(axes or (2, 3)), keepdims=1)


def _ended(g: Graph, x: str, cin: int) -> str:
    return g.node("Tanh", g.conv(x, cin, 1))


def cyclegan(path: Path, *, width: int = 8, blocks: int = 2, **save: object) -> Path:
    """Instance norm with mirrored borders, strides, residual blocks, transposed convolutions."""
    g = Graph()
    x = g.relu(_instance_norm(g, g.conv(_mirrored(g, "x", 3), 1, width, 7, pad=0), width))
    x = g.relu(_instance_norm(g, g.conv(x, width, 2 * width, stride=2, pad=1), 2 * width))
    x = g.relu(_instance_norm(g, g.conv(x, 2 * width, 4 * width, stride=2, pad=1), 4 * width))
    for _ in range(blocks):
        y = g.conv(_mirrored(g, x, 1), 4 * width, 4 * width, pad=0)
        y = g.relu(_instance_norm(g, y, 4 * width))
        y = _instance_norm(g, g.conv(_mirrored(g, y, 1), 4 * width, 4 * width, pad=0), 4 * width)
        x = g.node("Add", x, y)
    x = g.relu(_instance_norm(g, _upward(g, x, 4 * width, 2 * width), 2 * width))
    x = g.relu(_instance_norm(g, _upward(g, x, 2 * width, width), width))
    x = g.node("Tanh", g.conv(_mirrored(g, x, 3), width, 1, 7, pad=0))
    return g.save(path, x, **save)


def pix2pix(path: Path, *, width: int = 8, depth: int = 4, **save: object) -> Path:
    """The U-Net of pix2pix: 4 x 4 convolutions down and up, instance norm, skips."""
    g = Graph()
    widths = [min(width * 2**i, width * 4) for i in range(depth)]
    x, cin, skips = "x", 1, []
    for i, cout in enumerate(widths):
        x = g.conv(x if i == 0 else g.soft(x), cin, cout, 4, stride=2, pad=1)
        if 0 < i < depth - 1:
            x = _instance_norm(g, x, cout)
        skips.append(x)
        cin = cout
    for i in range(depth - 1, -1, -1):
        x = x if i == depth - 1 else g.node("Concat", x, skips[i], axis=1)
        cin = widths[i] * (1 if i == depth - 1 else 2)
        cout = widths[i - 1] if i else 1
        weights = np.random.default_rng(i).normal(0, 0.1, (cin, cout, 4, 4)).astype(np.float32)
        up = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
        x = g.node("ConvTranspose", g.relu(x), g.constant(weights), **up)
        x = _instance_norm(g, x, cout) if i else g.node("Tanh", x)
    return g.save(path, x, **save)


def _folded_group_norm(g: Graph, x: str, channels: int, groups: int) -> str:
    """A group norm as PyTorch's exporter writes it."""
    shape = g.node("Shape", x)
    folded = g.node("Reshape", x, _whole(g, 0, groups, -1))
    ones = g.constant(np.ones(groups, np.float32))
    zeros = g.constant(np.zeros(groups, np.float32))
    y = g.node("InstanceNormalization", folded, ones, zeros, epsilon=1e-5)
    y = g.node("Reshape", y, shape)
    rng = np.random.default_rng(channels)
    scale = g.constant(rng.uniform(0.5, 1.5, (channels, 1, 1)).astype(np.float32))
    shift = g.constant(rng.uniform(-0.5, 0.5, (channels, 1, 1)).astype(np.float32))
    return g.node("Add", g.node("Mul", y, scale), shift)


def unet_group_norm(path: Path, **save: object) -> Path:
    """A U-Net with group norms that an exporter spelt out, and bilinear up-sampling."""
    g = Graph()

    def block(x: str, cin: int, cout: int) -> str:
        y = _folded_group_norm(g, g.conv(x, cin, cout), cout, 4)
        return g.node("Mul", y, g.node("Sigmoid", y))

    def up(x: str) -> str:
        scales = _floats(g, 1, 1, 2, 2, shape=(4,))
        return g.node("Resize", x, "", scales, mode="linear")

    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    a = block("x", 1, 8)
    b = block(g.node("MaxPool", a, **pool), 8, 16)
    c = block(g.node("AveragePool", b, **pool), 16, 16)
    d = block(g.node("Concat", up(c), b, axis=1), 32, 8)
    return g.save(path, g.conv(g.node("Concat", g.up(d), a, axis=1), 16, 1), **save)


def group_norm(path: Path, **save: object) -> Path:
    """A group norm as one operator."""
    g = Graph()
    x = g.conv("x", 1, 8)
    rng = np.random.default_rng(5)
    scale = g.constant(rng.uniform(0.5, 1.5, 8).astype(np.float32))
    shift = g.constant(rng.uniform(-0.5, 0.5, 8).astype(np.float32))
    x = g.node("GroupNormalization", x, scale, shift, num_groups=2, epsilon=1e-5)
    return g.save(path, _ended(g, g.relu(x), 8), **{"opset": 21, **save})


def layer_norm(path: Path, **save: object) -> Path:
    """A norm over channels, rows and columns at once, and one of each channel."""
    g = Graph()
    x = g.node("MeanVarianceNormalization", g.conv("x", 1, 8), axes=[1, 2, 3])
    x = g.node("MeanVarianceNormalization", g.conv(g.relu(x), 8, 8), axes=[0, 2, 3])
    return g.save(path, _ended(g, g.relu(x), 8), **save)


def _gate(g: Graph, x: str, channels: int) -> str:
    """Squeeze and excitation: a factor per channel, made of the channels' means."""
    s = g.node("GlobalAveragePool", x)
    s = g.relu(g.conv(s, channels, channels // 2, 1))
    return g.node("Mul", x, g.node("Sigmoid", g.conv(s, channels // 2, channels, 1)))


def rcan(path: Path, **save: object) -> Path:
    """Residual channel attention, twice as many pixels by pixel shuffle."""
    g = Graph()
    head = g.conv("x", 1, 8)
    x = head
    for _ in range(2):
        x = g.node("Add", x, _gate(g, g.conv(g.relu(g.conv(x, 8, 8)), 8, 8), 8))
    x = g.node("DepthToSpace", g.conv(g.node("Add", x, head), 8, 16), blocksize=2, mode="CRD")
    shape = {"shape_out": ("n", None, "h2", "w2")}
    return g.save(path, g.conv(x, 4, 1), **shape, **save)


def nafnet(path: Path, **save: object) -> Path:
    """NAFNet's blocks: a norm over channels, gates, and attention made of a global mean."""
    g = Graph()

    def norm(x: str) -> str:
        apart = g.node("Sub", x, _mean(g, x, 1))
        spread = _mean(g, g.node("Pow", apart, _floats(g, 2)), 1)
        return g.node("Div", apart, g.node("Sqrt", g.node("Add", spread, _floats(g, 1e-6))))

    def block(x: str, channels: int) -> str:
        y = g.conv(g.conv(norm(x), channels, 2 * channels, 1), 2 * channels, 2 * channels)
        a = g.node("Slice", y, _whole(g, 0), _whole(g, channels), _whole(g, 1))
        b = g.node("Slice", y, _whole(g, channels), _whole(g, 2 * channels), _whole(g, 1))
        y = g.node("Mul", a, b)
        y = g.node("Mul", y, g.conv(g.node("GlobalAveragePool", y), channels, channels, 1))
        return g.node("Add", x, g.conv(y, channels, channels, 1))

    x = block(g.conv("x", 1, 8), 8)
    down = block(g.conv(x, 8, 16, 2, stride=2, pad=0), 16)
    up = g.node("DepthToSpace", g.conv(down, 16, 32, 1), blocksize=2, mode="CRD")
    x = block(g.node("Add", up, x), 8)
    return g.save(path, g.node("Add", g.conv(x, 8, 1), "x"), **save)


def spelt_out(path: Path, **save: object) -> Path:
    """An instance norm as a mean, and a mean of squared distances from it."""
    g = Graph()
    x = g.conv("x", 1, 8)
    for cin in (8, 8):
        apart = g.node("Sub", x, _mean(g, x))
        spread = _mean(g, g.node("Mul", apart, apart))
        root = g.node("Sqrt", g.node("Add", spread, _floats(g, 1e-5)))
        x = g.conv(g.relu(g.node("Div", apart, root)), cin, 8)
    return g.save(path, _ended(g, x, 8), **save)


def counted(path: Path, **save: object) -> Path:
    """Sums that the network itself divides by the number of pixels, read from the shape."""
    g = Graph()
    x = g.conv("x", 1, 8)
    shape = g.node("Shape", x)
    sides = [g.node("Gather", shape, g.constant(np.int64(i))) for i in (2, 3)]
    pixels = g.node("Cast", g.node("Mul", *sides), to=1)
    axes = _whole(g, 2, 3)
    mean = g.node("Div", g.node("ReduceSum", x, axes, keepdims=1), pixels)
    squares = g.node("Div", g.node("ReduceSum", g.node("Mul", x, x), axes, keepdims=1), pixels)
    spread = g.node("Sub", squares, g.node("Mul", mean, mean))
    root = g.node("Sqrt", g.node("Add", spread, _floats(g, 1e-3)))
    x = g.node("Div", g.node("Sub", x, mean), root)
    return g.save(path, _ended(g, g.relu(x), 8), **save)


def flattened(path: Path, **save: object) -> Path:
    """A mean over rows and columns as one axis."""
    g = Graph()
    x = g.conv("x", 1, 8)
    flat = g.node("Reshape", x, _whole(g, 0, 8, -1))
    mean = g.node("ReduceMean", flat, axes=[2], keepdims=0)
    mean = g.node("Reshape", mean, _whole(g, 0, 8, 1, 1))
    return g.save(path, _ended(g, g.soft(g.node("Sub", x, mean)), 8), **save)


def batch_norm(path: Path, **save: object) -> Path:
    """A batch norm that was left in training mode."""
    g = Graph()
    x = g.conv("x", 1, 8)
    rng = np.random.default_rng(3)
    vectors = [g.constant(rng.uniform(0.5, 1.5, 8).astype(np.float32)) for _ in range(4)]
    x = g.node("BatchNormalization", x, *vectors, training_mode=1)
    # Its running mean and variance, which nobody reads.
    g.nodes[-1].output.extend(["running_mean", "running_variance"])
    return g.save(path, _ended(g, g.relu(x), 8), **save)


def largest(path: Path, **save: object) -> Path:
    """An image divided by its largest value, and features by theirs."""
    g = Graph()
    x = g.relu(g.conv("x", 1, 8))
    most = g.node("Add", g.node("GlobalMaxPool", x), _floats(g, 1e-3))
    x = g.conv(g.node("Div", x, most), 8, 1)
    least = g.node("ReduceMin", "x", axes=[1, 2, 3], keepdims=1)
    top = g.node("ReduceMax", "x", axes=[1, 2, 3], keepdims=1)
    spread = g.node("Add", g.node("Sub", top, least), _floats(g, 1e-3))
    return g.save(path, g.node("Add", x, g.node("Div", g.node("Sub", "x", least), spread)), **save)


def response_norm(path: Path, **save: object) -> Path:
    """ConvNeXt's global response norm: lengths of channels over the whole image."""
    g = Graph()
    x = g.conv("x", 1, 8)
    length = g.node("ReduceL2", x, axes=[2, 3], keepdims=1)
    ratio = g.node("Div", length, g.node("Add", _mean(g, length, 1), _floats(g, 1e-6)))
    x = g.node("Add", x, g.node("Mul", x, ratio))
    soft = g.node("ReduceLogSumExp", x, axes=[2, 3], keepdims=1)
    return g.save(path, _ended(g, g.soft(g.node("Sub", x, soft)), 8), **save)


def channels_last(path: Path, **save: object) -> Path:
    """What a TensorFlow exporter writes: channels last, means over rows and columns."""
    g = Graph()
    x = g.node("Transpose", g.conv("x", 1, 8), perm=[0, 2, 3, 1])
    mean = g.node("ReduceMean", x, axes=[1, 2], keepdims=1)
    apart = g.node("Sub", x, mean)
    spread = g.node("ReduceMean", g.node("Mul", apart, apart), axes=[1, 2], keepdims=1)
    root = g.node("Sqrt", g.node("Add", spread, _floats(g, 1e-3)))
    weights = np.random.default_rng(9).normal(0, 0.3, (8, 8)).astype(np.float32)
    x = g.relu(g.node("MatMul", g.node("Div", apart, root), g.constant(weights)))
    x = g.node("Transpose", x, perm=[0, 3, 1, 2])
    return g.save(path, _ended(g, _gate(g, x, 8), 8), **{"nhwc": True, **save})


NETWORKS: dict[str, tuple[Maker, int]] = {
    "cyclegan": (cyclegan, 4),
    "pix2pix": (pix2pix, 16),
    "unet_group_norm": (unet_group_norm, 4),
    "group_norm": (group_norm, 1),
    "layer_norm": (layer_norm, 1),
    "rcan": (rcan, 1),
    "nafnet": (nafnet, 2),
    "spelt_out": (spelt_out, 1),
    "counted": (counted, 1),
    "flattened": (flattened, 1),
    "batch_norm": (batch_norm, 1),
    "largest": (largest, 1),
    "response_norm": (response_norm, 1),
    "channels_last": (channels_last, 1),
}
"""Each with the step of the sizes that it takes."""


def attention(path: Path, **save: object) -> Path:
    """Softmax attention over all pixels, which no few numbers replace."""
    g = Graph()
    x = g.conv("x", 1, 4)
    shape = g.node("Shape", x)
    flat = g.node("Reshape", x, _whole(g, 0, 4, -1))
    turned = g.node("Transpose", flat, perm=[0, 2, 1])
    weights = g.node("Softmax", g.node("MatMul", turned, flat), axis=-1)
    mixed = g.node("Transpose", g.node("MatMul", weights, turned), perm=[0, 2, 1])
    return g.save(path, _ended(g, g.node("Reshape", mixed, shape), 4), **save)


def strip_pooling(path: Path, **save: object) -> Path:
    """Means along the rows alone."""
    g = Graph()
    x = g.conv("x", 1, 4)
    return g.save(path, _ended(g, g.node("Sub", x, _mean(g, x, 3)), 4), **save)


def aligned_corners(path: Path, **save: object) -> Path:
    """A norm, and an up-sampling that places pixels by the size of the whole image."""
    g = Graph()
    x = _instance_norm(g, g.conv("x", 1, 4, stride=2, pad=1), 4)
    how = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    scales = _floats(g, 1, 1, 2, 2, shape=(4,))
    return g.save(path, _ended(g, g.node("Resize", x, "", scales, **how), 4), **save)
