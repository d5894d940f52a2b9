"""The promises of a run, against the network run once on the whole image."""

import hashlib
import itertools
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coupled
import toys
from napari_microenhance import Cancelled, Options, enhance, load_model
from napari_microenhance.engine.spec import GLOBAL
from napari_microenhance.errors import (
    AxesError,
    ImageError,
    MemoryBudgetError,
    MicroEnhanceError,
    ModelError,
    OptionsError,
    RoiError,
    TilePlanError,
)
from toys import random_mask

PLAIN = Options(intensity="none")


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("networks")
    files = {
        "plain": toys.plain(folder / "plain.onnx", convs=4),
        "dilated": toys.plain(folder / "dilated.onnx", convs=3, dilation=5),
        "unet": toys.unet(folder / "unet.onnx", depth=3),
        "deep": toys.unet(folder / "deep.onnx", depth=4),
        "nhwc": toys.plain(folder / "nhwc.onnx", nhwc=True),
        "rgb": toys.plain(folder / "rgb.onnx", channels=3),
    }
    found = {name: (load_model(path), path) for name, path in files.items()}
    found["detail-classic"] = (load_model("detail-classic"), load_model("detail-classic").path)
    return found


def whole(path: Path, image: np.ndarray, step: int) -> np.ndarray:
    """The oracle: one call, mirrored at the far ends as far as the size rule forces it."""
    pads = [(0, -n % step) for n in image.shape]
    mode = "reflect" if min(image.shape) > 1 else "edge"
    for axis, (_, pad) in enumerate(pads):
        while pad:
            part = min(pad, max(1, image.shape[axis] - 1))
            image = np.pad(image, [(0, part if a == axis else 0) for a in range(2)], mode=mode)
            pad -= part
    tensor = image[..., None] if path.stem == "nhwc" else image[None]
    out = toys.run_whole(path, tensor)
    return out[..., 0] if path.stem == "nhwc" else out[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "dilated", "unet", "deep", "nhwc", "detail-classic"])
@settings(max_examples=12)
@given(data=st.data())
def test_tiled_equals_whole_at_every_border(networks, name, data):
    model, path = networks[name]
    shape = tuple(data.draw(st.integers(2, 700), label=a) for a in ("height", "width"))
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    image = rng.random(shape, np.float32)
    step = model.spec.size[0].step
    least = 2 * int(model.spec.radius) + 3 * step
    tile = data.draw(st.one_of(st.just("auto"), st.integers(least, least + 300)), label="tile")
    roi = random_mask(data.draw(st.integers(0, 999), label="roi"), shape)
    if data.draw(st.booleans(), label="whole"):
        roi = np.ones(shape, bool)
    result = enhance(image, model, roi=roi, options=Options(intensity="none", tile=tile))
    expected = whole(path, image, step)[: shape[0], : shape[1]]
    assert np.abs(result.pixels - expected)[roi].max() <= 1e-5
    np.testing.assert_array_equal(result.pixels[~roi], image[~roi])
    mismatch = result.report.tile_mismatch
    assert mismatch is None or mismatch <= 1e-5


@pytest.mark.slow
def test_a_halo_that_is_too_small_is_seen(networks):
    """The oracle can fail: with too little context the seams are found and said."""
    model, path = networks["plain"]
    image = np.random.default_rng(0).random((200, 200), np.float32)
    result = enhance(image, model, options=Options(intensity="none", tile=64, halo=1))
    assert np.abs(result.pixels - whole(path, image, 1)).max() > 1e-4
    assert result.report.tile_mismatch > 1e-4
    assert any("halo=1 px is smaller" in w for w in result.report.warnings)


@pytest.mark.parametrize(
    "dtype",
    ["uint8", "uint16", "int16", "uint32", "int32", "uint64", "float16", "float32", "float64"],
)
def test_outside_the_roi_not_a_bit_changes(networks, dtype, rng):
    model, _ = networks["plain"]
    if np.dtype(dtype).kind == "f":
        image = rng.normal(size=(90, 110)).astype(dtype)
    else:
        info = np.iinfo(dtype)
        image = rng.integers(info.min, info.max, (90, 110), dtype=dtype, endpoint=True)
    before = hashlib.sha256(image.tobytes()).hexdigest()
    roi = random_mask(3, image.shape)
    result = enhance(image, model, roi=roi, options=Options(feather=2))
    assert result.pixels.dtype == image.dtype
    assert result.pixels[~roi].tobytes() == image[~roi].tobytes()
    assert hashlib.sha256(image.tobytes()).hexdigest() == before
    assert result.report.image["sha256"] == before


