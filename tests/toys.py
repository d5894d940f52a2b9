"""Toy networks with a known receptive field, built with onnx.helper."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FREE = ("n", "h", "w")
UNLIKE = ("level-jump", "unlike-image", "much-clipped", "plateau")
"""Names of the cautions on a result that is unlike its image, as that of `inverse` is."""


class Graph:
    """A small ONNX graph under construction; each method adds one node."""

    def __init__(self, channels: int = 1, seed: int = 0) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels = channels
        self._rng = np.random.default_rng(seed)
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def constant(self, value: np.ndarray) -> str:
        name = self._name()
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = self._name()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(
        self,
        x: str,
        cin: int,
        cout: int,
        kernel: int = 3,
        *,
        dilation: int = 1,
        stride: int = 1,
        pad: int | None = None,
        rank: int = 2,
    ) -> str:
        scale = 1 / np.sqrt(cin * kernel**rank)
        w = self._rng.normal(0, scale, (cout, cin, *[kernel] * rank)).astype(np.float32)
        b = self._rng.normal(0, 0.1, cout).astype(np.float32)
        pad = dilation * (kernel // 2) if pad is None else pad
        return self.node(
            "Conv",
            x,
            self.constant(w),
            self.constant(b),
            pads=[pad] * 2 * rank,
            dilations=[dilation] * rank,
            strides=[stride] * rank,
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def soft(self, x: str) -> str:
        """An activation that never goes dead."""
        return self.node("LeakyRelu", x, alpha=0.5)

    def up(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize",
            x,
            "",
            scales,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def _pin(self, dims: list[int]) -> None:
        """Let the nodes read the image through a Reshape to its declared size, if there is one."""
        if not dims:
            return
        for node in self.nodes:
            node.input[:] = ["pinned" if name == "x" else name for name in node.input]
        size = self.constant(np.array(dims, np.int64))
        self.nodes.insert(0, helper.make_node("Reshape", ["x", size], ["pinned"]))

    def save(
        self,
        path: Path,
        output: str,
        *,
        shape: tuple = ("n", None, "h", "w"),
        channels_out: int | None = None,
        metadata: dict[str, str] | None = None,
        nhwc: bool = False,
        nhwc_out: bool | None = None,
        shape_out: tuple | None = None,
        dtype: str = "float32",
        scalars: tuple[str, ...] = (),
        others: tuple[str, ...] = (),
        pinned: bool = False,
        opset: int = 17,
    ) -> Path:
        """Close the graph: `dtype` of both ends, `scalars` more inputs, `others` more outputs.

        `pinned`: no other size than the declared one runs, as in networks with a Reshape.
        """
        self._pin([shape[0], self.channels, *shape[2:]] if pinned else [])
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

        def info(name: str, channels: int, dims: tuple, last: bool) -> onnx.ValueInfoProto:
            n, _, *spatial = dims
            dims = [n, *spatial, channels] if last else [n, channels, *spatial]
            return helper.make_tensor_value_info(name, kind, dims)

        rank = len(shape)
        last_out = nhwc if nhwc_out is None else nhwc_out
        if nhwc or dtype != "float32":
            inner = "x"
            first = []
            if dtype != "float32":
                first.append(helper.make_node("Cast", [inner], ["xf"], to=TensorProto.FLOAT))
                inner = "xf"
            if nhwc:
                perm = [0, rank - 1, *range(1, rank - 1)]
                first.append(helper.make_node("Transpose", [inner], ["xc"], perm=perm))
                inner = "xc"
            for node in self.nodes:
                for i, name in enumerate(node.input):
                    if name == "x":
                        node.input[i] = inner
            self.nodes[:0] = first
        if last_out:
            output = self.node("Transpose", output, perm=[0, *range(2, rank), 1])
        if dtype.startswith("u"):
            ends = [self.constant(np.float32(v)) for v in (0, np.iinfo(dtype).max)]
            output = self.node("Clip", self.node("Round", output), *ends)
        self.nodes.append(helper.make_node("Cast", [output], ["y"], to=kind))
        graph = helper.make_graph(
            self.nodes,
            "toy",
            [
                info("x", self.channels, shape, nhwc),
                *[helper.make_tensor_value_info(s, TensorProto.FLOAT, [1]) for s in scalars],
            ],
            [
                *[helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in others],
                info("y", channels_out or self.channels, shape_out or shape, last_out),
            ],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 9
        helper.set_model_props(model, metadata or {})
        onnx.save(model, path)
        return path


def plain(
    path: Path,
    *,
    convs: int = 2,
    width: int = 4,
    channels: int = 1,
    kernel: int = 3,
    dilation: int = 1,
    seed: int = 0,
    **save: object,
) -> Path:
    """A stack of convolutions; radius convs * dilation * (kernel // 2)."""
    g = Graph(channels, seed)
    x, cin = "x", channels
    for i in range(convs):
        cout = channels if i == convs - 1 else width
        x = g.conv(x, cin, cout, kernel, dilation=dilation)
        if i < convs - 1:
            x = g.relu(x)
        cin = cout
    return g.save(path, x, **save)


def inverse(path: Path, *, channels: int = 1, **save: object) -> Path:
    """One less the input: of an image without grey 127.5 every pixel changes."""
    g = Graph(channels)
    one = g.constant(np.float32(1))
    metadata = {"value_range": "0,1"}
    return g.save(path, g.node("Sub", one, "x"), **{"metadata": metadata, **save})


def unet(
    path: Path, *, depth: int = 2, width: int = 4, channels: int = 1, seed: int = 0, **save: object
) -> Path:
    """A U-Net with max pooling and nearest up-sampling; step 2 ** depth."""
    g = Graph(channels, seed)
    skips: list[tuple[str, int]] = []
    x, cin = "x", channels
    for level in range(depth):
        cout = width * (level + 1)
        x = g.relu(g.conv(x, cin, cout))
        skips.append((x, cout))
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        cin = cout
    x = g.relu(g.conv(x, cin, cin))
    for skip, cout in reversed(skips):
        x = g.node("Concat", g.up(x), skip, axis=1)
        x = g.relu(g.conv(x, cin + cout, cout))
        cin = cout
    return g.save(path, g.conv(x, cin, channels, 1), **save)


def instance_norm(path: Path, **save: object) -> Path:
    """A network that couples the whole tile."""
    g = Graph(1)
    x = g.conv("x", 1, 4)
    one, zero = (g.constant(np.full(4, v, np.float32)) for v in (1.0, 0.0))
    x = g.node("InstanceNormalization", x, one, zero, epsilon=1e-5)
    return g.save(path, g.conv(g.relu(x), 4, 1), **save)


def pix2pix(
    path: Path,
    *,
    size: int = 512,
    depth: int = 6,
    width: int = 4,
    seed: int = 0,
    bounded: bool = True,
) -> Path:
    """A generator shaped like pix2pix: 3 channels, strided down, up, tanh, fixed size.

    Without its tanh its channels go far beyond the range that they are meant to have.
    """
    g = Graph(3, seed)
    x, cin = "x", 3
    skips = []
    for level in range(depth):
        cout = min(width * 2**level, 16)
        x = g.node("LeakyRelu", g.conv(x, cin, cout, stride=2), alpha=0.2)
        skips.append((x, cout))
        cin = cout
    for skip, cout in reversed(skips[:-1]):
        x = g.relu(g.conv(g.up(x), cin, cout))
        x = g.node("Concat", x, skip, axis=1)
        cin = 2 * cout
    x = g.conv(g.up(x), cin, 3)
    x = (
        g.node("Tanh", x)
        if bounded
        else g.node("Mul", x, g.constant(np.float32([9, -7, 5])[:, None, None]))
    )
    return g.save(path, x, shape=(1, None, size, size))


def classifier(path: Path) -> Path:
    """A network that gives ten numbers, not an image."""
    g = Graph(1)
    pooled = g.node("GlobalAveragePool", g.conv("x", 1, 10))
    g.nodes.append(helper.make_node("Flatten", [pooled], ["y"]))
    graph = helper.make_graph(
        g.nodes,
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        g.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def run_whole(path: Path, image: np.ndarray) -> np.ndarray:
    """The oracle: onnxruntime on the whole (C, Y, X) image."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return session.run(None, {name: image[None].astype(np.float32)})[0][0]


def residual(
    path: Path, *, blocks: int = 8, width: int = 32, seed: int = 0, **save: object
) -> Path:
    """A residual network of 3 x 3 convolutions; radius 2 * blocks + 2."""
    g = Graph(1, seed)
    x = g.conv("x", 1, width)
    for _ in range(blocks):
        x = g.node("Add", x, g.conv(g.relu(g.conv(x, width, width)), width, width))
    return g.save(path, g.conv(x, width, 1), **save)


def espcn(path: Path, *, scale: int = 2, channels: int = 1, seed: int = 0, **save: object) -> Path:
    """Sub-pixel super-resolution: two convolutions, then depth to space."""
    g = Graph(channels, seed)
    x = g.relu(g.conv("x", channels, 8))
    x = g.conv(x, 8, channels * scale * scale)
    x = g.node("DepthToSpace", x, blocksize=scale, mode="CRD")
    return g.save(path, x, **{"shape_out": ("n", None, "a", "b"), **save})


def valid(path: Path, *, convs: int = 3, kernel: int = 3, seed: int = 0, **save: object) -> Path:
    """Convolutions without padding: each takes kernel // 2 px from every side."""
    g = Graph(1, seed)
    x = "x"
    for i in range(convs):
        x = g.conv(x, 1 if i == 0 else 4, 4 if i < convs - 1 else 1, kernel, pad=0)
        x = g.relu(x) if i < convs - 1 else x
    return g.save(path, x, shape_out=("n", None, "ho", "wo"), **save)


def valid_unet(path: Path, *, width: int = 2, seed: int = 0, **save: object) -> Path:
    """The original U-Net's geometry: depth 4, valid convolutions, 572 -> 388."""
    g = Graph(1, seed)
    x, cin, skips = "x", 1, []
    for _ in range(4):
        x = g.soft(g.conv(x, cin, width, pad=0))
        x = g.soft(g.conv(x, width, width, pad=0))
        skips.append(x)
        cin = width
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.soft(g.conv(x, width, width, pad=0))
    x = g.soft(g.conv(x, width, width, pad=0))
    for skip, crop in zip(reversed(skips), (4, 16, 40, 88), strict=True):
        ends = [g.constant(np.array(v, np.int64)) for v in ([crop] * 2, [-crop] * 2, [2, 3])]
        x = g.node("Concat", g.up(x), g.node("Slice", skip, *ends), axis=1)
        x = g.soft(g.conv(x, 2 * width, width, pad=0))
        x = g.soft(g.conv(x, width, width, pad=0))
    return g.save(path, g.conv(x, width, 1, 1), shape_out=("n", None, "ho", "wo"), **save)


def volume(path: Path, *, convs: int = 2, seed: int = 0, **save: object) -> Path:
    """A stack of 3 x 3 x 3 convolutions over volumes; radius `convs` in z, y and x."""
    g = Graph(1, seed)
    x = "x"
    for i in range(convs):
        x = g.conv(x, 1 if i == 0 else 3, 3 if i < convs - 1 else 1, rank=3)
        x = g.soft(x) if i < convs - 1 else x
    return g.save(path, x, shape=("n", None, "d", "h", "w"), **save)


def random_mask(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """A few blobs, points and lines, some at the border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for _ in range(rng.integers(1, 6)):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        ry, rx = rng.uniform(0.5, 80, 2)
        mask |= ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
    return mask
