"""A zoo of networks as they come: each equals one direct call, or is refused in a sentence.

The oracle is onnxruntime on the whole image, mirrored by what the network is built to
lose or to need - from the table here, not from what the probe measured.
"""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.source import reflect
from napari_microenhance.engine.spec import GLOBAL
from napari_microenhance.errors import ModelError


@dataclasses.dataclass(frozen=True)
class Animal:
    """A network and the truth about it."""

    name: str
    build: Callable[..., Path]
    arguments: dict = dataclasses.field(default_factory=dict)
    step: int = 1
    lost: int = 0
    scale: float = 1
    radius: int | None = None
    channels: int = 1
    known: dict = dataclasses.field(default_factory=dict)
    tolerance: float = 1e-5


def stride(path: Path, **save: object) -> Path:
    g = toys.Graph(1)
    x = g.soft(g.conv("x", 1, 4, stride=2))
    return g.save(path, g.conv(x, 4, 1), shape_out=("n", None, "a", "b"), **save)


def transposed(path: Path, **save: object) -> Path:
    g = toys.Graph(1)
    kernel = np.random.default_rng(0).normal(0, 0.3, (1, 1, 4, 4)).astype(np.float32)
    x = g.node("ConvTranspose", "x", g.constant(kernel), strides=[2, 2], pads=[1] * 4)
    return g.save(path, x, **save)


def valid_espcn(path: Path, **save: object) -> Path:
    g = toys.Graph(1)
    x = g.conv(g.soft(g.conv("x", 1, 4, pad=0)), 4, 4, pad=0)
    return g.save(path, g.node("DepthToSpace", x, blocksize=2, mode="CRD"), **save)


def wide(path: Path, **save: object) -> Path:
    g = toys.Graph(3)
    return g.save(path, g.conv("x", 3, 10), channels_out=10, **save)


def two_outputs(path: Path, **save: object) -> Path:
    g = toys.Graph(1)
    x = g.conv("x", 1, 1)
    g.nodes.append(helper.make_node("GlobalAveragePool", [x], ["pooled"]))
    return g.save(path, g.conv(x, 1, 1), others=("pooled",), **save)


def with_sigma(path: Path, **save: object) -> Path:
    g = toys.Graph(1)
    x = g.node("Add", g.conv("x", 1, 1), "sigma")
    return g.save(path, x, scalars=("sigma",), **save)


FREE = ("None", None, "h", "w")  # a batch called "None", as some exporters write it