@pytest.mark.parametrize("edges", list(itertools.product((0, 1), repeat=4)))
def test_an_roi_at_every_border_and_corner(networks, edges):
    model, path = networks["plain"]
    image = np.random.default_rng(1).random((120, 130), np.float32)
    top, bottom, left, right = edges
    roi = np.zeros(image.shape, bool)
    roi[0 if top else 30 : 120 if bottom else 90, 0 if left else 30 : 130 if right else 90] = True
    result = enhance(image, model, roi=roi, options=Options(intensity="none", tile=48))
    assert np.abs(result.pixels - whole(path, image, 1))[roi].max() <= 1e-5


def test_an_roi_of_one_pixel(networks):
    model, path = networks["unet"]
    image = np.random.default_rng(1).random((200, 208), np.float32)
    roi = np.zeros(image.shape, bool)
    roi[77, 101] = True
    result = enhance(image, model, roi=roi, options=PLAIN)
    assert result.patch.shape == (1, 1)
    assert result.offset == (77, 101)
    assert abs(result.patch[0, 0] - whole(path, image, 8)[77, 101]) <= 1e-5
    assert result.report.plan["tiles"] == 1


def test_identity_gives_the_image_back_in_its_units(tmp_path, rng):
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "same.onnx", g.node("Identity", "x")))
    for dtype in ("uint8", "uint16", "int16", "int32", "float32"):
        image = (rng.random((64, 64)) * 1000).astype(dtype)
        for rule in ("auto", "dtype", "percentile", "minmax", "none", (0, 254)):
            if (dtype, rule) == ("int32", "dtype"):
                continue  # 2**32 steps do not fit the 24 bits of a float32 network
            pixels = enhance(image, model, options=Options(intensity=rule)).pixels
            np.testing.assert_allclose(pixels, image, atol=1e-4 if dtype == "float32" else 0)


def test_values_are_rounded_and_clipped_and_the_clipped_are_counted(tmp_path):
    g = toys.Graph(1)
    gain, offset = g.constant(np.float32(2)), g.constant(np.float32(-0.4))
    path = g.save(tmp_path / "stretch.onnx", g.node("Add", g.node("Mul", "x", gain), offset))
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    result = enhance(image, load_model(path))
    exact = image.astype(float) * 2 - 102
    np.testing.assert_array_equal(result.pixels, np.clip(np.rint(exact), 0, 255))
    outside = np.count_nonzero((np.rint(exact) < 0) | (np.rint(exact) > 255))
    assert result.report.clipped == outside > 0
    assert any("were clipped" in w for w in result.report.warnings)


def test_backgrounds(networks, rng):
    model, _ = networks["plain"]
    image = rng.integers(0, 255, (60, 70), np.uint8)
    roi = random_mask(5, image.shape)
    kept = enhance(image, model, roi=roi)
    white = enhance(image, model, roi=roi, options=Options(background="white")).pixels
    black = enhance(image, model, roi=roi, options=Options(background="black")).pixels
    crop = enhance(image, model, roi=roi, options=Options(background="crop"))
    assert (white[~roi] == 255).all()
    assert (black[~roi] == 0).all()
    np.testing.assert_array_equal(white[roi], kept.pixels[roi])
    y, x = crop.offset
    h, w = crop.pixels.shape
    np.testing.assert_array_equal(crop.pixels, kept.pixels[y : y + h, x : x + w])
    np.testing.assert_array_equal(kept.patch, crop.pixels)


def test_colour_keeps_alpha_and_luminance_keeps_chroma(networks, rng):
    model, _ = networks["plain"]
    image = rng.integers(60, 180, (50, 60, 4), np.uint8)
    luma = np.array([0.299, 0.587, 0.114])
    result = enhance(image, model, options=Options(dtype="float32", value_range=(-9, 9)))
    np.testing.assert_array_equal(result.pixels[..., 3], image[..., 3])
    change = result.pixels[..., :3] - image[..., :3]
    np.testing.assert_allclose(change, np.repeat(change[..., :1], 3, axis=2), atol=1e-3)
    grey = enhance(
        image[..., :3] @ luma,
        model,
        options=Options(dtype="float32", value_range=(-9, 9), intensity=(0, 255)),
    )
    np.testing.assert_allclose(change[..., 0], grey.pixels - image[..., :3] @ luma, atol=1e-3)
    made = enhance(image, model, options=Options(colour="grey"))
    assert made.axes == "YX"
    assert made.pixels.shape == (50, 60)


