"""Real networks on real images, where the folder of third-party data is at hand."""

import numpy as np
import onnxruntime
import pytest

from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.source import reflect
from napari_microenhance.images.image_formats import read_image

PLAIN = Options(intensity="none", dtype="float32")


def direct(path, tensor: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: tensor})[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "stardist_nuclei.tif",
        "bbbc022_3channel_u16.tif",
        "speckles_u16.tif",
        "fluorescence_2channel.tif",
    ],
)
@pytest.mark.parametrize("tile", ["auto", 160])
def test_the_denoiser_equals_one_call_on_the_whole_plane(public_data, name, tile):
    path = public_data / "models" / "n2v_nhwc_dynamic.onnx"
    image = read_image(public_data / "images" / name)
    plane = image.pixels if image.axes == "YX" else image.pixels[0]
    plane = plane.astype(np.float32) / plane.max()
    result = enhance(plane, load_model(path), options=Options(intensity="none", tile=tile))
    padded = plane
    for axis, length in enumerate(plane.shape):
        padded = padded.take(reflect(0, -(-length // 4) * 4, length), axis=axis)
    height, width = plane.shape
    expected = direct(path, padded[None, ..., None])[0, :height, :width, 0]
    # Promise 2, in the network's own range: its output reaches beyond one.
    span = max(1.0, float(np.ptp(expected)))
    assert np.abs(result.pixels - expected).max() <= 1e-5 * span
    assert (result.report.tile_mismatch or 0) <= 1e-5 * span


def test_the_low_light_network_equals_calls_on_windows(public_data):
    path = public_data / "models" / "lowlight_nchw_240x320.onnx"
    model = load_model(path)
    image = read_image(public_data / "images" / "he_rgb_jpeg.ome.tif").pixels[:700, :900]
    result = enhance(image, model, options=Options(dtype="float32"))
    assert result.report.tile_mismatch <= 1e-5
    for y, x in ((0, 0), (237, 411), (460, 580)):
        window = image[y : y + 240, x : x + 320].astype(np.float32) / 255
        out = direct(path, window.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0) * 255
        r = int(model.spec.radius)
        # At the image's own border the network's border behaviour is the same in both.
        top, left = (0 if y == 0 else r), (0 if x == 0 else r)
        bottom, right = (240 if y == 460 else 240 - r), (320 if x == 580 else 320 - r)
        inner = np.s_[top:bottom, left:right]
        got = result.pixels[y : y + 240, x : x + 320]
        assert np.abs(got - out)[inner].max() <= 255 * 1e-5
