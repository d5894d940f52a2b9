"""Trust maps: each finds the fault that it is for, and says where it is blind."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

import toys
from napari_microenhance.api import (
    Options,
    compare,
    enhance,
    load_model,
    mismatch_map,
    noted,
    raw_consistency,
    variability,
)
from napari_microenhance.engine.region import Region
from napari_microenhance.errors import Cancelled, ImageError, ModelError
from napari_microenhance.measure.trust_maps.oriented_array import EIGHT, Orientation, OrientedArray

PLAIN = Options(intensity="none")


def disc(radius):
    """Return which pixels of a square are a disc."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (y**2 + x**2 <= radius**2).astype(np.float32)


def hallucinating(path, radius=6):
    """Save a network that paints a disc around every very bright pixel."""
    g = toys.Graph(1)
    seen = g.relu(g.node("Sub", "x", g.constant(np.float32(0.9))))
    painted = g.node(
        "Conv",
        seen,
        g.constant(100 * disc(radius)[None, None]),
        pads=[radius] * 4,
    )
    ends = [g.constant(np.float32(v)) for v in (0, 0.4)]
    return g.save(path, g.node("Add", "x", g.node("Clip", painted, *ends)))


def blobs(rng, shape=(160, 180), sigma=4):
    """Return a smooth image between 0.1 and 0.6."""
    smooth = ndimage.gaussian_filter(rng.random(shape), sigma)
    return (0.1 + 0.5 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)


# --- tile mismatch -----------------------------------------------------------------


