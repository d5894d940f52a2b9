"""What a network says about the values it wants, and what becomes of its answer."""

import json

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.errors import ModelError
from napari_microenhance.models.sidecar import save_edits


@pytest.fixture
def make(tmp_path):
    """Return what opens a network that changes nothing and declares these keys."""

    def opened(**keys):
        g = toys.Graph(1)
        path = g.save(
            tmp_path / "same.onnx",
            g.node("Identity", "x"),
            metadata={f"microenhance.{key}": value for key, value in keys.items()},
        )
        return load_model(path)

    return opened


@pytest.fixture
def dim(rng):
    """An image of uint8 that uses little of its range."""
    return rng.integers(40, 90, (60, 70), np.uint8)


def test_auto_means_what_the_network_declares(make, dim, rng):
    low, high = np.percentile(dim, (0.1, 99.9))
    for declared, ends in (("", (0, 255)), ("dtype", (0, 255)), ("percentile", (low, high))):
        model = make(intensity=declared)
        assert model.spec.intensity == declared
        found = enhance(dim, model).report.intensity
        assert (found["low"], found["high"]) == pytest.approx(ends)
        assert found["source"] == (declared or "dtype")
    wide = rng.integers(100, 900, (60, 70), np.uint16)
    found = enhance(wide, make(intensity="dtype")).report.intensity
    assert (found["low"], found["high"], found["source"]) == (0, 65535, "dtype")


@pytest.mark.parametrize("rule", ["dtype", "minmax", "none", (10.0, 200.0)])
def test_an_option_goes_before_the_declaration(make, dim, rule):
    model = make(intensity="percentile")
    plain = enhance(dim, make(), options=Options(intensity=rule)).report.intensity
    assert enhance(dim, model, options=Options(intensity=rule)).report.intensity == plain


def test_a_word_that_means_nothing_is_refused(make):
    with pytest.raises(ModelError, match=r"unreadable metadata: microenhance\.intensity='best'"):
        make(intensity="best")


def test_it_can_be_edited_and_inspected(make, capfd):
    path = make(intensity="dtype").path
    save_edits(path, {"intensity": "percentile"})
    assert load_model(path).spec.intensity == "percentile"
    assert load_model(path, intensity="").spec.intensity == ""
    assert run(["inspect", str(path)]) == 0
    assert "0 to 1, normalised by percentile" in capfd.readouterr().out
    assert run(["inspect", str(path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["input"]["intensity"] == "percentile"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_a_relative_answer_fills_the_range(make, rng, dtype):
    """That of the number type; a float image has none, so there it is the fitted range."""
    model = make(units="relative", intensity="percentile")
    image = rng.normal(100, 5, (80, 90)).astype(dtype)
    low, high = np.percentile(image, (0.1, 99.9))
    result = enhance(image, model)
    ends = (low, high)
    if image.dtype.kind != "f":
        info = np.iinfo(dtype)
        ends = (info.min, info.max)
    expected = (image - low) / (high - low) * (ends[1] - ends[0]) + ends[0]
    if image.dtype.kind != "f":
        expected = np.clip(np.rint(expected), *ends)
        assert (result.pixels.min(), result.pixels.max()) == ends
    np.testing.assert_allclose(result.pixels, expected, rtol=0, atol=(ends[1] - ends[0]) * 1e-4)
    assert result.pixels.dtype == image.dtype


def test_outside_the_roi_a_relative_answer_changes_nothing(make, dim):
    roi = np.zeros(dim.shape, bool)
    roi[10:40, 20:50] = True
    pixels = enhance(dim, make(units="relative", intensity="percentile"), roi=roi).pixels
    np.testing.assert_array_equal(pixels[~roi], dim[~roi])
    assert np.ptp(pixels[roi]) > 2 * np.ptp(dim[roi])


def test_colours_are_stretched_as_much_as_grey(make, rng):
    """Else a dim colour image would come back bright, and grey."""
    grey = rng.integers(20, 60, (60, 70))
    image = np.stack([grey + 10, grey, grey - 10], axis=-1).astype(np.uint8)
    result = enhance(image, make(units="relative", intensity="percentile"), axes="YXC")
    found = result.report.intensity
    gain = 255 / (found["high"] - found["low"])
    expected = np.clip((image - found["low"]) * gain, 0, 255)
    np.testing.assert_allclose(result.pixels, expected, rtol=0, atol=1)
    # In its own units nothing is stretched.
    same = enhance(image, make(intensity="percentile"), axes="YXC").pixels
    np.testing.assert_array_equal(same, image)