ANIMALS = [
    *(
        Animal(
            f"plain-{c}x{k}-d{d}",
            toys.plain,
            {"convs": c, "kernel": k, "dilation": d},
            radius=c * d * (k // 2),
        )
        for c, k, d in [(1, 3, 1), (6, 3, 1), (1, 9, 1), (2, 5, 3), (3, 3, 7)]
    ),
    *(Animal(f"unet-{d}", toys.unet, {"depth": d}, step=2**d) for d in (1, 2, 3, 4)),
    *(Animal(f"espcn-x{s}", toys.espcn, {"scale": s}, scale=s, radius=2) for s in (2, 3, 4)),
    *(
        Animal(
            f"valid-{c}x{k}",
            toys.valid,
            {"convs": c, "kernel": k},
            lost=c * (k // 2),
            radius=c * (k // 2),
        )
        for c, k in [(1, 3), (3, 3), (2, 9), (5, 5)]
    ),
    Animal("stride", stride, step=2, scale=0.5),
    Animal("transposed", transposed, scale=2),
    Animal("valid-espcn", valid_espcn, lost=2, scale=2, radius=2),
    Animal("residual", toys.residual, {"blocks": 2, "width": 4}, radius=6),
    *(
        Animal(
            f"{name}-{kind}",
            build,
            {**arguments, "dtype": kind},
            step,
            0,
            scale,
            tolerance=tolerance,
        )
        for (name, build, arguments, step, scale), (kind, tolerance) in itertools.product(
            [
                ("plain", toys.plain, {}, 1, 1),
                ("unet", toys.unet, {"depth": 2}, 4, 1),
                ("espcn", toys.espcn, {}, 1, 2),
            ],
            [("float16", 2e-3), ("uint8", 0), ("float64", 1e-5)],
        )
    ),
    *(
        Animal(f"{name}-{word}", build, {**arguments, **layout}, step, lost, scale)
        for (name, build, arguments, step, lost, scale), (word, layout) in itertools.product(
            [
                ("plain", toys.plain, {}, 1, 0, 1),
                ("unet", toys.unet, {"depth": 2}, 4, 0, 1),
                ("espcn", toys.espcn, {"scale": 3}, 1, 0, 3),
                ("valid", toys.valid, {}, 1, 3, 1),
            ],
            [
                ("nhwc", {"nhwc": True}),
                ("nhwc-in", {"nhwc": True, "nhwc_out": False}),
                ("nhwc-out", {"nhwc_out": True}),
            ],
        )
    ),
    *(
        Animal(
            f"{name}-rgb{tail}",
            build,
            {**arguments, "channels": 3, **layout},
            step,
            0,
            scale,
            channels=3,
        )
        for (name, build, arguments, step, scale), (tail, layout) in itertools.product(
            [("plain", toys.plain, {}, 1, 1), ("espcn", toys.espcn, {}, 1, 2)],
            [("", {}), ("-nhwc", {"nhwc": True}), ("-f16", {"dtype": "float16"})],
        )
    ),
    Animal("wide-chosen", wide, channels=3, known={"output_channels": (4, 5, 6)}),
    Animal("two-outputs", two_outputs, radius=2),
    Animal("sigma", with_sigma, known={"constants": (("sigma", 0.25),)}),
    Animal("batch-named-None", toys.plain, {"shape": FREE}, radius=2),
    Animal("batch-of-2", toys.plain, {"shape": (2, None, "h", "w")}, radius=2),
    Animal("lying-output", toys.espcn, {"shape_out": ("n", None, "h", "w")}, scale=2),
]


def direct(path: Path, image: np.ndarray, animal: Animal, spec: object) -> np.ndarray:
    """One call on the whole (C, Y, X) image, mirrored by what the network loses and needs."""
    for axis in (1, 2):
        length = image.shape[axis]
        stop = -(-length // animal.step) * animal.step + animal.lost
        image = image.take(reflect(-animal.lost, stop, length), axis=axis)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    first, *scalars = session.get_inputs()
    kind = animal.arguments.get("dtype", "float32")
    tensor = image[None].astype(kind)
    if animal.arguments.get("nhwc"):
        tensor = tensor.transpose(0, 2, 3, 1)
    if isinstance(first.shape[0], int):
        tensor = np.repeat(tensor, first.shape[0], axis=0)
    feeds = {first.name: tensor, **{s.name: np.full(1, 0.25, np.float32) for s in scalars}}
    out = session.run(["y"], feeds)[0].astype(np.float32)
    if animal.arguments.get("nhwc_out", animal.arguments.get("nhwc")):
        out = out.transpose(0, 3, 1, 2)
    return out[0][list(animal.known.get("output_channels", range(out.shape[1])))]


@pytest.mark.slow
@pytest.mark.parametrize("animal", ANIMALS, ids=lambda a: a.name)
def test_every_animal_equals_one_direct_call(tmp_path, animal, rng):
    path = animal.build(tmp_path / "net.onnx", **animal.arguments)
    model = load_model(path, **animal.known)
    spec = model.spec
    assert spec.scale == animal.scale
    assert sum(spec.border_loss) == 2 * animal.lost
    assert spec.radius != GLOBAL
    if animal.radius is not None:
        assert spec.radius == animal.radius
    shape = (181, 203) if animal.channels == 1 else (181, 203, 3)
    image = rng.random(shape, np.float32)
    if spec.dtype == "uint8":
        image = np.rint(image * 255).astype(np.uint8)
    planes = image[None] if animal.channels == 1 else image.transpose(2, 0, 1)
    expected = direct(path, planes, animal, spec)
    least = 2 * max(int(spec.radius), animal.lost) + 4 * spec.shift_step
    for tile in ("auto", least + 40):
        options = Options(intensity="none", tile=tile)
        result = enhance(image, model, options=options)
        got = result.pixels if animal.channels == 3 else result.pixels[..., None]
        height, width = got.shape[:2]
        assert (height, width) == tuple(int(np.ceil(n * animal.scale)) for n in shape[:2])
        wanted = expected[:, :height, :width].transpose(1, 2, 0)
        if spec.dtype == "uint8":
            wanted = wanted.clip(0, 255)
        assert np.abs(got - wanted).max() <= animal.tolerance
        assert (result.report.tile_mismatch or 0) <= max(1e-5, animal.tolerance)
        assert result.scale == animal.scale


@pytest.mark.parametrize("name", ["espcn-x2", "espcn-x3", "stride", "valid-3x3"])
def test_with_a_scale_the_outside_is_repeated_pixels(tmp_path, name, rng):
    animal = next(a for a in ANIMALS if a.name == name)
    model = load_model(animal.build(tmp_path / "net.onnx", **animal.arguments))
    image = rng.integers(0, 65535, (90, 101), np.uint16)
    roi = np.zeros(image.shape, bool)
    roi[20:51, 30:77] = True
    result = enhance(image, model, roi=roi, options=Options(feather=2))
    assert result.offset == (20, 30)
    if animal.scale > 1:
        k = int(animal.scale)
        repeated = np.repeat(np.repeat(image, k, axis=0), k, axis=1)
        inside = np.repeat(np.repeat(roi, k, axis=0), k, axis=1)
        np.testing.assert_array_equal(result.pixels[~inside], repeated[~inside])
        np.testing.assert_array_equal(result.pixels[::k, ::k][~roi], image[~roi])
        assert result.patch.shape == (31 * k, 47 * k)
    else:
        k = round(1 / animal.scale)
        inside = roi[::k, ::k]
        np.testing.assert_array_equal(result.pixels[~inside], image[::k, ::k][~inside])
    assert (result.pixels[inside if animal.scale != 1 else roi] != 0).any()


@pytest.mark.slow
def test_the_original_unet_geometry(tmp_path, rng):
    """572 -> 388: the overlap-tile strategy, mirrored only beyond the true border."""
    path = toys.valid_unet(tmp_path / "unet.onnx", shape=(1, None, 572, 572), pinned=True)
    model = load_model(path)
    assert model.spec.border_loss == (92, 92)
    assert model.spec.shift_step == 16
    image = rng.random((388, 388), np.float32)
    result = enhance(image, model, options=Options(intensity="none"))
    assert result.report.plan["tiles"] == 1
    mirrored = np.pad(image, 92, mode="reflect")
    assert np.abs(result.pixels - toys.run_whole(path, mirrored[None])[0]).max() <= 1e-5


@pytest.mark.slow
def test_fixed_odd_and_non_square_sizes(tmp_path, rng):
    image = rng.random((300, 400), np.float32)
    twin = toys.plain(tmp_path / "twin.onnx", convs=3)
    for size in ((257, 257), (97, 131), (301, 401)):
        fixed = load_model(
            toys.plain(tmp_path / "f.onnx", convs=3, shape=(1, None, *size), pinned=True)
        )
        result = enhance(image, fixed, options=Options(intensity="none"))
        inside = np.s_[:290, :390] if size[0] > 300 else np.s_[:, :]
        expected = toys.run_whole(twin, image[None])[0]
        assert np.abs(result.pixels - expected)[inside].max() <= 1e-5


def test_volumes_equal_one_direct_call(tmp_path, rng):
    path = toys.volume(tmp_path / "volume.onnx")
    model = load_model(path)
    assert (model.spec.axes_in, model.spec.radius) == ("NCZYX", 2)
    image = rng.random((21, 70, 80), np.float32)
    expected = toys.run_whole(path, image[None])[0]
    roi = np.zeros((70, 80), bool)
    roi[10:40, 20:80] = True
    for tile, region in itertools.product(("auto", 16), (None, roi)):
        options = Options(intensity="none", tile=tile)
        result = enhance(image, model, roi=region, axes="ZYX", options=options)
        inside = np.broadcast_to(roi if region is not None else True, image.shape)
        assert np.abs(result.pixels - expected)[inside].max() <= 1e-5
        np.testing.assert_array_equal(result.pixels[~inside], image[~inside])


def test_luminance_keeps_its_chroma_through_super_resolution(tmp_path, rng):
    model = load_model(toys.espcn(tmp_path / "net.onnx"))
    image = rng.random((40, 50, 3), np.float32)
    result = enhance(image, model, options=Options(intensity="none"))
    whole = result.pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    np.testing.assert_allclose(whole, toys.run_whole(model.path, grey[None])[0], atol=1e-5)
    tiled = enhance(image, model, options=Options(intensity="none", tile=20))
    np.testing.assert_allclose(tiled.pixels, result.pixels, atol=1e-6)


def rank_three(path: Path) -> Path:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "h", "w"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def detector(path: Path) -> Path:
    g = toys.Graph(3)
    shape = g.constant(np.array([0, -1, 6], np.int64))
    boxes = g.node("Reshape", g.conv("x", 3, 6, stride=2), shape)
    g.nodes.append(helper.make_node("Identity", [boxes], ["y"]))
    graph = helper.make_graph(
        g.nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "boxes", 6])],
        g.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (rank_three, "3 dimensions"),
        (detector, "detector"),
        (toys.classifier, "classifier"),
        (wide, "10 channels"),
    ],
)
def test_what_cannot_be_run_right_is_refused(tmp_path, build, words):
    with pytest.raises(ModelError, match=words) as caught:
        load_model(build(tmp_path / "net.onnx"))
    assert "\n" not in str(caught.value)
