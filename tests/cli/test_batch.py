"""`microenhance batch`: many images, one row each, and nothing lost."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

from napari_microenhance.api import Options, enhance, enhance_files
from napari_microenhance.cli import run
from napari_microenhance.errors import Cancelled
from napari_microenhance.images.image_formats import read_image, read_record, write_image
from napari_microenhance.outputs import unfinished_words
from napari_microenhance.rois.labelme import LabelmeShape, write_labelme

BOX = LabelmeShape("rectangle", np.array([[9.5, 9.5], [19.5, 29.5]]))
INSIDE = np.s_[10:20, 10:30]


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder of three small images."""
    place = tmp_path / "in"
    place.mkdir()
    for name in ("a.tif", "b.png", "c.ome.tif"):
        write_image(place / name, rng.integers(0, 255, (40, 50), dtype=np.uint8), "YX")
    return place


@pytest.fixture
def out(tmp_path):
    """Return the folder of results, which is not there yet."""
    return tmp_path / "deep" / "out"


def batch(*arguments):
    return run(["batch", *map(str, arguments), "--model", "detail-classic"])


def rows(out):
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def statuses(out):
    return {name: row["status"] for name, row in rows(out).items()}


# --- results and rows ------------------------------------------------------------------


def test_each_image_gets_the_result_that_it_would_get_alone(folder, out, capfd):
    assert batch(folder, out, "--feather", "2") == 0
    stdout, stderr = capfd.readouterr()
    assert stderr == ""
    assert "3 done" in stdout
    assert sorted(p.name for p in out.iterdir()) == ["a.tif", "b.tif", "c.tif", "summary.csv"]
    for name in ("a.tif", "b.png", "c.ome.tif"):
        alone = enhance(folder / name, "detail-classic", options=Options(feather=2))
        result = out / f"{name.partition('.')[0]}.tif"
        np.testing.assert_array_equal(read_image(result).pixels, alone.pixels)
        assert read_record(result)["image"]["name"] == name
    row = rows(out)["b.png"]
    assert list(row)[:3] == ["name", "status", "sentence"]
    assert (row["status"], row["result"], row["pixels_roi"]) == ("done", "b.tif", "2000")
    assert (row["intensity_low"], row["intensity_high"]) == ("0", "255")
    assert row["result_sha256"] == read_record(out / "b.tif")["result"]["sha256"]


def test_a_bad_file_costs_its_own_row_and_one_line(folder, out, capfd):
    (folder / "empty.tif").write_bytes(b"")
    tifffile.imwrite(folder / "axes.tif", np.zeros((5, 7, 20, 30), np.uint8))
    (folder / "gone.tif").symlink_to(folder / "nowhere.tif")
    assert batch(folder, out) == 1
    stdout, stderr = capfd.readouterr()
    assert "3 done, 3 failed" in stdout
    lines = stderr.splitlines()
    assert len(lines) == 3
    for name, line in zip(("axes.tif", "empty.tif", "gone.tif"), lines, strict=True):
        assert line.startswith("Error: ")
        assert name in line
        assert rows(out)[name]["sentence"] in line
        assert str(folder) not in line
    assert list(statuses(out).values()).count("done") == 3


def test_axes_that_are_given_are_for_all_and_misfits_are_said(folder, out, capfd):
    tifffile.imwrite(folder / "axes.tif", np.zeros((3, 5, 20, 30), np.uint8))
    assert batch(folder, out, "--axes", "TZYX") == 1
    assert statuses(out)["axes.tif"] == "done"
    assert capfd.readouterr().err.count("\n") == 3
    assert 'axes="TZYX"' in rows(out)["b.png"]["sentence"]


def test_a_fault_of_ours_in_one_image_is_logged_and_the_others_go_on(
    folder, out, capfd, monkeypatch
):
    def fail(path, *_, **__):
        if path.name == "b.png":
            raise KeyError("something")
        return read_image(path)

    monkeypatch.setattr("napari_microenhance.api.file_runs.read_image", fail)
    assert batch(folder, out) == 1
    assert statuses(out) == {"a.tif": "done", "b.png": "failed", "c.ome.tif": "done"}
    line = capfd.readouterr().err
    assert line.count("\n") == 1
    assert "microenhance.log" in line


@pytest.mark.slow
def test_several_processes_give_the_same_files(folder, out, tmp_path):
    assert batch(folder, out) == 0
    assert batch(folder, tmp_path / "two", "--jobs", "2") == 0
    for name in ("a.tif", "b.tif", "c.tif"):
        one, two = read_image(out / name), read_image(tmp_path / "two" / name)
        np.testing.assert_array_equal(one.pixels, two.pixels)
    assert list(rows(out)) == list(rows(tmp_path / "two"))  # in the order of the images
    options = read_record(tmp_path / "two" / "a.tif")["options"]
    assert (options["threads"], options["memory"]) == ("auto", "auto")
    assert batch(folder, tmp_path / "two", "--resume") == 0
    assert set(statuses(tmp_path / "two").values()) == {"skipped"}


