"""Segmentation networks: labels, probabilities, and what is outside."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model


def segmenter(path, *, classes: int, inside: bool, channels: int = 1):
    g = toys.Graph(channels)
    x = g.conv(g.soft(g.conv("x", channels, 4)), 4, classes)
    if inside:
        x = g.node("Sigmoid", x) if classes == 1 else g.node("Softmax", x, axis=1)
    return g.save(path, x, channels_out=classes)


def expected(path, image: np.ndarray, classes: int, *, inside: bool) -> np.ndarray:
    out = toys.run_whole(path, image).astype(float)
    if not inside:
        out = 1 / (1 + np.exp(-out)) if classes == 1 else np.exp(out) / np.exp(out).sum(0)
    return out


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("inside", [True, False])
def test_labels_and_probabilities(tmp_path, rng, classes, inside):
    path = segmenter(tmp_path / "seg.onnx", classes=classes, inside=inside)
    model = load_model(path, task="labels")
    image = rng.random((120, 130), np.float32)
    roi = np.zeros(image.shape, bool)
    roi[20:90, 30:100] = True
    probability = expected(path, image[None], classes, inside=inside)
    for tile in ("auto", 40):
        options = Options(intensity="none", tile=tile, background="white", feather=5)
        result = enhance(image, model, roi=roi, options=options)
        wanted = probability[0] >= 0.5 if classes == 1 else probability.argmax(0)
        assert result.pixels.dtype == np.uint8
        assert len(np.unique(wanted[roi])) > 1
        np.testing.assert_array_equal(result.pixels[roi], wanted[roi])
        assert (result.pixels[~roi] == 0).all()
    soft = enhance(image, model, roi=roi, options=Options(intensity="none", dtype="float32"))
    foreground = probability[0] if classes == 1 else 1 - probability[0]
    np.testing.assert_allclose(soft.pixels[roi], foreground[roi], atol=1e-6)


def test_a_colour_image_gives_one_label_image(tmp_path, rng):
    image = rng.random((60, 70, 3), np.float32)
    for channels in (1, 3):
        path = segmenter(tmp_path / "seg.onnx", classes=1, inside=True, channels=channels)
        result = enhance(image, load_model(path, task="labels"))
        assert result.pixels.shape == (60, 70)
        assert set(np.unique(result.pixels)) <= {0, 1}


def test_a_stack_is_segmented_plane_by_plane(tmp_path, rng):
    path = segmenter(tmp_path / "seg.onnx", classes=1, inside=True)
    result = enhance(rng.random((3, 40, 50)), load_model(path, task="labels"), axes="ZYX")
    assert result.pixels.shape == (3, 40, 50)
