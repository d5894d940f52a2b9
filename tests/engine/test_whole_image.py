"""Runs of networks that normalise by the whole image: no seams, whatever tile, size and region."""

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import coupled
import toys
from napari_microenhance import Cancelled, Options, enhance, load_model
from napari_microenhance.api import mismatch_map, rerun, variability
from napari_microenhance.engine.source import reflect

PLAIN = Options(intensity="none", tile=64)
STAR = np.array([(20.0, 30), (40, 110), (90, 150), (120, 60), (70, 70)])


def one_call(path, image, model):
    """The oracle: one call on the image, mirrored at its end to a size that the network takes."""
    rows, columns = (rule.round_up(n) for rule, n in zip(model.spec.size, image.shape, strict=True))
    padded = image[reflect(0, rows, len(image))][:, reflect(0, columns, image.shape[1])]
    tensor = padded[None, None] if model.spec.axes_in == "NCYX" else padded[None, ..., None]
    ratio = int(model.spec.scale)
    found = ort.InferenceSession(path).run(None, {"x": tensor})[0].squeeze()
    return found[: image.shape[0] * ratio, : image.shape[1] * ratio]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Return the path and the opened network of a name, each made once."""
    folder = tmp_path_factory.mktemp("coupled")
    kept = {}

    def get(name):
        if name not in kept:
            path = coupled.NETWORKS[name][0](folder / f"{name}.onnx")
            kept[name] = path, load_model(path)
        return kept[name]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("name", coupled.NETWORKS)
def test_tiles_are_one_call(name, opened, rng):
    path, model = opened(name)
    assert model.spec.coupling == "numbers", model.spec.coupling_note
    image = rng.random((150, 203), np.float32)
    expected = one_call(path, image, model)
    result = enhance(image, model, options=PLAIN)
    plan = result.report.to_dict()["plan"]
    assert plan["tiles"] > 1
    assert (plan["statistics"], plan["blend"]) == ("image", "crop")
    assert np.abs(result.pixels - expected).max() <= 1e-4 * np.ptp(expected)
    assert result.report.tile_mismatch <= 1e-4 * np.ptp(expected)
    assert np.nanmax(mismatch_map(result).values) <= 1e-4 * np.ptp(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "rcan", "channels_last"])
def test_a_region_has_the_whole_images_pixels_and_a_preview_the_regions(name, opened, rng):
    path, model = opened(name)
    image = rng.random((150, 203), np.float32)
    ratio = int(model.spec.scale)
    expected = one_call(path, image, model)
    result = enhance(image, model, roi=[STAR], options=PLAIN)
    outside = np.repeat(np.repeat(image, ratio, 0), ratio, 1)
    changed = result.pixels != outside
    assert 0.1 < changed.mean() < 0.5
    assert np.abs(result.pixels - expected)[changed].max() <= 1e-4 * np.ptp(expected)
    window = ((30, 80), (50, 120))
    part = enhance(image, model, roi=[STAR], options=PLAIN, window=window)
    low = [n * ratio for n in part.offset]
    inside = tuple(slice(a, a + n) for a, n in zip(low, part.patch.shape, strict=True))
    np.testing.assert_array_equal(part.patch, result.pixels[inside])


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.integers(40, 260), columns=st.integers(40, 260), tile=st.integers(20, 300))
def test_size_and_tile_do_not_matter(rows, columns, tile, opened):
    path, model = opened("cyclegan")
    image = np.random.default_rng(rows * columns).random((rows, columns), np.float32)
    expected = one_call(path, image, model)
    found = enhance(image, model, options=Options(intensity="none", tile=tile)).pixels
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.slow
def test_the_roi_alone_is_the_image_where_it_is_the_image(opened, rng):
    _, model = opened("pix2pix")
    image = rng.random((128, 160), np.float32)
    whole = enhance(image, model, options=PLAIN)
    box = enhance(image, model, options=Options(intensity="none", tile=64, statistics="roi"))
    np.testing.assert_array_equal(box.pixels, whole.pixels)
    assert box.report.to_dict()["plan"]["statistics"] == "roi"


def test_the_roi_alone_looks_at_its_box_only(opened, rng):
    _, model = opened("spelt_out")
    image = rng.random((256, 300), np.float32)
    other = image.copy()
    other[200:] += 5
    how = Options(intensity="none", statistics="roi")
    first, second = (enhance(x, model, roi=[STAR], options=how).patch for x in (image, other))
    np.testing.assert_array_equal(first, second)
    everything = enhance(other, model, roi=[STAR], options=PLAIN).patch
    assert np.abs(first - everything).max() > 1e-2


def test_a_small_region_of_a_large_image_is_said_with_its_cost(opened, rng):
    _, model = opened("group_norm")
    image = rng.random((400, 400), np.float32)
    square = np.array([(10.0, 10), (10, 40), (40, 40), (40, 10)])
    said = enhance(image, model, roi=[square], options=PLAIN).report.warnings
    assert any("statistics=roi uses the box alone" in sentence for sentence in said)
    for quiet in ({"statistics": "image"}, {"no_caution": ("whole-image",)}):
        how = Options(intensity="none", tile=64, **quiet)
        said = enhance(image, model, roi=[square], options=how).report.warnings
        assert not any("times the ROI" in sentence for sentence in said)


@pytest.mark.slow
def test_what_cannot_be_cut_is_blended_and_says_why(tmp_path, rng):
    model = load_model(coupled.attention(tmp_path / "attention.onnx"))
    assert model.spec.coupling == "pixels"
    assert any("blended" in sentence for sentence in model.findings)
    result = enhance(rng.random((150, 160), np.float32), model, options=PLAIN)
    assert result.report.plan["blend"] == "linear"
    assert result.report.tile_mismatch > 0


def test_asking_for_blended_tiles_gives_them(opened, rng):
    _, model = opened("group_norm")
    image = rng.random((150, 160), np.float32)
    for how in ({"blend": "linear"}, {"statistics": "tile"}):
        result = enhance(image, model, options=Options(intensity="none", tile=64, **how))
        assert result.report.plan["blend"] == "linear"
        assert result.report.to_dict()["plan"]["statistics"] == "tile"


@pytest.mark.slow
def test_a_stack_has_the_numbers_of_each_plane(opened, rng):
    _, model = opened("cyclegan")
    stack = rng.random((3, 96, 100), np.float32) * np.array([1, 3, 9], np.float32)[:, None, None]
    together = enhance(stack, model, axes="ZYX", options=PLAIN).pixels
    for plane, found in zip(stack, together, strict=True):
        np.testing.assert_array_equal(enhance(plane, model, options=PLAIN).pixels, found)


@pytest.mark.slow
def test_memory_decides_where_layers_are_kept_and_not_the_pixels(opened, rng, tmp_path):
    path, model = opened("cyclegan")
    image = rng.random((512, 512), np.float32)
    expected = one_call(path, image, model)
    tight = Options(intensity="none", memory=40_000_000)
    result = enhance(image, model, options=tight)
    assert result.report.to_dict()["plan"]["kept"] == "disk"
    assert np.abs(result.pixels - expected).max() <= 1e-4 * np.ptp(expected)


def test_white_around_the_region_is_what_the_network_is_given(opened, rng):
    path, model = opened("group_norm")
    image = rng.random((150, 203), np.float32)
    box = np.array([(19.5, 29.5), (19.5, 120.5), (90.5, 120.5), (90.5, 29.5)])
    how = Options(intensity="none", tile=64, context="white")
    result = enhance(image, model, roi=[box], options=how)
    seen = np.full_like(image, result.report.intensity["high"])
    seen[20:91, 30:121] = image[20:91, 30:121]
    expected = one_call(path, seen, model)[20:91, 30:121]
    found = result.pixels[20:91, 30:121]
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


def test_numbers_of_one_region_in_white_are_not_those_of_another(opened, rng):
    _, model = opened("group_norm")
    image = rng.random((150, 203), np.float32)
    how = Options(intensity="none", context="white")
    for row in range(10, 90, 10):
        roi = [np.array([(row, 20.0), (row, 120), (row + 40, 120), (row + 40, 20)])]
        known = enhance(image, model, roi=roi, options=how).patch
        model.coupled_for(how).known.clear()
        np.testing.assert_array_equal(enhance(image, model, roi=roi, options=how).patch, known)


def test_a_run_is_repeated_to_the_bit(opened, rng):
    _, model = opened("nafnet")
    image = rng.random((150, 160), np.float32)
    result = enhance(image, model, roi=[STAR], options=PLAIN)
    assert rerun(result.report, image, model).report.rerun["identical"]


def test_progress_counts_all_groups_and_cancel_ends_any(opened, rng):
    _, model = opened("cyclegan")
    image = rng.random((200, 200), np.float32)
    heard = []
    enhance(image, model, options=PLAIN, on_progress=heard.append)
    assert [p.done for p in heard] == list(range(heard[-1].total + 1))
    assert sum(p.box is not None for p in heard) < len(heard) / 2
    with pytest.raises(Cancelled):
        enhance(image + 1, model, options=PLAIN, on_progress=heard.append, should_stop=lambda: True)


def test_known_numbers_are_used_again_and_only_for_the_same_image(opened, rng):
    _, model = opened("rcan")
    image = rng.random((200, 200), np.float32)
    first, again, other = [], [], []
    window = ((0, 40), (0, 40))
    enhance(image, model, options=PLAIN, window=window, on_progress=first.append)
    enhance(image, model, options=PLAIN, window=window, on_progress=again.append)
    image[150, 150] += 1
    enhance(image, model, options=PLAIN, window=window, on_progress=other.append)
    assert again[-1].total < first[-1].total == other[-1].total


def test_variability_runs_over_such_a_network(opened, rng):
    _, model = opened("group_norm")
    found = variability(rng.random((64, 64), np.float32), model, options=PLAIN)
    assert np.isfinite(found.values).all()


def test_an_image_with_a_nan_far_from_the_region_is_refused(opened, rng):
    from napari_microenhance.errors import ImageError

    _, model = opened("group_norm")
    image = rng.random((200, 300), np.float32)
    image[190, 290] = np.nan
    with pytest.raises(ImageError, match="1 NaN"):
        enhance(image, model, roi=[STAR], options=PLAIN)


def test_a_finite_network_has_no_statistics(tmp_path, rng):
    model = load_model(toys.plain(tmp_path / "plain.onnx"))
    plan = enhance(rng.random((64, 64), np.float32), model).report.to_dict()["plan"]
    assert plan["statistics"] is None
    assert model.spec.coupling == ""


@pytest.mark.parametrize("tile", [48, 64, 100])
def test_a_tile_is_no_longer_than_asked_halos_included(tile, opened, rng):
    _, model = opened("spelt_out")
    how = Options(intensity="none", tile=tile)
    plan = enhance(rng.random((150, 203), np.float32), model, options=how).report.plan
    assert max(plan["tile_shape"]) <= tile