# --- regions ---------------------------------------------------------------------------


def test_regions_are_found_by_name_and_what_has_no_counterpart_is_said(
    folder, out, tmp_path, capfd
):
    rois = tmp_path / "rois"
    rois.mkdir()
    for name in ("a.json", "c.ome.tif.json", "d.json"):
        write_labelme(rois / name, [BOX], (40, 50))
    assert batch(folder, out, "--roi-dir", rois) == 0
    stderr = capfd.readouterr().err
    assert "no ROI file" in stderr
    assert "b.png" in stderr
    assert "belongs to no image: d.json" in stderr
    assert statuses(out) == {"a.tif": "done", "b.png": "skipped", "c.ome.tif": "done"}
    assert "No ROI file" in rows(out)["b.png"]["sentence"]
    assert rows(out)["c.ome.tif"]["roi"] == "c.ome.tif.json"
    before, after = read_image(folder / "a.tif").pixels, read_image(out / "a.tif").pixels
    changed = before != after
    assert changed[INSIDE].any()
    changed[INSIDE] = False
    assert not changed.any()


def test_regions_and_the_network_among_the_images_are_no_images(folder, out, tmp_path):
    write_labelme(folder / "a.json", [BOX], (40, 50))
    mask = np.zeros((40, 50), np.uint8)
    mask[INSIDE] = 1
    write_image(folder / "b_mask.png", mask, "YX")
    everything = sorted(folder.iterdir())
    assert batch(*everything, out, "--roi-dir", folder) == 0
    assert statuses(out) == {"a.tif": "done", "b.png": "done", "c.ome.tif": "skipped"}
    assert rows(out)["b.png"]["pixels_roi"] == "200"


def test_one_region_for_all(folder, out, tmp_path):
    write_image(folder / "roi.png", np.eye(40, 50, dtype=np.uint8), "YX")
    assert batch(folder, out, "--roi", folder / "roi.png") == 0
    assert {row["pixels_roi"] for row in rows(out).values()} == {"40"}
    assert len(rows(out)) == 3


# --- refused before the first image ----------------------------------------------------


