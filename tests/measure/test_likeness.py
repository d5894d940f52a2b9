"""A result that is unlike its image is said, with the likely reason; one that is alike is not."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

import toys
from napari_microenhance.api import Options, enhance, load_model
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.selection import Selection
from napari_microenhance.engine.source import Source
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.measure.likeness import Likeness, cautions_of, measure_likeness
from napari_microenhance.rois.region_of_interest import Roi

NAMES = {
    "hardly its structure": "residual",
    "hardly resembles the image": "unlike",
    "clipped to the limits": "clipped",
    "exactly": "plateau",
    "mean level": "level",
}


def field(rng, shape=(200, 230), *, noise=0.05):
    """Return bright blobs of many sizes on a dark ground, and their noise, 0 to about 1."""
    smooth = sum(
        ndimage.gaussian_filter(rng.standard_normal(shape), sigma) * sigma for sigma in (4, 9, 20)
    )
    smooth = np.clip(smooth - np.quantile(smooth, 0.4), 0, None)
    smooth = 0.08 + 0.8 * smooth / smooth.max()
    return np.clip(smooth + noise * rng.standard_normal(shape), 0, 1)


def as_type(image, dtype):
    """Return an image of any number type; whole numbers in a part of their range."""
    if np.dtype(dtype).kind == "f":
        return image.astype(dtype)
    top = 250 if dtype == np.uint8 else 4000
    return np.rint(image * top).astype(dtype)


def half(g, x):
    """Return x as a network gives it whose numbers overflow above 0.36, behind a clip."""
    over = g.node("Greater", x, g.constant(np.float32(0.36)))
    return bounded(g, g.node("Where", over, g.constant(np.float32(np.inf)), x), 1.0)


def linear(g, x, gain, offset=0.0):
    """Return a straight line of x."""
    scaled = g.node("Mul", x, g.constant(np.float32(gain)))
    return g.node("Add", scaled, g.constant(np.float32(offset)))


def bounded(g, x, top):
    """Return x clipped to 0 and something."""
    return g.node("Clip", x, g.constant(np.float32(0)), g.constant(np.float32(top)))


def waves(g):
    """Return a picture that does not depend on the image, but for its size."""
    ones = g.node("Expand", g.constant(np.float32(1)), g.node("Shape", "x"))
    ramp = g.node("CumSum", ones, g.constant(np.int64(3)))
    return g.node("Sin", linear(g, ramp, 0.2))


EXPORTS = {
    "smooth": lambda g, smooth: smooth,
    "sharp": lambda g, smooth: g.node("Sub", linear(g, "x", 2), smooth),
    "residual": lambda g, smooth: g.node("Sub", "x", smooth),
    "residual, other sign": lambda g, smooth: g.node("Sub", smooth, "x"),
    "0 to 255": lambda g, smooth: linear(g, smooth, 255),
    "-1 to 1": lambda g, smooth: linear(g, smooth, 2, -1),
    "too bright": lambda g, smooth: linear(g, smooth, 0.5, 0.5),
    "clipped within": lambda g, smooth: bounded(g, smooth, 0.35),
    "half": half,
    "a different picture": lambda g, _: waves(g),
}


def network(path, kind):
    """Return a network that smooths or sharpens, or does so exported wrong in one way."""
    g = toys.Graph(1)
    kernel = g.constant(np.full((1, 1, 5, 5), 1 / 25, np.float32))
    return g.save(path, EXPORTS[kind](g, g.node("Conv", "x", kernel, pads=[2] * 4)))


def said(image, path, roi=None, axes=None, **options):
    """Return which sentences a run says, and the sentences."""
    model = load_model(path, value_range=(0.0, 1.0)) if path.suffix == ".onnx" else path
    warnings = enhance(image, model, roi, axes, options=Options(**options)).report.warnings
    kinds = [(kind, text) for text in warnings for words, kind in NAMES.items() if words in text]
    return [kind for kind, _ in kinds], [text for _, text in kinds]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["smooth", "sharp"])
def test_a_network_that_is_right_is_not_spoken_of(tmp_path, rng, kind, dtype):
    assert said(as_type(field(rng), dtype), network(tmp_path / "net.onnx", kind)) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["residual", "residual, other sign"])
def test_a_residual_is_recognised(tmp_path, rng, kind, dtype):
    path = network(tmp_path / "net.onnx", kind)
    kinds, (text,) = said(as_type(field(rng), dtype), path)
    assert kinds == ["residual"]
    assert "subtracted from the image" in text
    assert said(as_type(field(rng), dtype), path, no_caution=("unlike-image",)) == ([], [])


def test_a_region_is_enough_and_the_rest_does_not_count(tmp_path, rng):
    image = as_type(field(rng), np.uint16)
    path = network(tmp_path / "net.onnx", "residual")
    roi = np.zeros(image.shape, bool)
    roi[30:150, 40:170] = True
    roi[60:70, 60:90] = False
    for how in ({}, {"background": "white"}, {"background": "crop"}):
        assert said(image, path, roi, **how)[0] == ["residual"]
    tiny = np.zeros(image.shape, bool)
    tiny[30:40, 40:50] = True
    assert said(image, path, tiny)[0] in ([], ["clipped"])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_wrong_range_is_said_as_what_it_does(tmp_path, rng, dtype):
    image = as_type(field(rng), dtype)
    for kind in ("0 to 255", "-1 to 1"):
        # As if nobody had measured the gain of the network.
        how = {"value_range": (0, 1), "output_range": (0, 1)}
        kinds, (text,) = said(image, network(tmp_path / f"{kind}.onnx", kind), **how)
        assert kinds == ["clipped"]
        assert "output_range" in text


def test_a_level_that_jumps_is_said_with_both_levels(tmp_path, rng):
    image = as_type(field(rng, (120, 120)), np.uint16)
    how = {"value_range": (0, 1), "output_range": (0, 1)}
    kinds, (text,) = said(image, network(tmp_path / "net.onnx", "too bright"), **how)
    assert kinds == ["level"]
    assert f"changed from {image.mean():,.4g} to " in text


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["clipped within", "half"])
def test_a_plateau_is_said_with_its_value(tmp_path, rng, kind, dtype):
    image = as_type(field(rng, noise=0.01), dtype)
    how = {"value_range": (0, 1), "output_range": (0, 1)}
    path = network(tmp_path / "net.onnx", kind)
    kinds, (text,) = said(image, path, **how)
    assert kinds == ["plateau"]
    assert "overflow" in text
    found = Likeness(plateau=0.1, plateau_value=1.0, high=1.0)
    (told,) = cautions_of(found, ModelSpec(name="half", precision="float16"))
    assert "half precision (use the float32 file)" in told.text


def test_a_level_beside_a_few_bright_spots_is_no_jump():
    """0.1 % of spots lift the mean, not the ends, of an even ground."""
    spots = Likeness(low=100.0, high=100.0, level_before=102.4, level_after=104.9)
    assert cautions_of(spots, ModelSpec(name="denoiser")) == ()
    even = Likeness(low=100.0, high=100.0, level_before=100.0, level_after=104.9)
    assert [c.name for c in cautions_of(even, ModelSpec(name="denoiser"))] == ["level-jump"]


def test_a_plateau_that_the_image_has_too_is_none(tmp_path, rng):
    image = np.clip(field(rng, noise=0.01), 0, 0.4)
    assert (image == 0.4).mean() > 0.02
    for dtype in (np.uint8, np.uint16, np.float32):
        assert said(as_type(image, dtype), network(tmp_path / "net.onnx", "smooth")) == ([], [])


def test_another_picture_is_said(tmp_path, rng):
    kinds, _ = said(
        as_type(field(rng), np.float32), network(tmp_path / "n.onnx", "a different picture")
    )
    assert "unlike" in kinds


def test_a_network_that_changes_the_look_is_said_as_a_fact():
    found = Likeness(correlation=0.05, structure=0.1, grain=0.9, grain_kept=1.0, clipped=0.5)
    (fact,) = cautions_of(found, ModelSpec(name="style", units="relative"))
    assert "changes the appearance" in fact.text
    assert "seems" not in fact.text
    (fault,) = cautions_of(found, ModelSpec(name="style"))
    assert "residual" in fault.text
    named = dataclasses.replace(found, name="channel 2")
    assert cautions_of(named, ModelSpec(name="style"))[0].text.startswith("Of channel 2, the")


def test_an_image_without_structure_says_nothing_of_likeness(tmp_path, rng):
    noise = rng.random((200, 200), np.float32)
    path = network(tmp_path / "net.onnx", "residual")
    assert "residual" not in said(noise, path)[0]
    flat = np.full((90, 90), 7, np.uint16)
    assert said(flat, network(tmp_path / "smooth.onnx", "smooth")) == ([], [])


@pytest.mark.slow
def test_channels_stacks_volumes_and_finer_results_are_looked_at(tmp_path, rng):
    two = np.stack([as_type(field(rng), np.uint16) for _ in range(2)])
    path = network(tmp_path / "net.onnx", "residual")
    for axes in ("CYX", "TYX"):
        kinds, texts = said(two, path, None, axes)
        assert set(kinds) == {"residual"}
        assert len(texts) == (2 if axes == "CYX" else 1)
    assert texts[0].startswith("The result keeps")
    rois = [Roi(two[0] > 500, planes={"T": 1})]
    assert len(said(two, path, rois, "TYX")[0]) == 1
    colour = np.moveaxis(np.stack([as_type(field(rng), np.uint8)] * 3), 0, -1)
    assert said(colour, network(tmp_path / "smooth.onnx", "smooth")) == ([], [])
    assert said(two[0], toys.espcn(tmp_path / "x2.onnx"))[0] is not None
    volume = rng.random((4, 60, 60), np.float32)
    assert said(volume, toys.volume(tmp_path / "v.onnx"), None, "ZYX")[0] is not None


def test_only_a_few_windows_are_read(rng):
    class Counted(np.ndarray):
        read = 0

        def __getitem__(self, key):
            part = np.asarray(super().__getitem__(key))
            Counted.read += part.size
            return part

    image = rng.integers(0, 255, (8, 2000, 3000), np.uint8).view(Counted)
    everywhere = Selection.everywhere(Region.whole((2000, 3000)))
    (found,) = measure_likeness(Source(image, "TYX"), Source(image, "TYX"), everywhere)
    assert found.correlation is None or found.correlation == pytest.approx(1)
    assert 0 < Counted.read <= 2 * 16 * 128**2


def test_real_exports_are_told_apart(public_data):
    from napari_microenhance.images.image_formats import read_image

    folder = public_data / "field" / "not_alike"
    image = read_image(folder / "noisy.png")
    residual, right = (
        [
            text
            for text in enhance(image.pixels, folder / f"dncnn_{name}.onnx").report.warnings
            if any(words in text for words in NAMES)
        ]
        for name in ("residual", "clean")
    )
    assert len(residual) == 1
    assert "(a residual)" in residual[0]
    assert right == []