def test_a_network_with_instance_norm_shows_its_seams(tmp_path, rng):
    model = load_model(toys.instance_norm(tmp_path / "norm.onnx"))
    image = (rng.random((300, 330)) * np.linspace(0, 1, 330)).astype(np.float32)
    options = Options(intensity="none", tile=128, statistics="tile")
    result = enhance(image, model, options=options)
    found = mismatch_map(result)
    assert found.summary == result.report.tile_mismatch
    assert np.nanmax(found.values) == np.float32(result.report.tile_mismatch)
    assert found.values.shape == image.shape
    assert found.start == (0, 0)
    known = np.isfinite(found.values)
    # Bands along the seams, and nothing where one tile alone was computed.
    assert 0.1 < known.mean() < 0.9
    overlap = 2 * result.report.plan["halo"]
    stride = 128 - overlap
    assert known[:, stride + overlap // 2].all()
    assert not known[10, : stride - 1].any()
    assert found.values[known].mean() > 1e-3


def test_a_finite_network_is_compared_at_its_seams_and_agrees(tmp_path, rng):
    model = load_model(toys.plain(tmp_path / "net.onnx"))
    image = rng.random((200, 210), np.float32)
    result = enhance(image, model, options=Options(intensity="none", tile=64))
    found = mismatch_map(result)
    assert np.isfinite(found.values).any()
    assert np.nanmax(found.values) <= 1e-5
    low = enhance(image, model, options=Options(intensity="none", tile=64, halo=1))
    assert np.nanmax(mismatch_map(low).values) == np.float32(low.report.tile_mismatch) > 1e-4


def test_without_seams_the_map_is_blank(tmp_path, rng):
    model = load_model(toys.plain(tmp_path / "net.onnx"))
    found = mismatch_map(enhance(rng.random((40, 50), np.float32), model))
    assert found.summary is None
    assert np.isnan(found.values).all()


def test_planes_share_one_map_and_finer_results_have_a_finer_one(tmp_path, rng):
    model = load_model(toys.espcn(tmp_path / "sr.onnx"))
    stack = rng.random((3, 100, 110), np.float32)
    roi = np.zeros((100, 110), bool)
    roi[20:90, 30:100] = True
    options = Options(intensity="none", tile=40, halo=0)
    result = enhance(stack, model, roi=roi, axes="TYX", options=options)
    found = mismatch_map(result)
    assert (found.axes, found.scale) == ("YX", 2.0)
    assert np.nanmax(found.values) == np.float32(result.report.tile_mismatch)
    assert found.start[0] >= 2 * 18
    single = [mismatch_map(enhance(p, model, roi=roi, options=options)).values for p in stack]
    np.testing.assert_array_equal(np.fmax.reduce(single), found.values)


# --- variability -------------------------------------------------------------------


def pointwise(path):
    """Save a network that looks at one pixel."""
    g = toys.Graph(1)
    return g.save(path, g.node("Mul", "x", g.constant(np.float32(0.5))))


def test_what_does_not_depend_on_the_lie_of_the_image_does_not_vary(tmp_path, rng):
    image = rng.integers(0, 60_000, (90, 120), dtype=np.uint16)
    found = variability(image, pointwise(tmp_path / "half.onnx"))
    assert found.values.shape == image.shape
    assert np.nanmax(found.values) <= 0.02
    assert np.isfinite(found.values).all()
    assert found.figures["runs"] == 8


@pytest.mark.slow
@pytest.mark.parametrize("axes", ["YX", "TYX", "YXC"])
def test_the_spread_is_that_of_eight_runs_by_hand(tmp_path, rng, axes):
    path = toys.plain(tmp_path / "net.onnx")
    shape = {"YX": (40, 50), "TYX": (2, 40, 50), "YXC": (40, 50, 3)}[axes]
    image = rng.random(shape, np.float32)
    options = Options(intensity="none", colour="per-channel")
    found = variability(image, path, axes=axes, options=options)
    plane = (axes.index("Y"), axes.index("X"))
    runs = []
    for turns in range(4):
        for flip in (False, True):
            view = np.rot90(image, turns, axes=plane)
            view = np.flip(view, plane[0]) if flip else view
            out = enhance(np.ascontiguousarray(view), path, axes=axes, options=options).pixels
            out = np.flip(out, plane[0]) if flip else out
            runs.append(np.rot90(out, -turns, axes=plane))
    # Too small an image to leave rows out: these eight are all there is.
    np.testing.assert_allclose(found.values, np.std(runs, axis=0), atol=1e-5)
    assert found.summary == pytest.approx(np.sqrt(np.var(runs, axis=0).mean()), rel=1e-3)
    assert found.axes == axes


def test_a_network_that_works_in_blocks_varies_with_the_first_pixel(tmp_path, rng):
    g = toys.Graph(1)
    pooled = g.node("MaxPool", "x", kernel_shape=[4, 4], strides=[4, 4])
    path = g.save(tmp_path / "blocks.onnx", g.up(g.up(pooled)))
    image = rng.random((128, 160), np.float32)
    # All eight ways of laying this image begin its blocks at the same pixels.
    found = variability(image, path, options=PLAIN)
    assert found.summary > 0.02
    inner = found.values[20:-20, 20:-20]
    assert np.isfinite(found.values).all()
    assert (inner > 0.01).mean() > 0.7


def test_the_region_counts_alone_and_dilation_is_the_runs(tmp_path, rng):
    image = rng.integers(0, 255, (90, 120), dtype=np.uint8)
    roi = np.zeros(image.shape, bool)
    roi[30:50, 60:100] = True
    roi[30:40, 60:70] = False
    path = toys.plain(tmp_path / "net.onnx")
    found = variability(image, path, roi=roi, options=Options(dilate=2, feather=4))
    grown = ndimage.binary_dilation(roi, np.ones((5, 5)))
    assert found.start == (28, 58)
    assert found.values.shape == (24, 44)
    np.testing.assert_array_equal(np.isfinite(found.values), grown[28:52, 58:102])
    assert found.summary > 0


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_fitted_intensities_are_those_of_the_run(tmp_path, rng, kind):
    # A bright first row would move the percentiles when it is left out.
    image = (rng.random((80, 90)) * 1000).astype(kind)
    image[0] = 60_000
    found = variability(image, pointwise(tmp_path / "half.onnx"))
    assert np.nanmax(found.values) <= 0.02


def test_a_finer_result_has_a_finer_map(tmp_path, rng):
    image = rng.random((70, 90), np.float32)
    roi = np.zeros(image.shape, bool)
    roi[10:30, 20:60] = True
    found = variability(image, toys.espcn(tmp_path / "sr.onnx"), roi=roi, options=PLAIN)
    assert found.values.shape == (40, 80)
    assert (found.start, found.scale) == ((20, 40), 2.0)
    assert np.isfinite(found.values).all()


def test_volumes_and_labels_have_maps(tmp_path, rng):
    volume = rng.random((4, 40, 50), np.float32)
    found = variability(volume, toys.volume(tmp_path / "v.onnx"), axes="ZYX", options=PLAIN)
    assert found.values.shape == volume.shape
    labels = toys.plain(tmp_path / "labels.onnx", metadata={"microenhance.task": "labels"})
    found = variability(volume[0], labels, options=PLAIN)
    assert found.unit == "probability"


def test_a_network_of_oblong_tiles_is_only_flipped(tmp_path, rng):
    path = toys.plain(tmp_path / "oblong.onnx", shape=(1, None, 48, 64), pinned=True)
    found = variability(rng.random((48, 64), np.float32), path, options=PLAIN)
    assert found.figures["runs"] == 4


@pytest.mark.slow
def test_it_costs_at_most_nine_runs(tmp_path, rng, monkeypatch):
    from napari_microenhance.api import enhancing

    for make, shape in ((toys.unet, (600, 500)), (toys.instance_norm, (700, 1100))):
        model = load_model(make(tmp_path / "net.onnx"))
        image = rng.random(shape, np.float32)
        spent = []
        real = enhancing.run

        def counted(job, real=real, spent=spent, **how):
            result = real(job, **how)
            spent.append(result.report.plan["pixels_computed"])
            return result

        monkeypatch.setattr(enhancing, "run", counted)
        enhance(image, model, options=Options(tile=256))
        once = spent.pop()
        variability(image, model, options=Options(tile=256))
        monkeypatch.undo()
        assert len(spent) == 8
        assert sum(spent) <= 9 * once


@pytest.mark.slow
@pytest.mark.parametrize("window", [((40, 75), (0, 50)), ((3, 20), (60, 119)), ((0, 2), (0, 2))])
def test_a_preview_is_looked_at_in_its_window(tmp_path, rng, monkeypatch, window):
    from napari_microenhance.api import enhancing

    model = load_model(toys.plain(tmp_path / "net.onnx"))
    image = rng.integers(0, 60_000, (300, 320), dtype=np.uint16)
    roi = [np.array([(5.0, 5.0), (5.0, 310.0), (290.0, 310.0), (290.0, 5.0)])]
    how = {"options": Options(tile=64)}
    spent = []
    real = enhancing.run

    def counted(job, **more):
        result = real(job, **more)
        spent.append(result.report.plan["pixels_computed"])
        return result

    monkeypatch.setattr(enhancing, "run", counted)
    part = variability(image, model, roi, window=window, **how)
    inside = sum(spent)
    enhance(image, model, roi, **how)
    assert inside < 8 * spent[-1] / 2
    full = variability(image, model, roi, **how)
    low = np.maximum([a for a, _ in window], 5)
    high = [b for _, b in window]
    if (low >= high).any():
        assert part.values.size == 0
        assert part.summary is None
        return
    assert part.start == tuple(low)
    wanted = full.values[low[0] - 5 : high[0] - 5, low[1] - 5 : high[1] - 5]
    np.testing.assert_array_equal(part.values, wanted)
    assert part.summary == pytest.approx(np.sqrt(np.nanmean(np.square(wanted, dtype=float))))


@pytest.mark.slow
def test_it_can_be_cancelled_and_says_how_far_it_is(tmp_path, rng):
    path = toys.plain(tmp_path / "net.onnx")
    image = rng.random((90, 100), np.float32)
    seen = []
    variability(image, path, options=Options(tile=64), on_progress=seen.append)
    shares = [p.done / p.total for p in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    asked = []

    def stop_after_some() -> bool:
        return len(asked) > 3

    with pytest.raises(Cancelled):
        variability(image, path, on_progress=asked.append, should_stop=stop_after_some)
    assert len(asked) < len(seen)


def test_a_network_that_makes_images_smaller_has_no_map(tmp_path, rng):
    g = toys.Graph(1)
    pooled = g.node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2])
    path = g.save(tmp_path / "small.onnx", pooled, shape_out=("n", None, "a", "b"))
    with pytest.raises(ModelError, match="no variability map"):
        variability(rng.random((40, 40), np.float32), path)


