"""Steps: the specification's formulas, on statistics of the whole image."""

import json

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.steps.fitting import fit_steps, in_input_units, needs_values
from napari_microenhance.engine.steps.processing import (
    Binarize,
    Clip,
    EnsureDtype,
    FixedZeroMeanUnitVariance,
    ScaleLinear,
    ScaleMeanVariance,
    ScaleRange,
    Sigmoid,
    Softmax,
    ZeroMeanUnitVariance,
)
from napari_microenhance.errors import ModelError


@pytest.fixture
def image(rng):
    """Return an image of two channels of different brightness, shape (2, 12, 10)."""
    brightness = np.array([100.0, 900.0])[:, None, None]
    return (rng.random((2, 12, 10)) * brightness + brightness).astype(np.float32)


def done(step, image, **more):
    """Fit on the whole image and apply to it."""
    return fit_steps([step], image.reshape(len(image), -1), **more).apply(image)


CASES = {
    "binarize": (Binarize((150.0,)), lambda x: x > 150),
    "binarize per channel": (
        Binarize((150.0, 1200.0)),
        lambda x: x > np.array([150, 1200])[:, None, None],
    ),
    "clip": (Clip(120, 1000), lambda x: np.clip(x, 120, 1000)),
    "clip below": (Clip(minimum=120), lambda x: np.maximum(x, 120)),
    "clip above": (Clip(maximum=120), lambda x: np.minimum(x, 120)),
    "clip percentiles": (
        Clip(min_percentile=10, max_percentile=80),
        lambda x: np.clip(x, *np.percentile(x, [10, 80])),
    ),
    "clip percentiles per channel": (
        Clip(min_percentile=10, per_channel=True),
        lambda x: np.maximum(x, np.percentile(x, 10, axis=(1, 2), keepdims=True)),
    ),
    "fixed": (
        FixedZeroMeanUnitVariance((150.0, 900.0), (10.0, 20.0)),
        lambda x: (x - np.array([150, 900])[:, None, None]) / np.array([10, 20])[:, None, None],
    ),
    "linear": (ScaleLinear((2.0,), (3.0,)), lambda x: x * 2 + 3),
    "linear per channel": (
        ScaleLinear((2.0, 4.0), (3.0,)),
        lambda x: x * np.array([2, 4])[:, None, None] + 3,
    ),
    "range": (
        ScaleRange(5, 99, eps=0.1),
        lambda x: (x - np.percentile(x, 5)) / (np.percentile(x, 99) - np.percentile(x, 5) + 0.1),
    ),
    "range per channel": (
        ScaleRange(per_channel=True),
        lambda x: (x - x.min((1, 2), keepdims=True)) / (np.ptp(x, (1, 2), keepdims=True) + 1e-6),
    ),
    "moments": (ZeroMeanUnitVariance(eps=0.1), lambda x: (x - x.mean()) / (x.std() + 0.1)),
    "moments per channel": (
        ZeroMeanUnitVariance(per_channel=True),
        lambda x: (x - x.mean((1, 2), keepdims=True)) / (x.std((1, 2), keepdims=True) + 1e-6),
    ),
    "sigmoid": (Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    "softmax": (Softmax(), lambda x: np.exp(x) / np.exp(x).sum(0)),
}


@pytest.mark.parametrize("name", CASES)
def test_each_step_is_its_formula(image, name):
    step, formula = CASES[name]
    if name in ("sigmoid", "softmax"):
        image = image / 500 - 1
    wanted = formula(image.astype(np.float64))
    got = done(step, image)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)


def test_mean_and_variance_of_another_image(image, rng):
    output = rng.normal(5, 2, image.shape).astype(np.float32)
    step = ScaleMeanVariance(eps=0.01)
    rows = image.reshape(2, -1)
    got = fit_steps([step], output.reshape(2, -1), reference=rows).apply(output)
    x, r = output.astype(np.float64), image.astype(np.float64)
    wanted = (x - x.mean()) / (x.std() + 0.01) * (r.std() + 0.01) + r.mean()
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    each = fit_steps(
        [ScaleMeanVariance(per_channel=True)], output.reshape(2, -1), reference=rows
    ).apply(output)
    np.testing.assert_allclose(each.mean((1, 2)), image.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(each.std((1, 2)), image.std((1, 2)), rtol=1e-5)


def test_percentiles_of_the_input_after_the_network(image, rng):
    output = rng.random(image.shape).astype(np.float32)
    fitted = fit_steps([ScaleRange(of_input=True)], output, reference=image.reshape(2, -1))
    wanted = (output - image.min()) / (np.ptp(image) + 1e-6)
    np.testing.assert_allclose(fitted.apply(output), wanted, rtol=1e-5)


def test_statistics_are_of_what_reaches_the_step(image):
    steps = [ScaleLinear((2.0,), (1.0,)), ScaleRange(), ScaleLinear((10.0,), (0.0,))]
    got = fit_steps(steps, image.reshape(2, -1)).apply(image)
    assert got.min() == 0
    assert got.max() == pytest.approx(10, rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("uint8", [0, 0, 1, 254, 255, 255]),
        ("int8", [-3, 0, 1, 127, 127, 127]),
        ("bool", [1, 1, 1, 1, 1, 1]),
        ("float64", [-3.9, 0.9, 1.1, 254.9, 255.0, 300.7]),
    ],
)
def test_a_cast_cuts_fractions_off_and_clips(dtype, wanted):
    values = np.array([[-3.9, 0.9, 1.1, 254.9, 255.0, 300.7]], np.float32)
    np.testing.assert_array_equal(done(EnsureDtype(dtype), values)[0], np.float32(wanted))


