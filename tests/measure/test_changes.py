"""What changed, in numbers: every figure against an independent calculation."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage import measure, metrics
from skimage.measure import blur_effect, profile_line

from napari_microenhance.engine.region import Region
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import (
    AxesError,
    Cancelled,
    ImageError,
    MicroEnhanceError,
    OptionsError,
    RoiError,
)
from napari_microenhance.measure import changes
from napari_microenhance.measure.changes import changed_pixels, compare_images
from napari_microenhance.measure.histograms import common_edges, histogram
from napari_microenhance.measure.metrics import noise
from napari_microenhance.measure.parts import Parts
from napari_microenhance.measure.profiles import line_profile, sample_line
from napari_microenhance.records.inputs import parts_of

SSIM = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def parts_in(roi, shape: tuple[int, ...] | None = None) -> Parts:
    """Return the parts of a mask, or of polygons in an image of a shape."""
    shape = roi.shape if shape is None else shape
    found, _ = parts_of(roi, Source(np.zeros(shape, np.uint8), "ZYX"[-len(shape) :]))
    return found


def pair(rng, shape=(120, 150), dtype=np.uint8):
    """Return a smooth noisy image and a changed copy of it."""
    top = np.iinfo(dtype).max
    smooth = ndimage.gaussian_filter(rng.random(shape), (*[0] * (len(shape) - 2), 3, 3))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    before = (smooth * 0.7 + 0.02 * rng.random(shape)) * top
    after = np.clip(before * 1.5 + rng.normal(0, 0.01 * top, shape), 0, top)
    return before.astype(dtype), after.astype(dtype)


def whole(before, after, axes=None, **how):
    first, second = Source(before, axes), Source(after, axes)
    return compare_images(first, second, Parts.of_image(first.spatial_shape), **how)


# --- the figures -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_figures_of_an_image_are_those_of_scikit_image(rng, dtype):
    before, after = pair(rng, dtype=dtype)
    found = whole(before, after)
    total = found.total
    span = 255 if dtype == np.uint8 else np.ptp(before)
    assert found.data_range == span
    assert total.pixels == before.size
    assert total.mean_before == pytest.approx(before.mean())
    assert total.mean_after == pytest.approx(after.mean())
    assert total.contrast_before == pytest.approx(before.std())
    assert total.contrast_after == pytest.approx(after.std())
    psnr = metrics.peak_signal_noise_ratio(before, after, data_range=span)
    assert total.psnr == pytest.approx(psnr)
    ssim = metrics.structural_similarity(before, after, data_range=span, **SSIM)
    assert total.ssim == pytest.approx(ssim)
    assert total.nrmse == pytest.approx(metrics.normalized_root_mse(before, after))
    assert total.sharpness_before == pytest.approx(1 - blur_effect(before.astype(float)))
    assert total.sharpness_after == pytest.approx(1 - blur_effect(after.astype(float)))
    gap = np.abs(after.astype(float) - before)
    assert found.noise == (pytest.approx(noise(before)),)
    assert total.changed == pytest.approx(np.mean(gap > 3 * noise(before)))
    assert total.largest == gap.max()
    white, black = ((after == end) & (before != end) for end in (np.iinfo(dtype).max, 0))
    assert total.clipped == np.count_nonzero(white | black)
    assert white.any()


def test_small_pieces_give_the_same_figures(rng, monkeypatch):
    before, after = pair(rng)
    once = whole(before, after).to_dict()
    monkeypatch.setattr(changes, "PIECE_PX", 7 * 150)
    pieces = whole(before, after).to_dict()
    for name, value in once["total"].items():
        assert pieces["total"][name] == pytest.approx(value, rel=1e-12), name
    assert pieces["histogram"] == once["histogram"]


def test_the_figures_of_a_region_count_its_pixels_alone(rng):
    before, after = pair(rng)
    mask = np.zeros(before.shape, bool)
    mask[20:60, 30:50] = True
    mask[0:30, 100:140] = True
    found = compare_images(Source(before), Source(after), parts_in(mask))
    similar = metrics.structural_similarity(before, after, full=True, **SSIM)[1]
    inner = np.zeros_like(mask)
    inner[5:-5, 5:-5] = True
    error = np.square(after.astype(float) - before)

    def check(figures, inside):
        assert figures.pixels == inside.sum()
        assert figures.mean_before == pytest.approx(before[inside].mean())
        assert figures.contrast_after == pytest.approx(after[inside].std())
        assert figures.psnr == pytest.approx(10 * np.log10(255**2 / error[inside].mean()))
        assert figures.ssim == pytest.approx(similar[inside & inner].mean())
        expected = np.sqrt(error[inside].sum() / np.square(before[inside], dtype=float).sum())
        assert figures.nrmse == pytest.approx(expected)

    check(found.total, mask)
    labels = measure.label(mask)
    assert [part.name for part in found.parts] == ["1", "2"]
    for number, part in enumerate(found.parts, start=1):
        check(part.figures, labels == number)
    sigma = noise(before[0:60, 30:140])
    gap = np.abs(after.astype(float) - before)
    assert found.total.changed == pytest.approx(np.mean(gap[mask] > 3 * sigma))
    box = before[20:60, 30:50].astype(float)
    assert found.parts[1].figures.sharpness_before == pytest.approx(1 - blur_effect(box))


def test_what_differs_outside_the_region_is_counted(rng):
    before, after = pair(rng)
    mask = np.zeros(before.shape, bool)
    mask[20:60, 30:50] = True
    result = np.where(mask, after, before)
    parts = parts_in(mask)
    assert compare_images(Source(before), Source(result), parts).different_outside == 0
    result[0, 0] ^= 1
    result[100, 100] ^= 1
    found = compare_images(Source(before), Source(result), parts)
    assert found.different_outside == 2
    assert found.total.pixels == mask.sum()


def test_equal_images_are_told_so_in_json_too(rng):
    before, _ = pair(rng)
    found = whole(before, before.copy())
    assert found.total.psnr == np.inf
    assert found.total.ssim == pytest.approx(1)
    assert (found.total.nrmse, found.total.changed, found.total.largest) == (0, 0, 0)
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert record["total"]["psnr"] is None


def test_without_noise_every_difference_counts():
    before = np.full((40, 40), 7.0)
    after = before.copy()
    after[3, 4] += 1e-9
    found = whole(before, after)
    assert found.noise == (0.0,)
    assert found.total.changed == 1 / 1600


def test_colour_is_one_picture_and_alpha_does_not_count(rng):
    before, after = (np.moveaxis(image, 0, -1) for image in pair(rng, (3, 90, 100)))
    found = whole(before, after)
    expected = metrics.structural_similarity(before, after, channel_axis=-1, **SSIM)
    assert found.total.ssim == pytest.approx(expected)
    assert found.total.psnr == pytest.approx(metrics.peak_signal_noise_ratio(before, after))
    assert found.total.mean_before == pytest.approx(before.mean())
    gap = np.abs(after.astype(float) - before)
    limits = [3 * noise(before[..., c]) for c in range(3)]
    assert found.total.changed == pytest.approx(np.mean((gap > limits).any(axis=-1)))
    assert found.planes == ()
    alpha = np.full((90, 100, 1), 255, np.uint8)
    with_alpha = whole(np.concatenate([before, alpha], -1), np.concatenate([after, alpha], -1))
    assert with_alpha.total == found.total


def test_a_grey_result_is_compared_with_the_luma(rng):
    colour = np.moveaxis(pair(rng, (3, 60, 70))[0], 0, -1)
    luma = np.rint(colour.astype(np.float64) @ [0.299, 0.587, 0.114])
    grey = luma.astype(np.uint8)
    found = compare_images(Source(colour), Source(grey), Parts.of_image((60, 70)))
    assert found.total.largest <= 1
    assert found.total.mean_before == pytest.approx(luma.mean(), abs=0.01)


def test_stacks_have_figures_per_plane_and_together(rng):
    before, after = pair(rng, (3, 2, 60, 70), np.uint16)
    span = float(np.ptp(before))
    found = whole(before, after, "TCYX")
    assert [plane.name for plane in found.planes] == [
        f"T={t} C={c}" for t in range(3) for c in range(2)
    ]
    assert found.total.pixels == before.size
    assert found.total.contrast_before == pytest.approx(before.std())
    expected = metrics.peak_signal_noise_ratio(before, after, data_range=span)
    assert found.total.psnr == pytest.approx(expected)
    one = whole(before[1, 1], after[1, 1], data_range=span).total
    assert found.planes[3].figures == one
    chosen = whole(before, after, "TCYX", planes=[1])
    assert [plane.name for plane in chosen.planes] == ["T=1 C=0", "T=1 C=1"]
    assert chosen.planes[1].figures == one


def test_a_region_of_a_volume_counts_in_its_own_planes(rng):
    before, after = pair(rng, (4, 50, 60))
    mask = np.zeros(before.shape, bool)
    mask[1:3, 10:30, 20:40] = True
    found = compare_images(Source(before, "ZYX"), Source(after, "ZYX"), parts_in(mask))
    assert [plane.name for plane in found.planes] == ["Z=1", "Z=2"]
    assert found.total.mean_after == pytest.approx(after[mask].mean())
    assert found.total.pixels == mask.sum()


@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_result_is_compared_with_repeated_pixels(rng, factor):
    before, _ = pair(rng, (40, 50))
    repeated = before.repeat(factor, 0).repeat(factor, 1)
    assert whole(before, repeated).total.psnr == np.inf
    after = np.clip(repeated + rng.normal(0, 9, repeated.shape), 0, 255).astype(np.uint8)
    mask = np.zeros(before.shape, bool)
    mask[10:30, 12:33] = True
    found = compare_images(Source(before), Source(after), parts_in(mask))
    inside = mask.repeat(factor, 0).repeat(factor, 1)
    assert found.scale == factor
    assert found.total.pixels == inside.sum()
    error = np.square(after.astype(float) - repeated)[inside].mean()
    assert found.total.psnr == pytest.approx(10 * np.log10(255**2 / error))
    # Both on their own grid: repeated pixels would look sharp.
    box = before[10:30, 12:33].astype(float)
    assert found.total.sharpness_before == pytest.approx(1 - blur_effect(box))
    assert found.noise == (pytest.approx(noise(before[10:30, 12:33])),)


def test_a_coarser_result_is_compared_with_thinned_pixels(rng):
    before, _ = pair(rng, (41, 50))
    found = whole(before, before[::2, ::2])
    assert found.scale == 0.5
    assert found.total.largest == 0


def test_a_float_image_has_the_range_of_its_values(rng):
    before, after = (image / 60000 - 0.3 for image in pair(rng, dtype=np.uint16))
    found = whole(before, after)
    assert found.data_range == pytest.approx(np.ptp(before))
    assert found.total.clipped == 0
    given_range = whole(before, after, data_range=2.0).total.psnr
    expected = metrics.peak_signal_noise_ratio(before, after, data_range=2.0)
    assert given_range == pytest.approx(expected)


# --- parts -------------------------------------------------------------------------


def test_polygons_and_labels_are_parts_of_their_own(rng):
    before, after = pair(rng)
    boxes = [
        np.array([[5, 5], [5, 24], [44, 24], [44, 5]]),
        np.array([[30, 10], [30, 90], [60, 90]]),
    ]
    beside = np.array([[500, 500], [500, 510], [510, 510]])
    parts = parts_in([*boxes, beside], before.shape)
    found = compare_images(Source(before), Source(after), parts)
    assert [part.name for part in found.parts] == ["1", "2"]
    assert found.parts[0].figures.pixels == 40 * 20
    overlap = sum(part.figures.pixels for part in found.parts) - found.total.pixels
    assert overlap > 0
    labels = np.zeros(before.shape, np.uint16)
    labels[10:20, 10:30] = 7
    labels[50:60, 10:30] = 300
    labels[70:75, 10:30] = 7
    found = compare_images(Source(before), Source(after), parts_in(labels))
    assert [(p.name, p.figures.pixels) for p in found.parts] == [("7", 300), ("300", 200)]


@given(data=st.data())
def test_the_parts_of_a_mask_are_the_mask(data):
    shape = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    bits = data.draw(
        st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    mask = np.array(bits).reshape(shape)
    if not mask.any():
        mask[0, 0] = True
    parts = parts_in(mask)
    everything = tuple((0, n) for n in shape)
    pieces = [part.region.footprint.crop(everything) for part in parts.each]
    np.testing.assert_array_equal(np.sum(pieces, axis=0), mask)
    # A box that holds a part of the ROI gives the same pixels, counted from its corner.
    y, x = (int(i) for i in np.argwhere(mask)[0])
    box = ((0, y + 1), (x, shape[1]))
    inner = parts.within(box)
    np.testing.assert_array_equal(
        inner.whole.footprint.crop(tuple((0, b - a) for a, b in box)), mask[: y + 1, x:]
    )
    assert all(part.region.footprint.shape == inner.whole.footprint.shape for part in inner.each)


def test_parts_grow_as_the_region_of_a_run_does():
    mask = np.zeros((30, 30), bool)
    mask[10, 10] = mask[20, 20] = True
    grown = parts_in(mask).dilated(2)
    assert grown.whole.pixels == 50
    assert [part.region.pixels for part in grown.each] == [25, 25]


# --- masks, histograms, profiles ---------------------------------------------------


def test_the_mask_of_changed_pixels_has_the_axes_of_the_result(rng):
    before, after = pair(rng, (2, 3, 40, 50))
    found = changed_pixels(Source(before, "TCYX"), Source(after, "TCYX"))
    assert found.shape == after.shape
    for t, c in np.ndindex(2, 3):
        gap = np.abs(after[t, c].astype(float) - before[t, c])
        np.testing.assert_array_equal(found[t, c], gap > 3 * noise(before[t, c]))
    colour = [np.moveaxis(image, 0, -1) for image in pair(rng, (3, 40, 50))]
    region = Region.from_mask(np.arange(2000).reshape(40, 50) % 3 == 0)
    inside = changed_pixels(*map(Source, colour), region, beyond=1)
    assert inside.shape == (40, 50)
    assert inside.any()
    assert not inside[region.mask == 0].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_both_histograms_have_the_same_bins_and_hold_all_values(rng, dtype):
    before, after = (image.astype(dtype) for image in pair(rng))
    if dtype == np.uint16:
        before, after = before * 200, after * 200
    found = whole(before, after).histogram
    assert found.before.sum() == found.after.sum() == before.size
    assert len(found.edges) == len(found.before) + 1 <= 257
    expected = np.histogram(before, found.edges)[0]
    np.testing.assert_array_equal(found.before, expected)


@given(low=st.integers(-300, 300), span=st.integers(0, 70_000), bins=st.integers(1, 256))
def test_bins_of_whole_numbers_hold_equally_many(low, span, bins):
    edges = common_edges(low, low + span, whole=True, bins=bins)
    assert len(edges) - 1 <= bins
    assert edges[0] < low
    assert edges[-1] > low + span
    everything = np.arange(np.ceil(edges[0]), np.floor(edges[-1]) + 1)
    counts = histogram(everything, everything, edges).before
    assert set(counts.tolist()) == {int(edges[1] - edges[0])}


@pytest.mark.parametrize("width", [1, 4])
def test_a_profile_is_that_of_scikit_image(rng, width):
    before, after = pair(rng)
    start, stop = (20.5, 30.25), (80.0, 110.75)
    found = line_profile(before[None], after[None], [start, stop], width=width)
    for mine, image in ((found.before, before), (found.after, after)):
        expected = profile_line(image.astype(float), start, stop, linewidth=width, mode="reflect")
        np.testing.assert_allclose(mine[0], expected, atol=1e-9)
    assert found.distance[-1] == pytest.approx(np.hypot(59.5, 80.5))


def test_a_profile_of_a_finer_result_looks_at_the_same_places():
    y, x = np.mgrid[:40, :50]
    before = (2.0 * y + x)[None]
    fine_y, fine_x = ((np.mgrid[:120, :150] + 0.5) / 3) - 0.5
    after = (2.0 * fine_y + fine_x)[None]
    found = line_profile(before, after, [(5, 5), (30, 12), (20, 40)], scale=3)
    np.testing.assert_allclose(found.before, found.after, atol=1e-9)
    assert np.diff(found.distance).max() <= 1 / 3


def test_a_profile_may_begin_and_end_outside(rng):
    before, after = pair(rng)
    found = line_profile(before[None], after[None], [(-5, -5), (300, 20)])
    assert found.before[0, 0] == before[0, 0]
    assert np.isfinite(found.after).all()


@pytest.mark.parametrize("line", [[(1, 1)], [(1, 1), (1, 1)], [(1, 1), (np.nan, 2)], [1, 2, 3]])
def test_what_is_no_line_gets_one_sentence(line):
    with pytest.raises(RoiError, match=r"line"):
        sample_line(line)


# --- the table ---------------------------------------------------------------------


def test_the_table_has_a_row_for_each_region_and_plane(rng):
    before, after = pair(rng, (2, 60, 70))
    labels = np.zeros((60, 70), int)
    labels[5:30, 5:30], labels[40:44, 40:44] = 1, 2
    parts = parts_in(labels)
    found = compare_images(Source(before, "ZYX"), Source(after, "ZYX"), parts)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [(row["region"], row["name"]) for row in rows] == [
        ("total", ""),
        ("part", "1"),
        ("part", "2"),
        ("plane", "Z=0"),
        ("plane", "Z=1"),
    ]
    assert float(rows[1]["psnr"]) == found.parts[0].figures.psnr
    assert rows[2]["sharpness_before"] == ""  # a box of 4 px has none


# --- what does not fit -------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (np.zeros((40, 40)), np.zeros((40, 41)), ImageError, "40 x 40 px and 40 x 41 px"),
        (np.zeros((40, 40)), np.zeros((40, 40, 3)), AxesError, "axes YX and YXC"),
        (np.full((40, 40), np.nan), np.zeros((40, 40)), ImageError, "image has NaN"),
        (np.zeros((40, 40)), np.full((40, 40), np.inf), ImageError, "result has NaN"),
    ],
)
def test_images_that_do_not_fit_get_one_sentence(before, after, kind, words):
    sources, parts = [Source(before), Source(after)], Parts.of_image((40, 40))
    with pytest.raises(kind, match=words) as caught:
        compare_images(*sources, parts)
    assert isinstance(caught.value, MicroEnhanceError)
    assert "\n" not in str(caught.value)


def test_other_planes_and_numbers_are_refused():
    stack = np.zeros((3, 20, 20))
    with pytest.raises(ImageError, match="3 and 2 planes along Z"):
        whole(stack, stack[:2], "ZYX")
    for planes, words in (([3], "planes=3 does not exist"), ([], "is empty")):
        with pytest.raises(OptionsError, match=words):
            whole(stack, stack, "ZYX", planes=planes)
    with pytest.raises(OptionsError, match="greater than zero"):
        whole(stack, stack, "ZYX", beyond=0)


def test_a_comparison_says_how_far_it_is(rng, monkeypatch):
    monkeypatch.setattr(changes, "PIECE_PX", 3000)
    before, after = pair(rng, (2, 120, 150))
    seen = []
    whole(before, after, "TYX", on_progress=seen.append)
    shares = [p.done / p.total for p in seen]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    # Figures, sharpness, histogram, outside: every piece is counted once, none is left over.
    assert [p.done for p in seen] == [*range(seen[-1].total), seen[-1].total]


def test_a_comparison_can_be_cancelled(rng):
    before, after = pair(rng)
    with pytest.raises(Cancelled):
        whole(before, after, should_stop=lambda: True)


def test_nan_outside_the_region_is_nothing_that_changed(rng):
    before = rng.random((60, 60))
    before[40, 40] = np.nan
    mask = np.zeros(before.shape, bool)
    mask[20:38, 20:38] = True
    found = compare_images(Source(before), Source(before.copy()), parts_in(mask))
    assert found.different_outside == 0
    assert found.total.ssim == pytest.approx(1)