def test_colour_joint_per_channel_and_grey_through_three_channels(networks, rng):
    model, path = networks["rgb"]
    image = rng.random((50, 60, 3), np.float32)
    joint = enhance(image, model, options=PLAIN).pixels
    np.testing.assert_allclose(
        joint, toys.run_whole(path, image.transpose(2, 0, 1)).transpose(1, 2, 0), atol=1e-5
    )
    green = np.repeat(image[None, ..., 1], 3, axis=0)
    luma = np.array([0.299, 0.587, 0.114])
    expected = np.tensordot(luma, toys.run_whole(path, green), axes=1)
    each = enhance(image, model, options=Options(intensity="none", colour="per-channel")).pixels
    np.testing.assert_allclose(each[..., 1], expected, atol=1e-5)
    np.testing.assert_allclose(
        enhance(image[..., 1], model, options=PLAIN).pixels, expected, atol=1e-5
    )
    # Three channels that are not colour run on their own, unless the network takes three.
    stack = enhance(image.transpose(2, 0, 1), model, axes="CYX", options=PLAIN).pixels
    np.testing.assert_allclose(stack, joint.transpose(2, 0, 1), atol=1e-6)


def test_stacks_run_plane_by_plane_and_only_the_chosen_ones(networks, rng):
    model, path = networks["plain"]
    image = rng.random((3, 2, 40, 50), np.float32)
    every = enhance(image, model, axes="TCYX", options=PLAIN).pixels
    for t, c in np.ndindex(3, 2):
        np.testing.assert_allclose(every[t, c], whole(path, image[t, c], 1), atol=1e-5)
    one = enhance(image, model, axes="TCYX", options=Options(intensity="none", planes=(1,)))
    assert one.start == (1, 0, 0, 0)
    assert one.patch.shape == (1, 2, 40, 50)
    np.testing.assert_array_equal(one.pixels[1], every[1])
    np.testing.assert_array_equal(one.pixels[[0, 2]], image[[0, 2]])
    assert one.report.plan["planes"] == 1


def test_intensity_is_fitted_once_on_the_whole_stack(networks, rng):
    model, _ = networks["plain"]
    image = (rng.random((3, 64, 64)) * [[[100]], [[1000]], [[60000]]]).astype(np.uint16)
    every = enhance(image, model, axes="ZYX")
    low, high = np.percentile(image, [0.1, 99.9])
    assert every.report.intensity["low"] == pytest.approx(low)
    assert every.report.intensity["high"] == pytest.approx(high)
    one = enhance(image, model, axes="ZYX", options=Options(planes=(0,)))
    np.testing.assert_array_equal(one.pixels[0], every.pixels[0])


@pytest.mark.parametrize("name", ["plain", "unet", "detail-classic"])
def test_a_preview_equals_the_full_run(networks, name, rng):
    model, _ = networks[name]
    image = rng.integers(0, 65535, (400, 420), np.uint16)
    roi = random_mask(8, image.shape)
    full = enhance(image, model, roi=roi, options=Options(feather=3, tile=160)).pixels
    for window in (((50, 200), (100, 300)), ((0, 400), (0, 50)), ((399, 400), (419, 420))):
        part = enhance(image, model, roi=roi, options=Options(feather=3, tile=160), window=window)
        (y, x), (h, w) = part.offset, part.patch.shape
        np.testing.assert_array_equal(part.patch, full[y : y + h, x : x + w])


@pytest.mark.slow
def test_a_network_that_couples_the_tile_is_blended_and_measured(tmp_path, rng):
    model = load_model(toys.instance_norm(tmp_path / "norm.onnx"))
    assert model.spec.radius == GLOBAL
    seamy = load_model(coupled.aligned_corners(tmp_path / "corners.onnx"))
    assert any("depends on the whole tile" in sentence for sentence in seamy.findings)
    image = rng.random((300, 330), np.float32) * np.linspace(0, 1, 330, dtype=np.float32)
    options = Options(intensity="none", tile=128, statistics="tile")
    result = enhance(image, model, options=options)
    assert result.report.tile_mismatch > 0
    assert result.report.plan["blend"] == "linear"
    part = enhance(image, model, options=options, window=((100, 200), (100, 200)))
    (y, x), (h, w) = part.offset, part.patch.shape
    np.testing.assert_array_equal(part.patch, result.pixels[y : y + h, x : x + w])
    one = enhance(image, model, options=Options(intensity="none", statistics="tile"))
    assert one.report.plan["tiles"] == 1
    assert one.report.tile_mismatch is None
    np.testing.assert_allclose(one.pixels, toys.run_whole(model.path, image[None])[0], atol=1e-5)


