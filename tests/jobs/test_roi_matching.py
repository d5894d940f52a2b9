"""ROI files that belong to images by name."""

from pathlib import Path

import pytest

from napari_microenhance.errors import FileMissingError, RoiError
from napari_microenhance.jobs.roi_matching import match_rois, roi_files


def matched(images, files):
    found = match_rois([Path(name) for name in images], [Path(name) for name in files])
    return {image.name: file.name for image, file in found.of.items()}, found


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("a.tif", "a.json"),
        ("a.ome.tif", "a.geojson"),
        ("a.ome.tif", "a.ome.tif.geojson"),
        ("a.tif", "a.tif.json"),
        ("a.tif", "a.tif"),
        ("a.ome.tif", "a.ome.tif"),
        ("a.b.tif", "a.b.zip"),
        ("a.tif", "a_RoiSet.zip"),
        ("a.tif", "a_cp_masks.png"),
        ("a.tif", "a-mask.tif"),
        ("a.tif", "a labels.ome.tif"),
        ("A.TIF", "a.json"),
        ("Zelle \u00fc.tif", "Zelle u\u0308.json"),
        ("a.ome.zarr", "a.csv"),
    ],
)
def test_a_file_belongs_to_an_image(image, file):
    assert matched([image], [file])[0] == {image: file}


@pytest.mark.parametrize(
    ("image", "file"), [("a.tif", "ab.json"), ("a.tif", "a1_mask.png"), ("a.tif", "RoiSet.zip")]
)
def test_a_file_of_another_name_does_not(image, file):
    names, found = matched([image], [file])
    assert names == {}
    assert [path.name for path in found.without] == [image]
    assert [path.name for path in found.unused] == [file]


def test_equal_names_go_before_alike_ones():
    names, found = matched(
        ["a.tif", "A.tif", "a_mask.tif"], ["a.json", "A.json", "a_mask.json", "a_roi.json"]
    )
    assert names == {"a.tif": "a.json", "A.tif": "A.json", "a_mask.tif": "a_mask.json"}
    assert [path.name for path in found.unused] == ["a_roi.json"]
    assert matched(["a.tif", "A.tif"], ["a.json"])[0] == {"a.tif": "a.json"}


def test_two_files_of_one_image_are_not_chosen_from():
    with pytest.raises(RoiError, match=r"a\.csv and a\.json both match"):
        matched(["a.tif"], ["a.json", "a.csv"])


def test_what_in_a_folder_can_be_regions(tmp_path):
    for name in ("a.json", "a.tif", "b.tif", "b_mask.tif", "net.onnx", ".x.json", "c.zip"):
        (tmp_path / name).touch()
    images = {"a.tif", "b.tif", "b_mask.tif"}
    assert [p.name for p in roi_files(tmp_path, images)] == ["a.json", "b_mask.tif", "c.zip"]
    everything = [*("a.json", "a.tif", "b.tif", "b_mask.tif", "c.zip")]
    assert [p.name for p in roi_files(tmp_path)] == everything
    with pytest.raises(FileMissingError):
        roi_files(tmp_path / "no")
    with pytest.raises(RoiError, match="not a folder of ROI files"):
        roi_files(tmp_path / "a.json")
