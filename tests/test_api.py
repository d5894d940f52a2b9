"""The headless front: what it takes, and that whatever else it gets is one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

import toys
from napari_microenhance import (
    MicroEnhanceError,
    Options,
    compare,
    enhance,
    list_models,
    load_model,
    load_preset,
    rerun,
)
from napari_microenhance.api import (
    check_domain,
    foresee,
    load_edits,
    mismatch_map,
    noted,
    raw_consistency,
    save_edits,
    save_preset,
    variability,
)
from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import (
    AxesError,
    FileMissingError,
    ImageError,
    MemoryBudgetError,
    ModelError,
    OptionsError,
    RoiError,
)
from napari_microenhance.images.image_formats import write_image
from napari_microenhance.measure.domain import KEY
from napari_microenhance.rois.region_of_interest import Roi

PIXELS = np.random.default_rng(5).integers(0, 255, (48, 56), np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    return load_model(toys.plain(tmp_path_factory.mktemp("api") / "plain.onnx", convs=2))


class Foreign:
    """An array of another library, with what is wrong about it."""

    def __init__(self, shape=(48, 56), dtype="uint8", *, gives=None, error=None):
        self.shape, self.dtype, self._gives, self._error = shape, dtype, gives, error

    def __getitem__(self, key):
        if self._error is not None:
            raise self._error
        return (PIXELS if self._gives is None else self._gives)[key]


class Dropped:
    """An array whose server does not answer."""

    dtype = np.dtype("uint8")

    @property
    def shape(self):
        raise OSError("the server is gone")


def masked(count: int) -> np.ma.MaskedArray:
    image = np.ma.masked_array(PIXELS.copy(), mask=False)
    image.mask.flat[:count] = True
    image[0, :count] = np.ma.masked
    return image


# --- what is taken ----------------------------------------------------------------


def test_numbers_of_numpy_are_numbers(model):
    options = Options(
        tile=np.int64(32),
        dilate=np.uint8(1),
        planes=np.array([1, 0]),
        memory=np.int64(10**9),
        value_range=np.array([0, 1], np.float32),
    )
    assert options == Options(
        tile=32, dilate=1, planes=(0, 1), memory=10**9, value_range=(0.0, 1.0)
    )
    report = enhance(np.stack([PIXELS] * 2), model, axes="ZYX", options=options).report
    assert json.loads(json.dumps(report.to_dict()))["options"]["tile"] == 32
    window = np.array([[4, 20], [8, 30]])
    assert enhance(PIXELS, model, window=window).patch.shape == (16, 22)


def test_an_image_file_brings_its_axes_its_name_and_its_notes(tmp_path, model):
    stack = np.stack([PIXELS, 255 - PIXELS])
    path = tmp_path / "pages.tif"
    write_image(path, stack, "ZYX")
    result = enhance(path, model)
    assert result.report.image.name == "pages.tif"
    np.testing.assert_array_equal(result.patch, enhance(stack, model, axes="ZYX").patch)
    again = rerun(result.report.to_dict(), str(path), model)
    assert again.report.rerun.identical


def test_notes_of_a_file_are_warnings(tmp_path, model):
    import tifffile

    path = tmp_path / "silent.tif"
    tifffile.imwrite(path, np.stack([PIXELS] * 2), photometric="minisblack")
    seen = []
    result = enhance(path, model, on_progress=seen.append)
    assert any("does not state what its 2 pages are" in text for text in result.report.warnings)
    assert result.report.warnings[0] in [str(caution) for caution in seen[0].cautions]


def test_what_a_run_will_say_is_known_before_it(model):
    stack = np.stack([PIXELS] * 3)
    rois = [Roi([(5, 5), (5, 30), (30, 30)], {"Z": z}) for z in (1, 7)]
    options = Options(tile=48, halo=0)
    said = foresee(stack, model, rois, "ZYX", options=options)
    assert any("1 of 2 ROIs lie on planes that the image does not have" in str(s) for s in said)
    warned = enhance(stack, model, rois, "ZYX", options=options).report.warnings
    assert set(map(str, said)) <= set(warned)
    names = tuple(s.name for s in said if isinstance(s, Caution))
    silent = Options(tile=48, halo=0, no_caution=names)
    assert foresee(stack, model, rois, "ZYX", options=silent) == ()
    with pytest.raises(RoiError, match="ROI"):
        foresee(PIXELS, model, [np.array([(900, 900), (900, 950), (950, 950)])])


def test_damaged_words_on_the_training_do_not_keep_a_network_from_running(tmp_path):
    path = toys.plain(tmp_path / "bad.onnx", metadata={KEY: "[1"})
    (said,) = (s for s in foresee(PIXELS, path) if "trained_on" in str(s))
    assert str(said) in enhance(PIXELS, path).report.warnings


def test_masked_arrays_without_masked_pixels_are_arrays(model):
    expected = enhance(PIXELS, model).patch
    result = enhance(masked(0), model).patch
    assert not isinstance(result, np.ma.MaskedArray)
    np.testing.assert_array_equal(result, expected)


def test_lists_of_numbers_are_an_image(model):
    np.testing.assert_array_equal(
        enhance(PIXELS.tolist(), model, options=Options(intensity="dtype")).patch.shape, (48, 56)
    )


# --- what is refused, in one sentence ---------------------------------------------


def _said(call, kind: type[MicroEnhanceError], words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert words in text
    assert "\n" not in text
    assert "<" not in text
    assert text.endswith(".")


IMAGES = [
    (None, ImageError, "pixels of type object"),
    ([[1, 2], [3]], ImageError, "cannot be read"),
    ("no such file.tif", FileMissingError, "no such file.tif"),
    (Path("no such file.tif"), FileMissingError, "no such file.tif"),
    (7, AxesError, "shape ()"),
    ({}, ImageError, "pixels of type object"),
    (PIXELS > 3, ImageError, "boolean"),
    (PIXELS * 1j, ImageError, "complex"),
    (PIXELS[:0], ImageError, "empty"),
    (masked(3), ImageError, "3 masked pixels"),
    (np.array(["a"]), ImageError, "use integers or floats"),
    (Dropped(), ImageError, "the server is gone"),
    (Foreign(shape=None), ImageError, "the shape None"),
    (Foreign(shape=(48.5, 56)), ImageError, "the shape (48.5, 56)"),
    (Foreign(shape=(-48, 56)), ImageError, "negative length"),
    (Foreign(shape=(90, 90)), ImageError, "it returned uint8 in 48 x 56"),
    (Foreign(dtype="float32"), ImageError, "it returned uint8"),
    (Foreign(gives=masked(2)), ImageError, "2 masked pixels"),
    (Foreign(error=OSError(5, "the disk is gone")), ImageError, "the disk is gone"),
    (Foreign(error=RuntimeError("a worker\ndied")), ImageError, "a worker died"),
    (Foreign(error=KeyError("chunk")), ImageError, "chunk"),
    (Foreign(error=ZeroDivisionError()), ImageError, "ZeroDivisionError"),
    (Foreign(error=MemoryError()), MemoryBudgetError, "not enough memory"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("image", "kind", "words"), IMAGES)
def test_an_image_that_is_none(model, image, kind, words):
    _said(lambda: enhance(image, model), kind, words)
    if kind is not MemoryBudgetError:
        _said(lambda: variability(image, model), kind, words)
        _said(lambda: check_domain(image, "detail"), kind, words)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"options": {"tile": 64}}, OptionsError, "options is of type dict; use Options(...)"),
        ({"options": "article"}, OptionsError, "options is of type str"),
        ({"axes": 5}, AxesError, 'axes=5 must be letters, such as axes="ZYX"'),
        ({"axes": b"YX"}, AxesError, "axes=b'YX'"),
        ({"axes": ["Y", "X"]}, AxesError, "axes=['Y', 'X']"),
        ({"axes": "YQ"}, AxesError, "unknown letter 'Q'"),
        ({"on_progress": 3}, OptionsError, "on_progress is of type int; pass a function"),
        ({"should_stop": True}, OptionsError, "should_stop is of type bool"),
        ({"window": 4}, OptionsError, "window=4 must be"),
        ({"window": ((0, 4),)}, OptionsError, "whole pixels"),
        ({"window": ((0.5, 4), (0, 4))}, OptionsError, "whole pixels"),
        ({"window": ((4, 4), (0, 4))}, OptionsError, "is empty"),
        ({"roi": 5}, RoiError, ""),
        ({"roi": 2.5}, RoiError, ""),
        ({"roi": {"a": 1}}, RoiError, ""),
        ({"roi": object()}, RoiError, ""),
        ({"roi": [5]}, RoiError, "shape ()"),
        ({"roi": [[(0, 0), (5, 5)]]}, RoiError, "at least three"),
        ({"roi": PIXELS[:5]}, RoiError, "shape (5, 56)"),
        ({"roi": "no such roi.json"}, FileMissingError, "no such roi.json"),
        ({"roi": "x" * 5000}, RoiError, "cannot be opened"),
        ({"roi": "a\0b"}, RoiError, "cannot be opened"),
        ({"roi": range(3)}, RoiError, "shape ()"),
        ({"roi": [[True, False]]}, RoiError, "shape (2,)"),
    ],
)
def test_an_argument_that_is_wrong(model, arguments, kind, words):
    _said(lambda: enhance(PIXELS, model, **arguments), kind, words)
    _said(lambda: variability(PIXELS, model, **arguments), kind, words)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tile": np.array([64, 64])}, "tile="),
        ({"tile": "64"}, "tile='64' must be a whole number"),
        ({"tile": None}, "tile=None"),
        ({"planes": np.array([0.5])}, "planes="),
        ({"planes": np.array([True, False])}, "planes="),
        ({"planes": 3}, "planes=3"),
        ({"planes": None}, "planes=None"),
        ({"value_range": "12"}, "value_range='12' must be two numbers"),
        ({"value_range": np.array([1, 2, 3])}, "must be two numbers"),
        ({"intensity": np.array([3, 1])}, "LOW below HIGH"),
        ({"blend": np.array(["crop"])}, "is not one of auto"),
        ({"dtype": np.float32}, "is not one of same"),
        ({"provider": None}, "provider=None"),
        ({"halo": 10**30}, "is too large"),
        ({"memory": 2**60}, "is too large"),
        ({"extra_channel": 10**400}, "extra_channel="),
        ({"intensity": (0, 10**400)}, "intensity="),
        ({"no_caution": [[1], [2]]}, "no_caution="),
        ({"no_caution": np.array("domain")}, "no_caution="),
        ({"no_caution": "domain"}, "no_caution='domain' must be names"),
    ],
)
def test_an_option_that_is_none(values, words):
    with pytest.raises(OptionsError) as caught:
        Options(**values)
    assert words in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 5, {}, PIXELS, "no such network", Path("none.onnx")])
def test_a_network_that_is_none(wrong):
    kind = ModelError if not isinstance(wrong, str | Path) else FileMissingError
    _said(lambda: load_model(wrong), kind, "")
    _said(lambda: enhance(PIXELS, wrong), kind, "")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have(name):
    for call in (load_model, load_preset, rerun, load_edits, lambda name: compare(name, PIXELS)):
        _said(lambda call=call: call(name), MicroEnhanceError, "cannot be opened")


def test_a_network_with_the_longest_name_that_a_file_can_have(tmp_path):
    path = toys.plain(tmp_path / f"{'x' * 250}.onnx", convs=1)
    assert load_edits(path) == {}
    kept = save_edits(path, {"value_range": (0, 2)})
    assert kept.parent != tmp_path
    assert load_model(path).spec.value_range == (0, 2)


def test_edits_are_kept_for_a_name_or_a_path(tmp_path):
    path = toys.plain(tmp_path / "plain.onnx", convs=1)
    save_edits(str(path), {"value_range": (0, 2)})
    assert load_edits(str(path)) == load_edits(path) == {"value_range": (0.0, 2.0)}


@pytest.mark.parametrize("wrong", [None, 5, [], "", PIXELS])
def test_edits_that_are_none(tmp_path, wrong):
    _said(lambda: load_edits(wrong), OptionsError, "path=")
    _said(lambda: save_edits(wrong, {}), OptionsError, "path=")
    _said(lambda: save_edits(tmp_path / "a.onnx", wrong), OptionsError, "edits is of type")


@pytest.mark.parametrize("wrong", [None, 5, {}, PIXELS])
def test_a_result_that_is_none(tmp_path, wrong):
    _said(lambda: mismatch_map(wrong), OptionsError, "result is of type")
    _said(lambda: noted(wrong), OptionsError, "report is of type")
    _said(lambda: save_preset(tmp_path / "a.json", wrong), OptionsError, "options is of type")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [None, 5, [], {}, {"image": 3}, "none.tif", b"x"])
def test_a_record_that_is_none(wrong):
    _said(lambda: rerun(wrong), MicroEnhanceError, "")


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"planes": "first"}, OptionsError, "planes='first'"),
        ({"planes": 1}, OptionsError, "planes=1"),
        ({"beyond": "much"}, OptionsError, "beyond='much' must be a finite number above 0"),
        ({"beyond": 0}, OptionsError, "beyond=0"),
        ({"beyond": None}, OptionsError, "beyond=None"),
        ({"data_range": -1}, OptionsError, "data_range=-1"),
        ({"data_range": float("nan")}, OptionsError, "data_range=nan"),
        ({"data_range": PIXELS}, OptionsError, "data_range="),
        ({"axes": 5}, AxesError, "axes=5"),
        ({"roi": 5}, RoiError, ""),
        ({"should_stop": 5}, OptionsError, "should_stop is of type int"),
    ],
)
def test_a_comparison_that_cannot_be_made(arguments, kind, words):
    _said(lambda: compare(PIXELS, PIXELS, **arguments), kind, words)
    if not {"beyond", "data_range"} & set(arguments):
        _said(lambda: raw_consistency(PIXELS, PIXELS, **arguments), kind, words)


@pytest.mark.parametrize(("image", "kind", "words"), IMAGES[:13])
def test_a_comparison_with_no_image(image, kind, words):
    _said(lambda: compare(image, PIXELS), kind, words)
    _said(lambda: compare(PIXELS, image), MicroEnhanceError, "")


@pytest.mark.parametrize("size", [0, -1, "0.1", float("inf"), True])
def test_a_pixel_size_that_is_none(size):
    _said(
        lambda: check_domain(PIXELS, "detail", pixel_size_um=size), OptionsError, "pixel_size_um="
    )


@pytest.mark.parametrize("wrong", [None, 5, {}, ["article"]])
def test_a_preset_that_is_none(wrong):
    _said(lambda: load_preset(wrong), MicroEnhanceError, "")


def test_models_are_listed_without_arguments():
    assert {"detail", "denoise"} <= {info.name for info in list_models()}


def test_what_follows_the_axes_is_named(model):
    with pytest.raises(TypeError, match="positional"):
        enhance(PIXELS, model, None, None, Options())