@pytest.mark.slow
def test_fixed_size_networks_equal_their_dynamic_twin(tmp_path, rng):
    image = rng.random((300, 250), np.float32)
    for make, extra in ((toys.plain, {"convs": 3}), (toys.unet, {"depth": 2})):
        twin = make(tmp_path / "twin.onnx", **extra)
        fixed = load_model(
            make(tmp_path / "fixed.onnx", shape=(1, None, 96, 128), pinned=True, **extra)
        )
        result = enhance(image, fixed, options=PLAIN)
        expected = whole(twin, image, fixed.spec.shift_step)[:300, :250]
        assert np.abs(result.pixels - expected).max() <= 1e-5
        small = enhance(image[:50, :60], fixed, options=PLAIN)
        padded = np.pad(
            np.pad(image[:50, :60], [(0, 46), (0, 59)], mode="reflect"),
            [(0, 0), (0, 9)],
            mode="reflect",
        )
        assert (
            np.abs(small.pixels - toys.run_whole(fixed.path, padded[None])[0][:50, :60]).max() <= 1
        )


def test_batches_give_the_same_pixels(tmp_path, networks, rng):
    model, _ = networks["plain"]
    image = rng.random((200, 200), np.float32)
    one = enhance(image, model, options=Options(tile=64))
    four = enhance(image, model, options=Options(tile=64, batch=4))
    np.testing.assert_allclose(one.pixels, four.pixels, atol=1e-6)
    fixed = load_model(toys.plain(tmp_path / "three.onnx", convs=4, shape=(3, None, "h", "w")))
    three = enhance(image, fixed, options=Options(tile=64))
    np.testing.assert_allclose(one.pixels, three.pixels, atol=1e-6)


def test_progress_reports_every_tile_with_its_final_pixels(networks, rng):
    model, _ = networks["plain"]
    image = rng.integers(0, 255, (150, 160), np.uint8)
    reports = []
    result = enhance(image, model, options=Options(tile=64), on_progress=reports.append)
    assert reports[0].done == 0
    assert reports[0].box is None
    assert [r.done for r in reports] == list(range(len(reports)))
    assert {r.total for r in reports} == {len(reports) - 1}
    painted = np.zeros_like(image)
    for report in reports[1:]:
        painted[tuple(slice(a, b) for a, b in report.box)] = report.pixels
    np.testing.assert_array_equal(painted, result.pixels)
    assert reports[-1].seconds_left == pytest.approx(0, abs=1e-6)


def test_cancel_ends_a_call_in_flight(tmp_path):
    model = load_model(toys.residual(tmp_path / "slow.onnx", blocks=16))
    image = np.zeros((1200, 1200), np.float32)
    pressed = threading.Event()
    threading.Timer(0.4, pressed.set).start()
    started = time.perf_counter()
    with pytest.raises(Cancelled):
        enhance(image, model, options=Options(tile=1200), should_stop=pressed.is_set)
    ended = time.perf_counter() - started
    again = enhance(image[:40, :40], model)
    assert again.pixels.shape == (40, 40)
    # Generous: the whole call takes many times as long.
    assert ended < 3


