"""Regions of planes of their own: only those planes change, and the record keeps them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toys
from napari_microenhance import Options, Roi, enhance, load_model
from napari_microenhance.engine.region import Region
from napari_microenhance.engine.selection import PlacedPixels, Selection
from napari_microenhance.errors import RoiError

SQUARE = np.array([(3.0, 4.0), (3.0, 9.0), (8.0, 9.0), (8.0, 4.0)])
OTHER = SQUARE + np.array([5, 12])


@pytest.fixture(scope="module")
def invert(tmp_path_factory):
    return load_model(toys.inverse(tmp_path_factory.mktemp("net") / "inverse.onnx"))


@pytest.fixture(scope="module")
def blur(tmp_path_factory):
    return load_model(toys.plain(tmp_path_factory.mktemp("net") / "plain.onnx", convs=3))


def filled(polygon, shape=(20, 30)):
    return Region.from_polygons([polygon], shape).crop(tuple((0, n) for n in shape))


def changed(image, model, roi, axes, **options):
    result = enhance(image, model, roi, axes, options=Options(no_caution=toys.UNLIKE, **options))
    return result.pixels != image, result


def test_only_the_planes_of_a_region_change(rng, invert):
    image = rng.integers(0, 256, (5, 20, 30), dtype=np.uint8)
    rois = [Roi(SQUARE, planes={"Z": 2}), Roi(OTHER, planes={"Z": (0, 4)})]
    found, result = changed(image, invert, rois, "ZYX")
    expected = np.zeros(image.shape, bool)
    expected[2] = filled(SQUARE)
    expected[[0, 4]] = filled(OTHER)
    np.testing.assert_array_equal(found, expected)
    assert result.report.plan["pixels_roi"] == expected.sum()
    assert result.report.roi["pixels"] == expected.sum()
    assert result.report.roi["planes"] == [{"Z": [2]}, {"Z": [0, 4]}]


def test_a_region_without_planes_counts_for_all_and_joins_those_with(rng, invert):
    image = rng.integers(0, 256, (3, 4, 20, 30), dtype=np.uint8)
    rois = [SQUARE, Roi(OTHER, planes={"T": 1, "Z": 3}), Roi(SQUARE + 6, planes={"T": 2})]
    found, _ = changed(image, invert, rois, "TZYX")
    expected = np.zeros(image.shape, bool)
    expected[:] = filled(SQUARE)
    expected[1, 3] |= filled(OTHER)
    expected[2] |= filled(SQUARE + 6)
    np.testing.assert_array_equal(found, expected)


def test_the_pixels_equal_those_of_a_run_of_the_plane_alone(rng, blur):
    image = rng.normal(size=(4, 60, 70)).astype(np.float32)
    rois = [Roi(SQUARE * 4, planes={"Z": 1}), Roi(OTHER * 3, planes={"Z": 3})]
    how = {"tile": 32, "intensity": "none", "dilate": 2, "feather": 3}
    stack = enhance(image, blur, rois, "ZYX", options=Options(**how)).pixels
    for plane, roi in ((1, SQUARE * 4), (3, OTHER * 3)):
        alone = enhance(image[plane], blur, [roi], options=Options(**how)).pixels
        np.testing.assert_array_equal(stack[plane], alone)
    np.testing.assert_array_equal(stack[[0, 2]], image[[0, 2]])


def test_a_region_of_one_channel_leaves_the_others(rng, invert):
    image = rng.integers(0, 256, (2, 3, 20, 30), dtype=np.uint8)
    found, _ = changed(image, invert, [Roi(SQUARE, planes={"C": 1, "Z": 2})], "CZYX")
    expected = np.zeros(image.shape, bool)
    expected[1, 2] = filled(SQUARE)
    np.testing.assert_array_equal(found, expected)


def test_channels_that_are_seen_together_share_their_regions(rng, tmp_path):
    image = rng.integers(0, 256, (3, 20, 30), dtype=np.uint8)
    model = toys.inverse(tmp_path / "rgb.onnx", channels=3)
    found, result = changed(image, model, [Roi(SQUARE, planes={"C": 1})], "CYX")
    np.testing.assert_array_equal(found, np.broadcast_to(filled(SQUARE), image.shape))
    assert any("several channels together" in text for text in result.report.warnings)


def test_masks_have_planes_of_their_own(rng, invert):
    image = rng.integers(0, 256, (5, 20, 30), dtype=np.uint8)
    mask = rng.random(image.shape) > 0.6
    mask[1] = False
    found, _ = changed(image, invert, mask, "ZYX")
    np.testing.assert_array_equal(found, mask)
    labels = mask.astype(np.uint16) * 7
    np.testing.assert_array_equal(changed(image, invert, labels, "ZYX")[0], mask)
    one = Roi(mask[0], planes={"Z": 3})
    expected = np.zeros(image.shape, bool)
    expected[3] = mask[0]
    np.testing.assert_array_equal(changed(image, invert, one, "ZYX")[0], expected)


def test_a_mask_of_one_kind_of_plane_counts_along_the_others(rng, invert):
    image = rng.integers(0, 256, (2, 3, 20, 30), dtype=np.uint8)
    mask = rng.random((3, 20, 30)) > 0.5
    found, _ = changed(image, invert, mask, "TZYX")
    np.testing.assert_array_equal(found, np.broadcast_to(mask, image.shape))
    with pytest.raises(RoiError, match="fits the axes TYX and ZYX of the image"):
        enhance(image[:, :2], invert, mask[:2], "TZYX")


def test_volumes_keep_the_planes_of_a_region(rng, tmp_path):
    model = load_model(toys.volume(tmp_path / "volume.onnx"))
    image = rng.normal(size=(6, 20, 30)).astype(np.float32)
    how = Options(intensity="none")
    full = enhance(image, model, None, "ZYX", options=how).pixels
    rois = [Roi(SQUARE, planes={"Z": (1, 4)}), Roi(OTHER, planes={"Z": 2})]
    expected = np.zeros(image.shape, bool)
    expected[[1, 4]] = filled(SQUARE)
    expected[2] |= filled(OTHER)
    pixels = enhance(image, model, rois, "ZYX", options=how).pixels
    np.testing.assert_array_equal(pixels != image, expected)
    np.testing.assert_allclose(pixels[expected], full[expected], rtol=0, atol=1e-5)


def test_planes_beyond_the_stack_are_said_and_a_single_plane_takes_all(rng, invert):
    image = rng.integers(0, 256, (3, 20, 30), dtype=np.uint8)
    rois = [Roi(SQUARE, planes={"Z": 1}), Roi(OTHER, planes={"Z": 7})]
    found, result = changed(image, invert, rois, "ZYX")
    assert found.any(axis=(1, 2)).tolist() == [False, True, False]
    assert any("1 of 2 ROIs" in text and "Z=7" in text for text in result.report.warnings)
    with pytest.raises(RoiError, match=r"Z=7.*Z 0 to 2"):
        enhance(image, invert, rois[1], "ZYX")
    found, result = changed(image[0], invert, rois, "YX")
    np.testing.assert_array_equal(found, filled(SQUARE) | filled(OTHER))
    assert result.report.warnings == []


def test_the_only_axis_of_planes_stands_for_another_and_that_is_said(rng, invert):
    image = rng.integers(0, 256, (4, 20, 30), dtype=np.uint8)
    found, result = changed(image, invert, Roi(SQUARE, planes={"T": 2}), "ZYX")
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [2]
    assert any("along T" in text and "Z" in text for text in result.report.warnings)


def test_positions_in_the_stack_count_channels_first(rng, invert):
    image = rng.integers(0, 256, (2, 3, 4, 20, 30), dtype=np.uint8)  # T, Z, C
    position = 1 * 12 + 2 * 4 + 3
    found, _ = changed(image, invert, Roi(SQUARE, planes={"stack": position}), "TZCYX")
    expected = np.zeros(image.shape, bool)
    expected[1, 2, 3] = filled(SQUARE)
    np.testing.assert_array_equal(found, expected)


def test_chosen_planes_and_planes_of_regions_are_both_kept_to(rng, invert):
    image = rng.integers(0, 256, (4, 20, 30), dtype=np.uint8)
    rois = [Roi(SQUARE, planes={"Z": 1}), Roi(SQUARE, planes={"Z": 2})]
    found, result = changed(image, invert, rois, "ZYX", planes=(2, 3))
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [2]
    assert result.patch.shape == (1, 6, 6)
    with pytest.raises(RoiError, match="none of the planes"):
        changed(image, invert, rois, "ZYX", planes=(0,))


def test_a_white_page_shows_the_regions_of_each_plane(rng, invert):
    image = rng.integers(0, 200, (3, 20, 30), dtype=np.uint8)
    rois = [Roi(SQUARE, planes={"Z": 0}), Roi(OTHER, planes={"Z": 2})]
    pixels = enhance(image, invert, rois, "ZYX", options=Options(background="white")).pixels
    inside = np.stack([filled(SQUARE), np.zeros((20, 30), bool), filled(OTHER)])
    np.testing.assert_array_equal(pixels[inside], 255 - image[inside])
    assert (pixels[~inside] == 255).all()


@pytest.mark.parametrize(
    ("planes", "words"),
    [
        ({"Q": 1}, "axis 'Q'"),
        ({"Z": -1}, "counted from 0"),
        ({"Z": ()}, "one index is needed"),
        ({"Z": 1.5}, "not an index"),
        ({"Z": "a"}, "not an index"),
        (3, "must be a mapping"),
    ],
)
def test_planes_that_are_not_understood(planes, words):
    with pytest.raises(RoiError, match=words):
        Roi(SQUARE, planes=planes)


@given(data=st.data())
def test_every_plane_holds_the_union_of_its_regions(data):
    lengths = {"T": data.draw(st.integers(1, 3)), "Z": data.draw(st.integers(1, 3))}
    parts, expected = [], np.zeros((*lengths.values(), 6, 7), bool)
    for _ in range(data.draw(st.integers(1, 4))):
        indices = {
            a: tuple(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))))
            for a, n in lengths.items()
            if data.draw(st.booleans())
        }
        y, x = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 5))
        parts.append(PlacedPixels(((y, y + 2), (x, x + 2)), None, indices))
        t, z = (list(indices.get(a, range(n))) for a, n in lengths.items())
        expected[np.ix_(t, z, range(y, y + 2), range(x, x + 2))] = True
    selection = Selection.placed(parts, (6, 7), lengths)
    for t, z in np.ndindex(*lengths.values()):
        region = selection.at((t, z))
        found = np.zeros((6, 7), bool) if region is None else region.crop(((0, 6), (0, 7)))
        np.testing.assert_array_equal(found, expected[t, z])
    own = any(part.indices for part in parts)
    assert selection.pixels == (expected.sum() if own else expected[0, 0].sum())


def test_planes_that_are_alike_share_one_region():
    part = PlacedPixels(((0, 2), (0, 2)), np.eye(2, dtype=bool))
    parts = [PlacedPixels(part.box, part.mask, {"Z": (z,)}) for z in (0, 2, 5)]
    assert len(Selection.placed(parts, (9, 9), {"Z": 6}).regions) == 1