# --- the ways an image can lie -----------------------------------------------------

ORIENTATIONS = st.builds(
    Orientation,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)


@given(way=ORIENTATIONS, data=st.data())
def test_a_view_shows_what_its_copy_holds(way, data):
    height, width = data.draw(st.tuples(st.integers(5, 12), st.integers(5, 12)))
    image = np.arange(2 * height * width * 3).reshape(2, height, width, 3)
    copy = way.lay(image, (1, 2))[:, way.skip[0] :, way.skip[1] :]
    view = OrientedArray(image, (1, 2), way)
    assert view.shape == copy.shape

    def part(length):
        ends = data.draw(st.tuples(st.integers(0, length), st.integers(0, length)))
        return slice(min(ends), max(ends), data.draw(st.integers(1, 4)))

    rows, columns = part(view.shape[1]), part(view.shape[2])
    for key in ((1, rows, columns, slice(1, 3)), (slice(None), rows, columns, 2)):
        np.testing.assert_array_equal(view[key], copy[key])


@given(way=ORIENTATIONS, data=st.data())
def test_boxes_and_regions_turn_with_the_image(way, data):
    shape = data.draw(st.tuples(st.integers(5, 12), st.integers(5, 12)))
    bits = data.draw(
        st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    mask = np.array(bits).reshape(shape)
    mask[shape[0] // 2, shape[1] // 2] = True
    region = Region.from_mask(mask)
    copy = way.lay(mask, (0, 1))[way.skip[0] :, way.skip[1] :]
    turned = way.region(region)
    if turned is None:
        assert not copy.any()
    else:
        np.testing.assert_array_equal(turned.crop(tuple((0, n) for n in copy.shape)), copy)
    box = way.box(region.box, shape)
    assert way.box_back(box, shape) == region.box
    np.testing.assert_array_equal(way.lay_back(way.lay(mask, (0, 1)), (0, 1)), mask)


def test_the_eight_ways_are_eight():
    image = np.arange(6).reshape(2, 3)
    assert len({way.lay(image, (0, 1)).tobytes() + bytes(way.turned) for way in EIGHT}) == 8


# --- raw consistency ---------------------------------------------------------------


def test_a_painted_disc_is_found(tmp_path, rng):
    image = blobs(rng)
    image += rng.normal(0, 0.01, image.shape).astype(np.float32)
    places = [(40, 60), (120, 130)]
    for y, x in places:
        image[y, x] = 1.0
    result = enhance(image, hallucinating(tmp_path / "liar.onnx"), options=PLAIN)
    painted = np.zeros(image.shape, bool)
    for y, x in places:
        painted[y - 6 : y + 7, x - 6 : x + 7] = disc(6).astype(bool)
    # The difference shows it ...
    gap = np.abs(result.pixels - image)
    assert gap[painted].min() > 0.3
    assert gap[~painted].max() < 1e-6
    # ... and so does the map, which needs nobody who knows where to look.
    found = raw_consistency(image, result)
    rim = ndimage.binary_dilation(painted, iterations=4)
    error = ndimage.gaussian_filter(found.values, 2)
    assert error[painted].min() > 2 * error[~rim].max()
    labelled, count = ndimage.label(error > 5 * np.median(error))
    assert count == 2
    centres = sorted(ndimage.center_of_mass(labelled > 0, labelled, [1, 2]))
    np.testing.assert_allclose(centres, places, atol=2)
    # And it is reported.
    honest = raw_consistency(image, image + np.float32(0))
    assert found.summary > 2 * found.figures["noise"] > 20 * honest.summary
    assert found.figures["rsp"] < 0.9 < honest.figures["rsp"]
    report = noted(result.report, found)
    kept = json.loads(json.dumps(report.to_dict(), allow_nan=False))["trust"]["raw consistency"]
    assert kept["summary"] == found.summary
    assert "It cannot see" in kept["reading"]
    assert compare(image, result).total.largest == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("sigma", [0.0, 0.8, 1.7, 3.3])
def test_the_blur_and_the_line_are_those_that_were_there(rng, sigma):
    sharp = ndimage.gaussian_filter(rng.random((150, 170)), 1.0)
    raw = 300 * (ndimage.gaussian_filter(sharp, sigma) if sigma else sharp) + 12
    found = raw_consistency(raw, sharp)
    assert found.figures["blur_px"] == pytest.approx(sigma, abs=0.05)
    assert found.figures["gain"] == pytest.approx(300, rel=0.02)
    assert found.figures["offset"] == pytest.approx(12, abs=3)
    assert found.figures["rsp"] > 0.999
    assert found.summary < 0.05 * raw.std()


def test_error_and_correlation_are_those_of_the_paper(rng):
    raw = rng.random((60, 70))
    result = raw + rng.normal(0, 0.1, raw.shape)
    found = raw_consistency(raw, result)
    f = found.figures
    blurred = ndimage.gaussian_filter(result, f["blur_px"], mode="reflect")
    scaled = f["gain"] * blurred + f["offset"]
    np.testing.assert_allclose(found.values, np.abs(raw - scaled), atol=1e-6)
    assert found.summary == pytest.approx(np.sqrt(np.square(raw - scaled).mean()))
    assert f["rsp"] == pytest.approx(np.corrcoef(raw.ravel(), scaled.ravel())[0, 1])
    line = np.polyfit(blurred.ravel(), raw.ravel(), 1)
    np.testing.assert_allclose(line, [f["gain"], f["offset"]], rtol=1e-6)


def test_a_finer_result_is_averaged_down(rng):
    fine = blobs(rng, (240, 270), 6)
    raw = fine.reshape(80, 3, 90, 3).mean(axis=(1, 3))
    found = raw_consistency(raw, fine)
    assert found.values.shape == raw.shape
    assert found.figures["blur_px"] < 0.2  # which reaches no neighbour
    assert found.summary < 1e-4
    fine[90:120, 120:150] += 0.5
    error = raw_consistency(raw, fine).values
    assert error[32:38, 42:48].min() > 3 * np.median(error)


def test_the_map_covers_the_region_alone(rng):
    raw = blobs(rng)
    roi = np.zeros(raw.shape, bool)
    roi[20:60, 50:90] = True
    roi[20:25, 50:55] = False
    found = raw_consistency(raw, raw * 2 + 1, roi)
    assert found.start == (20, 50)
    np.testing.assert_array_equal(np.isfinite(found.values), roi[20:60, 50:90])
    assert found.figures["gain"] == pytest.approx(0.5, rel=1e-5)


def test_stacks_channels_and_colours_have_maps(rng):
    stack = np.stack([[blobs(rng, (50, 60)) for _ in range(2)] for _ in range(3)])
    other = stack.copy()
    other[1, 0, 20:26, 20:26] += 0.5
    found = raw_consistency(stack, other, axes="TCYX", planes=[0, 1])
    assert found.values.shape == stack.shape
    assert np.isnan(found.values[2]).all()
    assert np.nanmax(found.values[0]) < 1e-6 < 0.1 < np.nanmax(found.values[1, 0])
    colour = np.moveaxis(stack[:, 0], 0, -1)
    found = raw_consistency(colour, np.moveaxis(other[:, 0], 0, -1))
    assert (found.values.shape, found.axes) == ((50, 60), "YX")
    assert found.values[20:26, 20:26].min() > found.values[:15].max()


def test_what_has_no_raw_consistency_says_so(rng):
    raw = blobs(rng)
    with pytest.raises(ImageError, match="as fine as the image"):
        raw_consistency(raw, raw[::2, ::2])
    broken = raw.copy()
    broken[5, 5] = np.nan
    with pytest.raises(ImageError, match="finite"):
        raw_consistency(raw, broken)
    with pytest.raises(Cancelled):
        raw_consistency(raw, raw, should_stop=lambda: True)
    flat = raw_consistency(np.ones((20, 20)), np.ones((20, 20)))
    assert flat.summary == 0


# --- the report --------------------------------------------------------------------


def test_a_report_keeps_the_numbers_of_several_maps(tmp_path, rng):
    image = rng.random((60, 70), np.float32)
    path = toys.plain(tmp_path / "net.onnx")
    result = enhance(image, path, options=PLAIN)
    maps = [
        mismatch_map(result),
        variability(image, path, options=PLAIN),
        raw_consistency(image, result),
    ]
    report = noted(noted(result.report, *maps[:2]), maps[2])
    assert list(report.trust) == ["tile mismatch", "variability", "raw consistency"]
    json.dumps(report.to_dict(), allow_nan=False)
    assert result.report.trust == {}
    assert dataclasses.replace(report, trust={}) == result.report
    for one in maps:
        assert "cannot see" in one.reading or "not a confidence map" in one.reading
