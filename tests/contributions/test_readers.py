"""What the manifest claims is read: images with all that their files say, and drawings."""

import json
import zipfile

import npe2
import numpy as np
import pytest
import tifffile
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels

import toys
from napari_microenhance import enhance
from napari_microenhance.contributions import image_layers
from napari_microenhance.errors import RoiError
from napari_microenhance.images.image_formats import write_image

NAME = "napari-microenhance"


@pytest.fixture
def plugin(root, npe2pm):
    manifest = npe2.PluginManifest.from_file(root / "napari.yaml")
    with (
        npe2pm.tmp_plugin(package="napari"),
        npe2pm.tmp_plugin(manifest=manifest) as registered,
    ):
        yield registered


def opened(path):
    """Return the layers that a viewer makes of a file with this package's reader."""
    viewer = ViewerModel()
    viewer.open(path, plugin=NAME)
    return list(viewer.layers)


def other_ome_tiff(path, pixels, axes, **metadata):
    about = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm",
             "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm", **metadata}  # fmt: skip
    tifffile.imwrite(path, pixels, metadata={"axes": axes, **about})
    return path


def other_ome_zarr(path, levels, axes, *, version="0.5", scales=None, **more):
    """Write an OME-Zarr image as other programs do, its resolutions in the order given."""
    group = zarr.create_group(str(path), zarr_format=2 if version == "0.4" else 3)
    kinds = {"t": ("time", "second"), "c": ("channel", None)}
    described = []
    for a in axes:
        kind, unit = kinds.get(a, ("space", "micrometer"))
        described.append({"name": a, "type": kind, **({"unit": unit} if unit else {})})
    datasets = []
    for i, pixels in enumerate(levels):
        group.create_array(str(i), data=pixels, chunks=tuple(min(n, 32) for n in pixels.shape))
        factor = levels[0].shape[-1] / pixels.shape[-1] if scales is None else scales[i]
        scale = [1.0] * (len(axes) - 2) + [0.5 * factor, 0.25 * factor]
        datasets.append(
            {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    own = {"multiscales": [{"axes": described, "datasets": datasets}], **more}
    group.update_attributes(own if version == "0.4" else {"ome": {"version": version, **own}})
    return path


def test_channels_of_an_ome_tiff_are_layers_with_names_and_colours(plugin, tmp_path, rng):
    pixels = rng.integers(0, 4000, (3, 2, 20, 30), dtype=np.uint16)
    colours = [0x0000FFFF, 0x00FF00FF - 2**32 if 0x00FF00FF >= 2**31 else 0x00FF00FF]
    path = other_ome_tiff(
        tmp_path / "a.ome.tif", pixels, "ZCYX",
        PhysicalSizeZ=2.0, Channel={"Name": ["DAPI", "GFP"], "Color": colours},
    )  # fmt: skip
    layers = opened(path)
    assert [layer.name for layer in layers] == ["DAPI", "GFP"]
    for i, layer in enumerate(layers):
        np.testing.assert_array_equal(layer.data, pixels[:, i])
        np.testing.assert_allclose(layer.scale, (2, 0.5, 0.25))
        assert [f"{unit:~}" for unit in layer.units] == ["µm"] * 3
        assert layer.axis_labels == ("z", "y", "x")
        assert layer.blending == "additive"
        np.testing.assert_array_equal(layer.colormap.colors[-1, :3], [(0, 0, 1), (0, 1, 0)][i])
        assert layer.source.path == str(path)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (20, 30)), ("TYX", (4, 20, 30)), ("YXS", (20, 30, 3)), ("YXS", (20, 30, 4))],
)
def test_any_ome_tiff_opens(plugin, tmp_path, rng, axes, shape):
    pixels = rng.integers(0, 255, shape, dtype=np.uint8)
    more = {"extrasamples": ["unassalpha"]} if shape[-1] == 4 else {}
    path = tmp_path / "a.b.ome.tiff"
    tifffile.imwrite(path, pixels, metadata={"axes": axes},
                     photometric="rgb" if "S" in axes else "minisblack", **more)  # fmt: skip
    (layer,) = opened(path)
    assert (layer.name, layer.rgb) == ("a", "S" in axes)
    np.testing.assert_array_equal(layer.data, pixels)
    assert layer.axis_labels == tuple(axes.removesuffix("S").lower())
    assert layer.contrast_limits == [0, 255]


