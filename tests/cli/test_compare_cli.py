"""`microenhance compare`: numbers, a table and a picture, or one line that says why not."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import metrics

import toys
from napari_microenhance.api import Options, compare, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.errors import OutputError, RoiError
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.measure import figures
from napari_microenhance.rois.labelme import LabelmeShape, write_labelme


@pytest.fixture
def files(tmp_path, rng):
    """Return a folder with an image, its result inside a region, and that region."""
    image = rng.integers(0, 200, (70, 90), dtype=np.uint8)
    boxes = [np.array([[9.5, 19.5], [39.5, 59.5]]), np.array([[49.5, 19.5], [64.5, 39.5]])]
    write_labelme(
        tmp_path / "roi.json", [LabelmeShape("rectangle", box) for box in boxes], image.shape
    )
    result = enhance(image, "detail-classic", roi=tmp_path / "roi.json")
    write_image(tmp_path / "a.png", image, "YX")
    write_image(tmp_path / "b.tif", result.pixels, "YX", record=result.report.to_dict())
    return tmp_path


def without_ssim(comparison):
    return dataclasses.replace(comparison.total, ssim=None)


def call(files, *arguments):
    names = {"a.png", "b.tif", "roi.json", "plot.png", "crop.tif", "stack.tif", "stack2.tif"}
    return run(["compare", *(str(files / a) if a in names else a for a in arguments)])


def test_json_holds_every_figure(files, capsys):
    assert call(files, "a.png", "b.tif", "--roi", "roi.json", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    before, after = (read_image(files / name).pixels for name in ("a.png", "b.tif"))
    inside = np.zeros(before.shape, bool)
    inside[10:40, 20:60] = inside[50:65, 20:40] = True
    total = found["total"]
    assert total["pixels"] == inside.sum()
    assert total["mean_before"] == pytest.approx(before[inside].mean())
    assert total["contrast_after"] == pytest.approx(after[inside].std())
    error = np.square(after[inside].astype(float) - before[inside]).mean()
    assert total["psnr"] == pytest.approx(10 * np.log10(255**2 / error))
    assert [part["pixels"] for part in found["parts"]] == [1200, 300]
    assert found["different_outside"] == 0
    assert sum(found["histogram"]["before"]) == inside.sum()
    assert found == {
        **compare(files / "a.png", files / "b.tif", files / "roi.json").to_dict(),
        "profile": None,
    }


def test_without_a_region_it_is_the_whole_image(files, capsys):
    assert call(files, "a.png", "b.tif", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    before, after = (read_image(files / name).pixels for name in ("a.png", "b.tif"))
    expected = metrics.peak_signal_noise_ratio(before, after)
    assert found["total"]["psnr"] == pytest.approx(expected)


def test_the_table_can_be_read(files, capsys):
    assert call(files, "a.png", "b.tif", "--roi", "roi.json") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == ""
    assert lines[0].split()[:3] == ["px", "mean", "contrast"]
    assert [line.split()[0] for line in lines[1:4]] == ["total", "part", "part"]
    assert "1,500" in lines[1]
    assert "by more than 3 times the noise" in lines[4]
    assert lines[5] == "outside the ROI: 0 px differ"
    assert max(map(len, lines)) < 130


@pytest.mark.slow
def test_the_picture_shows_white_where_nothing_changed(files, capsys):
    assert call(files, "a.png", "b.tif", "--plot", "plot.png", "--line", "5,5,60,80") == 0
    with Image.open(files / "plot.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 500
        pixels = np.asarray(picture.convert("RGB"))
    # The blue and the vermilion of the curves, and of what changed.
    for colour in ((0, 114, 178), (213, 94, 0)):
        assert (pixels == colour).all(axis=-1).any()
    assert "PSNR" in capsys.readouterr()[0]
    assert figures.change_colours()(0.5)[:3] == (1.0, 1.0, 1.0)


@pytest.mark.slow
def test_colours_and_large_images_are_drawn_too(tmp_path, rng):
    colour = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    write_image(tmp_path / "a.png", colour, "YXC")
    write_image(tmp_path / "b.tif", 255 - colour, "YXC")
    assert call(tmp_path, "a.png", "b.tif", "--plot", "plot.png") == 0
    large = np.zeros((30, 3000), np.uint8)
    write_image(tmp_path / "a.png", large, "YX")
    write_image(tmp_path / "b.tif", large, "YX")
    assert call(tmp_path, "a.png", "b.tif", "--plot", "plot.png") == 2
    assert call(tmp_path, "a.png", "b.tif", "--plot", "plot.png", "--overwrite") == 0


def test_a_line_adds_its_values(files, capsys):
    assert call(files, "a.png", "b.tif", "--line", "5,5,5,65", "--json") == 0
    profile = json.loads(capsys.readouterr()[0])["profile"]
    before = np.asarray(Image.open(files / "a.png"))
    assert profile["before"][0] == pytest.approx(before[5, 5:66])
    assert profile["distance"][-1] == 60


def test_chosen_planes_of_a_stack(tmp_path, rng, capsys):
    stack = rng.integers(0, 99, (3, 40, 50), dtype=np.uint16)
    write_image(tmp_path / "stack.tif", stack, "ZYX")
    write_image(tmp_path / "stack2.tif", stack + np.uint16(1), "ZYX")
    assert call(tmp_path, "stack.tif", "stack2.tif", "--planes", "0,2", "--json") == 0
    found = json.loads(capsys.readouterr()[0])
    assert [plane["name"] for plane in found["planes"]] == ["Z=0", "Z=2"]
    assert found["total"]["largest"] == 1


# --- what the API adds -------------------------------------------------------------


def test_a_cropped_result_is_compared_with_what_it_was_cut_from(tmp_path, rng):
    image = rng.integers(0, 200, (3, 70, 90), dtype=np.uint8)
    mask = np.zeros((70, 90), bool)
    mask[10:40, 20:60] = True
    mask[15:20, 25:30] = False
    for network, name in ((toys.plain, "same"), (toys.espcn, "finer")):
        model = load_model(network(tmp_path / f"{name}.onnx"))
        how = {"roi": mask, "axes": "TYX"}
        whole = enhance(image, model, **how, options=Options(planes=(1, 2)))
        crop = enhance(image, model, **how, options=Options(planes=(1, 2), background="crop"))
        expected = compare(image, whole, mask, axes="TYX", planes=[1, 2])
        found = compare(image, crop, mask, axes="TYX")
        # The window of SSIM stays in what both images show.
        assert without_ssim(found) == without_ssim(expected)
        path = tmp_path / f"{name}.tif"
        write_image(path, crop.pixels, "TYX", record=crop.report.to_dict())
        saved = compare(image, path, mask, axes="TYX")
        assert without_ssim(saved) == without_ssim(expected)


def test_every_kind_of_region_is_taken(files, rng):
    image = np.asarray(Image.open(files / "a.png"))
    after = image + np.uint8(3)
    inside = np.zeros(image.shape, bool)
    inside[10:40, 20:60] = inside[50:65, 20:40] = True
    corners = [
        np.array([[10, 20], [10, 59], [39, 59], [39, 20]]),
        np.array([[50, 20], [50, 39], [64, 39], [64, 20]]),
    ]
    write_image(files / "labels.png", inside.astype(np.uint8), "YX")
    for roi in (files / "roi.json", inside, inside.astype(int) * 4, corners, files / "labels.png"):
        found = compare(image, after, roi)
        assert found.total.pixels == 1500
        assert found.total.mean_after - found.total.mean_before == pytest.approx(3)
        assert found.different_outside == image.size - 1500
    assert compare(image, after, []).total.pixels == image.size
    with pytest.raises(RoiError, match=r"has shape \(3, 3\)"):
        compare(image, after, np.ones((3, 3), bool))
    with pytest.raises(RoiError, match="boolean or whole"):
        compare(image, after, np.ones(image.shape))


def test_remarks_on_the_region_are_passed_on(files, capsys):
    other = LabelmeShape("rectangle", np.array([[9.5, 19.5], [39.5, 59.5]]))
    write_labelme(files / "roi.json", [other], (10, 10))
    found = compare(files / "a.png", files / "b.tif", files / "roi.json")
    assert any("was drawn on an image of 10 x 10" in note for note in found.notes)
    assert call(files, "a.png", "b.tif", "--roi", "roi.json") == 0
    assert "Warning: roi.json was drawn" in capsys.readouterr()[1]


# --- one line for every mistake ----------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.png", "nothing.tif"), "does not exist"),
        (("a.png", "b.tif", "--roi", "nothing.json"), "does not exist"),
        (("a.png", "b.tif", "--planes", "3"), "planes=3 does not exist"),
        (("a.png", "b.tif", "--planes", "x"), "not understood"),
        (("a.png", "b.tif", "--line", "1,2,3"), "use Y,X,Y,X"),
        (("a.png", "b.tif", "--line", "1,2,1,2"), "has no length"),
        (("a.png", "b.tif", "--plot", "b.jpg"), "is not a .png"),
        (("a.png", "b.tif", "--plot", "a.png"), "same file as A"),
        (("a.png", "b.tif", "--plot", "no/such/folder.png"), "does not exist"),
        (("a.png",), "B"),
    ],
)
def test_a_mistake_gets_one_line(files, arguments, words, capfd):
    assert call(files, *arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_images_of_another_size_get_one_line(files, capfd):
    write_image(files / "crop.tif", np.zeros((70, 91), np.uint8), "YX")
    assert call(files, "a.png", "crop.tif") == 2
    assert "70 x 90 px and 70 x 91 px cannot be compared" in capfd.readouterr()[1]


def test_a_missing_matplotlib_names_the_extra(files, monkeypatch, capfd):
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OutputError, match="matplotlib"):
        figures.new_figure()
    assert call(files, "a.png", "b.tif", "--plot", "plot.png") == 2
    assert 'pip install "napari-microenhance[plot]"' in capfd.readouterr()[1]
    assert not (files / "plot.png").exists()
    assert call(files, "a.png", "b.tif") == 0
