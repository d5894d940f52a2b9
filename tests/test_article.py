"""The preset `article` against a naive reading of the pipeline, in plain loops."""

from dataclasses import replace

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model, load_preset

TILE, OVERLAP = 512, 20


def grey_of(rgb: np.ndarray) -> np.ndarray:
    # In whole numbers, so that a half is a half and no rounding error decides.
    return np.rint(rgb.astype(int) @ np.array([299, 587, 114]) / 1000).astype(np.uint8)


def fill(vertices: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Even-odd rule, edge by edge; none of the polygons here has a pixel centre on an edge."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    for (ay, ax), (by, bx) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        crosses = (ay <= y) != (by <= y)
        inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def dilate_once(mask: np.ndarray) -> np.ndarray:
    """A square of 5 x 5."""
    padded = np.pad(mask, 2)
    grown = np.zeros_like(mask)
    for dy in range(5):
        for dx in range(5):
            grown |= padded[dy : dy + mask.shape[0], dx : dx + mask.shape[1]]
    return grown


def starts(length: int) -> list[int]:
    begins = [0]
    while begins[-1] + TILE < length:
        begins.append(min(begins[-1] + TILE - OVERLAP, length - TILE))
    return begins


def fade(page: np.ndarray, patch: np.ndarray, begin: int, done: int, axis: int) -> None:
    """Lay a patch over a page from `begin` on, cross-faded with what lies there already."""
    page, patch = np.moveaxis(page, axis, 0), np.moveaxis(patch, axis, 0)
    overlap = done - begin
    for i in range(len(patch)):
        ramp = i / (overlap - 1) if i < overlap else 1.0
        page[begin + i] = (1 - ramp) * page[begin + i] + ramp * patch[i]


def naive(rgb: np.ndarray, polygons: list, path) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    grey = grey_of(rgb) if rgb.ndim == 3 else rgb
    mask = np.zeros(grey.shape, bool)
    for polygon in polygons:
        mask |= fill(np.array(polygon), grey.shape)
    mask = dilate_once(dilate_once(mask))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    crop = np.where(mask, grey, 255)[box]
    height, width = crop.shape
    done_y, out = 0, np.zeros(crop.shape)
    for y in starts(height):
        done_x, row = 0, np.zeros((TILE, width))
        for x in starts(width):
            patch = np.repeat(crop[None, None, y : y + TILE, x : x + TILE], 3, axis=1)
            tensor = ((patch - 127.0) / 127).astype(np.float32)
            result = session.run(None, {"x": tensor})[0][0].transpose(1, 2, 0)
            fade(
                row,
                grey_of(np.clip(np.rint(result * 127 + 127), 0, 255)).astype(float),
                x,
                done_x,
                1,
            )
            done_x = x + TILE
        fade(out, row, y, done_y, 0)
        done_y = y + TILE
    page = np.full(grey.shape, 255)
    page[box] = np.where(mask[box], np.rint(out), 255)
    return page


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory):
    return toys.pix2pix(tmp_path_factory.mktemp("article") / "generator.onnx")


@pytest.fixture(scope="module")
def unbounded(tmp_path_factory: pytest.TempPathFactory):
    return toys.pix2pix(tmp_path_factory.mktemp("article") / "unbounded.onnx", bounded=False)


def smooth(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    from skimage.transform import resize

    return (
        np.rint(resize(rng.random((40, 50, 3)), (*shape, 3), order=3) * 255)
        .clip(0, 255)
        .astype(np.uint8)
    )


POLYGONS = [
    [(20.3, 30.3), (640.3, 60.3), (600.3, 500.3), (300.3, 420.3)],
    [(100.3, 400.3), (630.3, 560.3), (560.3, 640.3), (90.3, 600.3)],
]


@pytest.mark.slow
@pytest.mark.parametrize("colour", [True, False])
def test_the_preset_equals_the_naive_pipeline(generator, rng, colour):
    image = smooth(rng, (660, 660))
    image = image if colour else image[..., 0]
    result = enhance(image, load_model(generator), roi=POLYGONS, options=load_preset("article"))
    expected = naive(image, POLYGONS, generator)
    assert result.pixels.shape == expected.shape
    assert result.pixels.dtype == np.uint8
    assert np.abs(result.pixels.astype(int) - expected).max() <= 1
    assert result.report.plan["tiles"] == 4
    assert result.report.tile_mismatch > 0


@pytest.mark.slow
@pytest.mark.parametrize("colour", [True, False])
def test_channels_beyond_the_range_are_clipped_before_they_are_made_grey(unbounded, rng, colour):
    image = smooth(rng, (660, 660))
    image = image if colour else image[..., 0]
    model = load_model(unbounded)
    result = enhance(image, model, roi=POLYGONS, options=load_preset("article"))
    expected = naive(image, POLYGONS, unbounded)
    assert np.abs(result.pixels.astype(int) - expected).max() <= 1
    # The test can fail: the grey of what is not clipped is another one.
    late = replace(load_preset("article"), dtype="float32")
    grey = np.rint(enhance(image, model, roi=POLYGONS, options=late).pixels).clip(0, 255)
    assert np.abs(grey - expected).max() > 12
    assert result.report.clipped > 0


def test_a_channel_that_is_clipped_is_counted_once(tmp_path, rng):
    g = toys.Graph(3)
    factors = np.float32([2, 1, -1])[:, None, None]
    path = g.save(tmp_path / "tint.onnx", g.node("Mul", "x", g.constant(factors)))
    image = rng.integers(0, 256, (40, 50), np.uint8)
    result = enhance(image, load_model(path), options=Options(intensity="none", tile=24))
    wide = image.astype(float)
    tinted = np.stack([np.clip(2 * wide, 0, 255), wide, np.clip(-wide, 0, 255)], axis=-1)
    assert np.abs(result.pixels.astype(int) - grey_of(tinted)).max() <= 1
    assert result.report.clipped == np.count_nonzero((image > 127) | (image > 0))


@pytest.mark.slow
def test_a_box_smaller_than_a_tile_is_completed_with_white(generator, rng):
    image = smooth(rng, (300, 280))[..., 0]
    polygon = [(50.3, 60.3), (200.3, 80.3), (150.3, 250.3)]
    result = enhance(image, load_model(generator), roi=[polygon], options=load_preset("article"))
    mask = dilate_once(dilate_once(fill(np.array(polygon), image.shape)))
    (y, x), (h, w) = result.offset, result.patch.shape
    page = np.full((TILE, TILE), 255.0)
    page[:h, :w] = np.where(mask, image, 255)[y : y + h, x : x + w]
    tensor = ((np.repeat(page[None], 3, axis=0) - 127) / 127).astype(np.float32)
    output = toys.run_whole(generator, tensor).transpose(1, 2, 0)[:h, :w] * 127 + 127
    expected = grey_of(np.clip(np.rint(output), 0, 255)).astype(int)
    inside = mask[y : y + h, x : x + w]
    assert np.abs(result.patch[inside].astype(int) - expected[inside]).max() <= 1
    assert (result.pixels[~mask] == 255).all()
