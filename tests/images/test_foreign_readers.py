"""A saved result opens elsewhere: axes, pixel size, annotation and pixels are what was saved."""

import json

import bioio
import numpy as np
import pytest
import tifffile
from skimage import io as skimage_io

from napari_microenhance import enhance
from napari_microenhance.images.image_formats import write_image

SIZE_UM = {"Z": (0.7, "µm"), "Y": (0.25, "µm"), "X": (0.25, "µm")}


@pytest.fixture(params=["YX", "ZYX", "CYX"])
def saved(request, tmp_path, rng):
    """A result as OME-TIFF: its path, axes and pixels, and its record."""
    axes = request.param
    image = rng.integers(0, 4000, (5, 40, 56)[-len(axes) :], dtype=np.uint16)
    result = enhance(image, "detail-classic", axes=axes)
    path = tmp_path / "result.ome.tif"
    size = {axis: SIZE_UM[axis] for axis in axes if axis in SIZE_UM}
    write_image(path, result.pixels, axes, pixel_size=size, record=result.report.to_dict())
    return path, axes, result.pixels, result.report.to_dict()


def test_tifffile_finds_axes_size_and_annotation(saved):
    path, axes, pixels, record = saved
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == axes
        np.testing.assert_array_equal(file.series[0].asarray(), pixels)
        about = tifffile.xml2dict(file.ome_metadata)["OME"]
    image = about["Image"][0] if isinstance(about["Image"], list) else about["Image"]
    assert image["Pixels"]["PhysicalSizeX"] == pytest.approx(0.25)
    assert json.dumps(record["model"]["sha256"])[1:-1] in json.dumps(about["StructuredAnnotations"])


def test_scikit_image_reads_the_pixels(saved):
    path, _, pixels, _ = saved
    np.testing.assert_array_equal(np.asarray(skimage_io.imread(path)), pixels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:As of version 0.4.0, the parser argument")  # ome-types'
def test_bioio_finds_axes_and_size(saved):
    path, axes, pixels, _ = saved
    image = bioio.BioImage(path)
    np.testing.assert_array_equal(image.get_image_data(axes), pixels)
    sizes = image.physical_pixel_sizes
    np.testing.assert_allclose([sizes.Y, sizes.X], 0.25)
    if "Z" in axes:
        np.testing.assert_allclose(sizes.Z, 0.7)