def test_an_ome_tiff_from_the_field_opens(plugin, public_data):
    (layer,) = opened(public_data / "images" / "he_rgb_jpeg.ome.tif")
    assert (layer.rgb, layer.data.shape) == (True, (1484, 1380, 3))
    assert layer.scale[0] == pytest.approx(0.50007992)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_ome_zarr_is_multiscale_and_read_where_it_is_looked_at(
    plugin, tmp_path, rng, monkeypatch, version
):
    full = rng.integers(100, 4000, (2, 3, 64, 96), dtype=np.uint16)
    channels = [
        {"label": "DAPI", "color": "0000FF", "window": {"min": 0, "max": 9, "start": 5, "end": 7}},
        {"label": "GFP", "color": "00FF00", "active": False},
    ]
    path = other_ome_zarr(tmp_path / "a.ome.zarr", [full, full[..., ::2, ::2]], "czyx",
                          version=version, omero={"channels": channels})  # fmt: skip
    layers = opened(path)
    assert [layer.name for layer in layers] == ["DAPI", "GFP"]
    for i, layer in enumerate(layers):
        assert layer.multiscale
        assert [level.shape for level in layer.data] == [(3, 64, 96), (3, 32, 48)]
        assert not isinstance(layer.data[0], np.ndarray)
        np.testing.assert_array_equal(np.asarray(layer.data[0]), full[i])
        np.testing.assert_allclose(layer.scale, (1, 0.5, 0.25))
        assert [f"{unit:~}" for unit in layer.units] == ["µm"] * 3
        assert layer.axis_labels == ("z", "y", "x")
    assert layers[0].contrast_limits == [5, 7]
    assert 100 <= layers[1].contrast_limits[0] < layers[1].contrast_limits[1] <= 4000
    assert [layer.visible for layer in layers] == [True, False]


def test_alike_images_are_stacked_where_that_was_asked(plugin, tmp_path, rng):
    pixels = rng.integers(0, 4000, (3, 2, 20, 30), dtype=np.uint16)
    paths = [
        other_ome_tiff(tmp_path / f"{i}.ome.tif", image, "CYX", Channel={"Name": ["a", "b"]})
        for i, image in enumerate(pixels)
    ]
    viewer = ViewerModel()
    viewer.open(paths, plugin=NAME, stack=True)
    for i, layer in enumerate(viewer.layers):
        assert layer.name == "ab"[i]
        assert layer.axis_labels == ("t", "y", "x")
        np.testing.assert_array_equal(np.asarray(layer.data), pixels[:, i])
    other = other_ome_tiff(tmp_path / "other.ome.tif", pixels[0, 0, :9], "YX")
    viewer = ViewerModel()
    viewer.open([paths[0], other], plugin=NAME, stack=True)
    assert [layer.name for layer in viewer.layers] == ["a", "b", "other"]


def test_labels_beside_an_ome_zarr_image_are_hidden_layers(plugin, tmp_path, rng):
    path = other_ome_zarr(tmp_path / "a.zarr", [np.ones((40, 50), np.uint8)], "yx")
    cells = rng.integers(0, 9, (40, 50), dtype=np.int32)
    zarr.create_group(str(path / "labels")).update_attributes({"ome": {"labels": ["cells"]}})
    other_ome_zarr(path / "labels" / "cells", [cells, cells[::2, ::2]], "yx")
    image, labels = opened(path)
    assert isinstance(image, Image)
    assert isinstance(labels, Labels)
    assert (labels.name, labels.visible) == ("cells", False)
    np.testing.assert_array_equal(np.asarray(labels.data[0]), cells)
    np.testing.assert_allclose(labels.scale, image.scale)


def test_colour_of_our_own_ome_zarr_is_one_layer(plugin, tmp_path, rng):
    pixels = rng.integers(0, 255, (700, 800, 3), dtype=np.uint8)
    write_image(tmp_path / "a.ome.zarr", pixels, "YXC")
    (layer,) = opened(tmp_path / "a.ome.zarr")
    assert (layer.rgb, layer.multiscale) == (True, True)
    np.testing.assert_array_equal(np.asarray(layer.data[0]), pixels)


def test_a_large_result_is_multiscale_with_its_record(plugin, tmp_path, rng, monkeypatch):
    pixels = rng.integers(50, 4000, (2, 600, 700), dtype=np.uint16)
    result = enhance(pixels, toys.plain(tmp_path / "toy.onnx", convs=1), axes="CYX")
    record = result.report.to_dict()
    write_image(tmp_path / "a.ome.zarr", result.pixels, "CYX", record=record)
    monkeypatch.setattr(image_layers, "KEPT_BYTES", 1000)
    (layer,) = opened(tmp_path / "a.ome.zarr")
    assert layer.multiscale
    assert layer.metadata["napari-microenhance"] == json.loads(json.dumps(record))
    np.testing.assert_array_equal(np.asarray(layer.data[0]), result.pixels)
    low, high = layer.contrast_limits
    assert result.pixels.min() <= low < high <= result.pixels.max()


def test_folders_and_arrays_that_are_no_images_of_ours_open_as_without_us(plugin, tmp_path, rng):
    planes = rng.integers(0, 255, (2, 20, 30), dtype=np.uint8)
    (tmp_path / "folder").mkdir()
    for i, plane in enumerate(planes):
        tifffile.imwrite(tmp_path / "folder" / f"{i}.tif", plane)
    found = [np.squeeze(np.asarray(layer.data)) for layer in opened(tmp_path / "folder")]
    np.testing.assert_array_equal(np.stack(found).squeeze(), planes)
    zarr.create_array(str(tmp_path / "a.zarr"), data=planes)
    (layer,) = opened(tmp_path / "a.zarr")
    np.testing.assert_array_equal(np.asarray(layer.data), planes)


def test_a_json_that_is_no_drawing_gets_a_sentence(plugin, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"settings": 1}))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("rdf.yaml", "x")
    for name in ("a.json", "b.zip"):
        with pytest.raises(RoiError, match=name):
            ViewerModel().open(tmp_path / name, plugin=NAME)