def refused(capfd, *arguments):
    assert batch(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_what_cannot_be_is_refused_before_the_first_image(folder, out, capfd):
    assert "does not exist" in refused(capfd, folder / "no.tif", out)
    assert "No file matches" in refused(capfd, folder / "*.czi", out)
    assert "OUT_FOLDER" in refused(capfd, folder / "b.png", folder / "a.tif")
    assert "same file" in refused(capfd, folder, folder)
    assert "suffix" in refused(capfd, folder, out, "--suffix", "tif")
    assert "matches the name of an image" in refused(capfd, folder, out, "--roi-dir", folder)
    write_image(folder / "a.png", np.zeros((4, 4), np.uint8), "YX")
    assert "a.png and a.tif would both become a.tif" in refused(capfd, folder, out)
    assert not out.parent.exists()
    assert run(["batch", str(folder), str(out), "--model", "nothing"]) == 2
    assert run(["batch", str(folder / "b.png"), str(out), "--jobs", "0"]) == 2
    assert not out.parent.exists()


def test_results_that_are_there_are_named_and_stay(folder, out, capfd):
    assert batch(folder, out) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    capfd.readouterr()
    line = refused(capfd, folder, out)
    for word in ("3 results", "a.tif", "--resume", "--overwrite"):
        assert word in line
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert batch(folder, out, "--overwrite", "--feather", "3") == 0
    assert (out / "a.tif").read_bytes() != before[out / "a.tif"]


def test_a_summary_of_somebody_else_is_not_replaced(folder, out, capfd):
    out.mkdir(parents=True)
    (out / "summary.csv").write_text("mine,all mine\n")
    assert "summary.csv" in refused(capfd, folder, out)
    assert "summary.csv" in refused(capfd, folder, out, "--resume")
    assert (out / "summary.csv").read_text() == "mine,all mine\n"


# --- resuming --------------------------------------------------------------------------


def test_resuming_does_what_is_missing_different_or_damaged(folder, out, rng):
    assert batch(folder, out, "--resume") == 0
    assert batch(folder, out, "--resume") == 0
    assert set(statuses(out).values()) == {"skipped"}
    assert rows(out)["a.tif"]["tiles"] == "1"
    (out / "a.tif").unlink()
    assert batch(folder, out, "--resume") == 0
    assert statuses(out) == {"a.tif": "done", "b.png": "skipped", "c.ome.tif": "skipped"}
    whole = (out / "b.tif").read_bytes()
    (out / "b.tif").write_bytes(whole[: len(whole) // 2])
    write_image(folder / "c.ome.tif", rng.integers(0, 255, (40, 50), dtype=np.uint8), "YX")
    assert batch(folder, out, "--resume") == 0
    assert statuses(out) == {"a.tif": "skipped", "b.png": "done", "c.ome.tif": "done"}
    assert read_image(out / "b.tif").pixels.shape == (40, 50)
    (out / "b.tif").write_bytes(b"")
    assert batch(folder, out, "--resume", "--no-caution", "domain", "--threads", "1") == 0
    assert statuses(out) == {"a.tif": "skipped", "b.png": "done", "c.ome.tif": "skipped"}
    assert batch(folder, out, "--resume", "--feather", "1") == 0
    assert set(statuses(out).values()) == {"done"}


def test_resuming_a_part_keeps_the_rows_of_the_rest(folder, out):
    assert batch(folder, out) == 0
    assert batch(folder / "b.png", out, "--resume") == 0
    assert statuses(out) == {"a.tif": "done", "c.ome.tif": "done", "b.png": "skipped"}


def test_results_beside_their_images_are_resumed(folder):
    assert batch(folder, folder, "--suffix", "_x.tif") == 0
    assert batch(folder, folder, "--suffix", "_x.tif", "--resume") == 0
    assert statuses(folder) == dict.fromkeys(("a.tif", "b.png", "c.ome.tif"), "skipped")


def test_a_store_is_filled_resumed_and_redone(folder, out):
    suffix = ("--suffix", ".ome.zarr")
    assert batch(folder, out, *suffix) == 0
    tree = {
        p.relative_to(out): p.read_bytes() for p in (out / "c.ome.zarr").rglob("*") if p.is_file()
    }
    for name, place in (("a", "0"), ("b", "1")):
        _interrupt(folder, out / f"{name}.ome.zarr", place)
    assert batch(folder, out, *suffix, "--resume") == 0
    assert statuses(out) == {"a.tif": "done", "b.png": "done", "c.ome.tif": "skipped"}
    for name, image in (("a", "a.tif"), ("b", "b.png")):
        pixels = np.asarray(read_image(out / f"{name}.ome.zarr").pixels)
        np.testing.assert_array_equal(pixels, enhance(folder / image, "detail-classic").pixels)
    assert tree == {
        p.relative_to(out): p.read_bytes() for p in (out / "c.ome.zarr").rglob("*") if p.is_file()
    }
    assert batch(folder, out, *suffix, "--resume", "--feather", "1") == 0
    assert set(statuses(out).values()) == {"done"}


def _interrupt(folder, store, feather):
    """Leave an unfinished store of the same run (feather 0), or of another one."""
    (image,) = folder.glob(f"{store.name.partition('.')[0]}.*")
    stop = []
    with pytest.raises(Cancelled):
        enhance(
            image,
            "detail-classic",
            options=Options(feather=int(feather)),
            out=store,
            overwrite=True,
            on_progress=stop.append,
            should_stop=lambda: bool(stop),
        )
    assert unfinished_words(store)


# --- ends --------------------------------------------------------------------------------


def test_what_is_finished_stays_after_a_cancel(folder, out):
    seen = []
    with pytest.raises(Cancelled):
        enhance_files(
            folder, out, "detail-classic", on_progress=seen.append, should_stop=lambda: _one(seen)
        )
    assert statuses(out) == {"a.tif": "done"}
    assert sorted(path.name for path in out.iterdir()) == ["a.tif", "summary.csv"]
    assert seen[0].total == 3
    assert [p.outcome.name for p in seen if p.outcome] == ["a.tif"]
    shares = [p.share for p in seen]
    assert shares == sorted(shares)


def _one(seen):
    return any(progress.outcome for progress in seen)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_whole_files_and_their_rows(tmp_path, rng, jobs, number):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in range(30):
        pixels = rng.integers(0, 255, (300, 300), dtype=np.uint8)
        write_image(folder / f"{name:02}.tif", pixels, "YX")
    command = [sys.executable, "-m", "napari_microenhance", "batch", folder, out]
    process = subprocess.Popen(
        [*map(str, command), "--jobs", str(jobs), "--model", "detail"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    while not (out / "summary.csv").exists() or len(rows(out)) < 2:
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    if number == signal.SIGINT:
        assert stderr.count("\n") == 1
        assert "Cancelled" in stderr
        assert {p.stem for p in out.glob("*.tif")} == {name[:2] for name in rows(out)}
    for row in rows(out).values():
        assert row["status"] == "done"
        assert read_image(out / row["result"]).pixels.shape == (300, 300)
    assert len(rows(out)) < 30