def test_large_numbers_do_not_overflow():
    values = np.array([[-500.0, 0.0, 500.0]], np.float32)
    np.testing.assert_array_equal(done(Sigmoid(), values), [[0, 0.5, 1]])
    two = np.array([[-500.0, 900.0], [500.0, 800.0]], np.float32)
    np.testing.assert_allclose(done(Softmax(), two), [[0, 1], [1, 0]], atol=1e-30)


def test_a_high_offset_costs_no_digits(rng):
    image = (30000 + rng.normal(0, 10, (1, 5000))).astype(np.float32)
    got = done(ZeroMeanUnitVariance(), image)
    exact = image.astype(np.float64)
    wanted = (exact - exact.mean()) / (exact.std() + 1e-6)
    assert np.abs(got - wanted).max() < 1e-6


def test_a_constant_image_gives_finite_values():
    image = np.full((1, 9), 7, np.float32)
    for step in (ZeroMeanUnitVariance(), ScaleRange(), ScaleMeanVariance()):
        assert np.isfinite(done(step, image)).all()


@pytest.mark.slow
@given(st.integers(1, 11), st.integers(1, 9))
def test_a_part_is_treated_as_in_the_whole(y, x):
    rng = np.random.default_rng(y * 10 + x)
    image = rng.random((2, 12, 10)).astype(np.float32)
    steps = [ZeroMeanUnitVariance(per_channel=True), Clip(max_percentile=90), ScaleRange()]
    fitted = fit_steps(steps, image.reshape(2, -1))
    whole = fitted.apply(image)
    np.testing.assert_array_equal(fitted.apply(image[:, y:, :x]), whole[:, y:, :x])


def test_steps_do_not_change_what_they_are_given(image):
    before = image.copy()
    for step, _ in CASES.values():
        done(step, image)
    np.testing.assert_array_equal(image, before)


def test_another_count_of_numbers_is_said():
    with pytest.raises(
        ModelError, match=r"scale_linear has 3 values for gain, but its input has 2 channel"
    ):
        fit_steps([ScaleLinear((1.0, 2.0, 3.0), (0.0,))], np.zeros((2, 5)))


def test_the_record_is_plain_json_with_all_numbers(image):
    steps = [EnsureDtype("float32"), ZeroMeanUnitVariance(per_channel=True), Sigmoid(), Clip(0, 1)]
    record = fit_steps(steps, image.reshape(2, -1)).to_dict()
    assert json.loads(json.dumps(record)) == record
    assert [entry["id"] for entry in record] == [
        "ensure_dtype",
        "zero_mean_unit_variance",
        "sigmoid",
        "clip",
    ]
    assert record[1]["mean"] == pytest.approx(image.mean((1, 2)).tolist(), rel=1e-5)
    assert record[3] == {"id": "clip", "minimum": 0, "maximum": 1, "per_channel": False}


def test_a_spec_comes_back_from_json_with_its_steps():
    steps = tuple(step for step, _ in CASES.values())
    spec = ModelSpec(name="n", preprocessing=steps, postprocessing=steps[::-1])
    text = json.dumps(spec.to_dict())
    assert pydantic.TypeAdapter(ModelSpec).validate_python(json.loads(text)) == spec


@pytest.mark.parametrize(
    ("steps", "needed"),
    [
        ([], False),
        ([ScaleLinear((2.0,), (0.0,)), Sigmoid()], False),
        ([ScaleRange(of_input=True)], False),
        ([ScaleRange()], True),
        ([ScaleMeanVariance()], True),
        ([Clip(0, 1)], False),
        ([Clip(max_percentile=99)], True),
    ],
)
def test_which_steps_need_the_values_themselves(steps, needed):
    assert needs_values(steps) is needed


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ([], [], True),
        ([ScaleLinear((1 / 255,), (0.0,))], [ScaleLinear((255.0,), (0.0,))], True),
        ([ScaleLinear((1 / 255,), (0.0,))], [], False),
        ([ZeroMeanUnitVariance()], [ScaleMeanVariance()], True),
        ([ZeroMeanUnitVariance()], [], False),
        ([ScaleLinear((1.0, 2.0), (0.0,))], [ScaleLinear((1.0, 0.5), (0.0,))], False),
    ],
)
def test_whether_a_result_is_in_the_units_of_the_image(before, after, same):
    assert in_input_units(before, after) is same
