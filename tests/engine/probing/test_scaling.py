"""Valid convolutions and enlarging at once: found for free, declared and needed sizes."""

import numpy as np
import pytest

import coupled
import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.source import reflect
from napari_microenhance.engine.spec import SizeRule


def cropping(path, *, crop, scale=1, channels=1, **save):
    """A network that takes `crop` px from every side and enlarges, as waifu2x and CUGAN do."""
    g = toys.Graph(channels)
    x, cin, left = "x", channels, crop
    while left:
        step = min(left, 12)
        x, cin, left = g.soft(g.conv(x, cin, 4, 2 * step + 1, pad=0)), 4, left - step
    x = g.conv(x, 4, channels * scale**2, 1)
    if scale > 1:
        x = g.node("DepthToSpace", x, blocksize=scale, mode="CRD")
    return g.save(path, x, **{"shape_out": ("n", None, "a", "b"), **save})


def whole(path, image, crop):
    """One call on the whole (C, Y, X) image, mirrored by what the network takes away."""
    for axis in (1, 2):
        index = reflect(-crop, image.shape[axis] + crop, image.shape[axis])
        image = image.take(index, axis=axis)
    return toys.run_whole(path, image)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crop", "scale", "lengths"),
    [
        (7, 2, (156, 156)),  # waifu2x upconv_7: 156 -> 284
        (18, 2, (128, 96)),  # Real-CUGAN x2
        (14, 3, (60, 60)),
        (19, 4, (64, 80)),
        (28, 1, (200, 200)),
        (7, 1, (64, 64)),
        (16, 2, (64, 64)),  # 64 -> 64: only looking tells that from nothing at all
    ],
)
@pytest.mark.parametrize("kind", ["free", "declared", "pinned"])
def test_scale_and_border_loss_together(tmp_path, rng, crop, scale, lengths, kind):
    free = cropping(tmp_path / "free.onnx", crop=crop, scale=scale)
    sizes = {"shape": (1, None, *lengths), "pinned": kind == "pinned"}
    network = cropping(
        tmp_path / "net.onnx", crop=crop, scale=scale, **({} if kind == "free" else sizes)
    )
    model = load_model(network)
    spec = model.spec
    assert (spec.scale, spec.border_loss, spec.radius) == (scale, (crop, crop), crop)
    assert spec.freed == (kind == "declared")
    if kind == "pinned":
        assert [rule.fixed for rule in spec.size] == list(lengths)
    else:
        assert spec.size == (SizeRule(2 * crop + 1, 1),) * 2
    image = rng.random((90, 110), np.float32)
    got = enhance(image, model, options=Options(intensity="none")).pixels
    np.testing.assert_allclose(got, whole(free, image[None], crop)[0], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("crop", [28, 33, 60, 101])
def test_a_network_that_takes_more_than_a_small_image_is_measured(tmp_path, crop):
    """Outputs of size 0 are refusals; the least size that gives a pixel is the minimum."""
    spec = load_model(cropping(tmp_path / "net.onnx", crop=crop)).spec
    assert (spec.border_loss, spec.radius) == ((crop, crop), crop)
    assert spec.size == (SizeRule(2 * crop + 1, 1),) * 2


def test_colour_networks_that_crop_and_enlarge_tile_exactly(tmp_path, rng):
    network = cropping(tmp_path / "net.onnx", crop=7, scale=2, channels=3)
    image = rng.random((120, 150, 3), np.float32)
    wanted = whole(network, image.transpose(2, 0, 1), 7).transpose(1, 2, 0)
    for tile in ("auto", 40, 64):
        result = enhance(image, network, options=Options(intensity="none", tile=tile))
        np.testing.assert_allclose(result.pixels, wanted, atol=1e-5)
        assert (result.report.tile_mismatch or 0) <= 1e-5


def test_a_network_that_takes_only_multiples_of_256_is_measured(tmp_path):
    model = load_model(coupled.pix2pix(tmp_path / "net.onnx", width=4, depth=8))
    assert model.spec.scale == 1
    assert {(rule.minimum, rule.step) for rule in model.spec.size} == {(256, 256)}
    assert model.spec.coupling == "numbers", model.spec.coupling_note