def test_an_error_in_a_progress_callback_stops_the_run(networks):
    model, _ = networks["plain"]

    def broken(_: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        enhance(np.zeros((50, 50), np.float32), model, on_progress=broken)
    assert not [t for t in threading.enumerate() if t.name.startswith("microenhance")]


BAD = [
    (np.zeros((0, 5)), {}, ImageError, "empty"),
    (np.zeros((5, 5), bool), {}, ImageError, "boolean"),
    (np.zeros((5, 5), complex), {}, ImageError, "complex"),
    (np.array([["a"]]), {}, ImageError, "type"),
    (np.full((20, 20), np.nan), {}, ImageError, "400 NaN and 0 infinite"),
    (np.zeros((5, 6, 7)), {}, AxesError, "name its axes"),
    (np.zeros((5, 6)), {"axes": "XY"}, AxesError, "must contain Y and, after it, X"),
    (np.zeros((5, 6)), {"axes": "ZYX"}, AxesError, "names 3 axes, but the image has 2"),
    (np.zeros((5, 6)), {"axes": "YQ"}, AxesError, "unknown letter 'Q'"),
    (np.zeros((5, 6)), {"axes": "YY"}, AxesError, "twice"),
    (np.zeros((5, 6)), {"roi": np.ones((6, 5), bool)}, RoiError, r"\(6, 5\), the image \(5, 6\)"),
    (np.zeros((5, 6)), {"roi": np.ones((5, 6))}, RoiError, "boolean or whole numbers"),
    (np.zeros((5, 6)), {"roi": np.zeros((5, 6), int)}, RoiError, "selects nothing"),
    (np.zeros((50, 60)), {"options": Options(tile=8)}, TilePlanError, "two halos of 4 px"),
    (np.zeros((50, 60)), {"options": Options(memory=10)}, MemoryBudgetError, "may use only"),
    (
        np.zeros((50, 60)),
        {"options": Options(planes=(3,))},
        OptionsError,
        "planes=3 does not exist",
    ),
    (np.zeros((5, 6, 3)), {"options": Options(colour="joint")}, ModelError, "needs a model with 3"),
]


@pytest.mark.parametrize(("image", "arguments", "kind", "words"), BAD)
def test_bad_input_gets_one_sentence(networks, image, arguments, kind, words):
    with pytest.raises(kind, match=words) as caught:
        enhance(image, networks["plain"][0], **arguments)
    assert isinstance(caught.value, MicroEnhanceError)
    assert "\n" not in str(caught.value)


def test_nan_far_from_the_roi_stays_where_it_is(networks, rng):
    model, _ = networks["plain"]
    image = rng.random((100, 100))
    image[0, 0] = np.nan
    roi = np.zeros(image.shape, bool)
    roi[50:60, 50:60] = True
    result = enhance(image, model, roi=roi)
    assert np.isnan(result.pixels[0, 0])
    assert np.isfinite(result.pixels[roi]).all()


def test_a_network_that_gives_nan_is_said(tmp_path):
    g = toys.Graph(1)
    model = load_model(g.save(tmp_path / "log.onnx", g.node("Log", "x")))
    with pytest.raises(ModelError, match="NaN or infinite"):
        enhance(np.zeros((30, 30), np.float32) - 1, model, options=PLAIN)


def test_what_is_done_to_the_dict_of_a_report_leaves_the_report(networks, rng):
    model, _ = networks["plain"]
    corners = np.array([(4, 4), (4, 20), (20, 20)], float)
    report = enhance(rng.random((30, 30), np.float32), model, [corners]).report
    first, second = report.to_dict(), report.to_dict()
    assert first == second
    first["options"].clear()
    first["roi"]["vertices"][0][0].clear()
    assert report.to_dict() == second


def test_the_report_is_plain_json_and_says_what_ran(networks, rng):
    import json

    model, _ = networks["unet"]
    report = enhance(rng.random((90, 90), np.float32), model).report
    record = json.loads(json.dumps(report.to_dict()))
    assert record["model"]["name"] == "unet"
    assert record["provider"] == {"asked": "auto", "got": "cpu"}
    assert record["plan"]["pixels_computed"] == 96 * 96
    assert record["plan"]["pixels_roi"] == 90 * 90
    assert record["plan"]["halo"] % 8 == 0
    assert record["seconds"]["total"] >= record["seconds"]["session"] > 0
    assert "unet on cpu: 1 tile" in report.summary()


def test_lazy_images_are_read_tile_by_tile(networks, rng):
    class Lazy:
        def __init__(self, data: np.ndarray) -> None:
            self.data, self.shape, self.dtype = data, data.shape, data.dtype
            self.largest = 0

        def __getitem__(self, key: object) -> np.ndarray:
            part = self.data[key]
            self.largest = max(self.largest, part.size)
            return part

        def __array__(self, *_: object, **__: object) -> np.ndarray:
            raise AssertionError("read whole")

    model, _ = networks["plain"]
    image = rng.integers(0, 255, (2400, 2400), np.uint8)
    roi = np.zeros(image.shape, bool)
    roi[100:160, 100:160] = True
    lazy = Lazy(image)
    result = enhance(lazy, model, roi=roi)
    # Beside the tiles only what identifies the image is read: blocks of a fixed grid.
    assert lazy.largest <= 512 * 512
    np.testing.assert_array_equal(result.patch, enhance(image, model, roi=roi).patch)
