"""A run is repeated from what its result carries, to the last bit, or it is said why not."""

import dataclasses
import hashlib
import json
import shlex
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toys
from napari_microenhance.api import (
    Options,
    Record,
    RecordError,
    RecordMismatchError,
    command_line,
    enhance,
    load_model,
    python_code,
    rerun,
)
from napari_microenhance.cli import run
from napari_microenhance.engine import run as engine_run
from napari_microenhance.engine.region import Region
from napari_microenhance.errors import Cancelled, FileMissingError, ImageError, MicroEnhanceError
from napari_microenhance.images.image_formats import read_image, read_record, write_image
from napari_microenhance.rois.region_of_interest import Roi

FULL = {"model": {}, "provider": {}, "versions": {}, "image": {}, "roi": {}, "options": {}}
FULL |= {"plan": {}, "intensity": {}}


@pytest.fixture
def folder(tmp_path, rng):
    """Return a folder with an image, a network, and a result that carries its record."""
    image = rng.integers(0, 60_000, (90, 110), dtype=np.uint16)
    write_image(
        tmp_path / "cells.tif", image, "YX", pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")}
    )
    model = toys.unet(tmp_path / "net.onnx")
    roi = [np.array([[10.25, 12.5], [60.0, 20.125], [40.5, 80.75]])]
    options = Options(tile=64, dilate=2, feather=3)
    result = enhance(image, model, roi=roi, options=options)
    record = result.report.to_dict()
    record["image"]["name"] = "cells.tif"
    for name in ("result.ome.tif", "result.png", "result.tif"):
        write_image(tmp_path / name, result.pixels, "YX", record=record)
    (tmp_path / "report.json").write_text(json.dumps(record))
    return tmp_path


def changed(folder, **sections):
    """Return the record with some entries replaced."""
    record = json.loads((folder / "report.json").read_text())
    for name, entries in sections.items():
        record[name] = {**record[name], **entries}
    return record


# --- the same pixels ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["result.ome.tif", "result.png", "result.tif", "report.json"])
def test_a_saved_result_is_repeated_from_the_files_beside_it(folder, name):
    again = rerun(folder / name)
    np.testing.assert_array_equal(again.pixels, read_image(folder / "result.tif").pixels)
    digest = hashlib.sha256(again.patch.tobytes()).hexdigest()
    assert again.report.rerun == {"recorded_sha256": digest, "identical": True}
    assert not [w for w in again.report.warnings if "differ" in w]


@pytest.mark.slow
def test_it_is_repeated_in_a_new_process_to_the_last_bit(folder):
    command = [sys.executable, "-m", "napari_microenhance", "rerun"]
    done = subprocess.run(
        [*command, str(folder / "result.ome.tif"), str(folder / "again.ome.tif")],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "identical to the recorded pixels" in done.stdout
    first, second = (read_image(folder / n) for n in ("result.ome.tif", "again.ome.tif"))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert second.pixel_size == {"Y": (0.5, "µm"), "X": (0.5, "µm")}
    record = read_record(folder / "again.ome.tif")
    assert record["rerun"]["identical"] is True
    # What was repeated can be repeated.
    assert rerun(record, folder / "cells.tif", folder / "net.onnx").report.rerun["identical"]


@pytest.mark.slow
def test_ome_zarr_carries_a_run_too(folder):
    pytest.importorskip("zarr")
    image = read_image(folder / "cells.tif").pixels
    record = changed(folder, image={"name": "cells.ome.zarr"})
    write_image(folder / "cells.ome.zarr", image, "YX")
    result = read_image(folder / "result.tif").pixels
    write_image(folder / "result.ome.zarr", result, "YX", record=record)
    code = "import sys; from napari_microenhance.cli import run; sys.exit(run(sys.argv[1:]))"
    paths = [str(folder / name) for name in ("result.ome.zarr", "again.ome.zarr")]
    subprocess.run([sys.executable, "-c", code, "rerun", *paths], timeout=240, check=True)
    np.testing.assert_array_equal(np.asarray(read_image(paths[1]).pixels), result)
    assert read_record(paths[1])["rerun"]["identical"] is True
    write_image(folder / "cells.ome.zarr", image + np.uint16(1), "YX")
    with pytest.raises(RecordMismatchError, match="the image"):
        rerun(folder / "result.ome.zarr")


def test_a_layer_a_report_and_a_dict_are_records(folder, rng):
    image = rng.integers(0, 255, (50, 60), dtype=np.uint8)
    result = enhance(image, "detail-classic")
    report = result.report
    for record in (report, report.to_dict(), {"napari-microenhance": report.to_dict()}):
        again = rerun(record, image)
        assert again.report.rerun["identical"]
    with pytest.raises(RecordError, match="int has no record"):
        Record.of(3)


def _kinds():
    """Return images, axes, regions and options of all kinds."""
    rng = np.random.default_rng(3)
    blob = rng.random((60, 70)) > 0.6
    deep = np.zeros((3, 60, 70), bool)
    deep[1:, 10:30, 20:50] = True
    box = np.zeros((60, 70), bool)
    box[10:20, 30:50] = True
    whole = rng.integers(0, 9999, (60, 70), np.uint16)
    real = rng.random((60, 70), np.float32)
    colour = rng.integers(0, 255, (60, 70, 3), np.uint8)
    stack = rng.integers(0, 999, (4, 60, 70), np.uint16)
    series = rng.integers(0, 999, (2, 3, 60, 70), np.uint16)
    triangle = np.array([[10.25, 12.5], [50.0, 20.125], [40.5, 60.75]])
    placed = [Roi(triangle, planes={"T": 1, "Z": (0, 2)}), Roi(triangle + 3.5, planes={"Z": 1})]
    masks = rng.random(stack.shape) > 0.9
    masks[2] = False
    masks[3] = masks[0]
    return {
        "mask": (whole, "YX", blob, {}),
        "box": (real, "YX", box, {"background": "crop"}),
        "labels": (real, "YX", blob.astype(int) * 3, {}),
        "colour": (colour, "YXC", None, {"colour": "luminance"}),
        "planes": (stack, "TYX", blob, {"planes": (1, 2)}),
        "given": (real * 5 - 2, "YX", None, {"intensity": (-1.5, 2.25)}),
        "float": (whole, "YX", None, {"dtype": "float32"}),
        "own planes": (series, "TZYX", [*placed, triangle[::-1] - 6], {"tile": 48}),
        "own channel": (series, "CTYX", [Roi(triangle, planes={"C": 1, "T": 2})], {}),
        "own masks": (stack, "TYX", masks, {"background": "crop"}),
        "volume": (rng.random((3, 60, 70), np.float32), "ZYX", deep, {}),
    }


KINDS = _kinds()
FLAT = {name: kind for name, kind in KINDS.items() if name != "volume"}


@pytest.mark.slow
@pytest.mark.parametrize(("image", "axes", "roi", "options"), KINDS.values(), ids=KINDS)
def test_every_kind_of_run_is_repeated_and_written_as_python(
    tmp_path, monkeypatch, image, axes, roi, options
):
    network = toys.volume if axes == "ZYX" else toys.plain
    model = network(tmp_path / "net.onnx")
    result = enhance(image, model, roi=roi, axes=axes, options=Options(**options))
    record = json.loads(json.dumps(result.report.to_dict()))
    again = rerun(record, image, model)
    np.testing.assert_array_equal(again.patch, result.patch)
    assert again.report.rerun["identical"]
    write_image(tmp_path / "image.tif", image, axes)
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "copied"}
    exec(compile(python_code(record), "copied", "exec"), scope)
    np.testing.assert_array_equal(scope["result"].patch, result.patch)


@pytest.mark.slow
@pytest.mark.parametrize(("image", "axes", "roi", "options"), FLAT.values(), ids=FLAT)
def test_the_command_line_repeats_a_run(tmp_path, monkeypatch, image, axes, roi, options):
    model = toys.plain(tmp_path / "net.onnx")
    result = enhance(image, model, roi=roi, axes=axes, options=Options(**options))
    write_image(tmp_path / "image.tif", image, axes)
    monkeypatch.chdir(tmp_path)
    *table, line = command_line(result.report, out="again.tif").splitlines(keepends=True)
    if table:
        assert (table[0], table[-1]) == ("cat > roi.csv <<'END'\n", "END\n")
        (tmp_path / "roi.csv").write_text("".join(table[1:-1]))
    assert run(shlex.split(line)[1:]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "again.tif").pixels, result.pixels)


@pytest.mark.slow
def test_a_shell_takes_the_command_as_it_is(folder):
    script = command_line(folder / "report.json", out="again.tif")
    python = f"{shlex.quote(sys.executable)} -m napari_microenhance"
    script = script.replace("\nmicroenhance ", f"\n{python} ")
    done = subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, capture_output=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = (read_image(folder / name).pixels for name in ("result.tif", "again.tif"))
    np.testing.assert_array_equal(first, second)


def test_a_polygon_keeps_its_last_digit_on_the_command_line(folder):
    record = Record.of(folder / "report.json")
    script = command_line(record)
    assert "0,polygon,0,10.25,12.5" in script
    assert "--tile=64 --dilate=2 --feather=3" in script
    assert script.splitlines()[-1].startswith("microenhance enhance cells.tif result.ome.tif")
    assert "\n'my cells.tif'" not in command_line(record, image="my cells.tif")
    assert "'my cells.tif'" in command_line(record, image="my cells.tif")


def test_what_has_no_command_says_so(tmp_path):
    image = np.random.default_rng(1).random((4, 40, 40), np.float32)
    roi = np.zeros(image.shape, bool)
    roi[1, 10:20, 10:20] = True
    model = toys.volume(tmp_path / "v.onnx")
    report = enhance(image, model, roi=roi, axes="ZYX").report
    with pytest.raises(RecordError, match="cannot be stored in an ROI file"):
        command_line(report)
    window = ((0, 20), (0, 20))
    preview = enhance(image[0], toys.plain(tmp_path / "p.onnx"), window=window).report
    with pytest.raises(RecordError, match="A preview is a part of a run"):
        command_line(preview)


def test_a_preview_is_repeated(tmp_path, rng):
    image = rng.random((90, 90), np.float32)
    model = toys.plain(tmp_path / "p.onnx")
    part = enhance(image, model, window=((20, 50), (30, 70)))
    again = rerun(json.loads(json.dumps(part.report.to_dict())), image, model)
    assert again.patch.shape == (30, 40)
    assert again.report.rerun["identical"]


@pytest.mark.slow
@given(data=st.data())
def test_every_region_comes_back_from_its_record(data):
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    size = shape[0] * shape[1]
    bits = data.draw(st.lists(st.booleans(), min_size=size, max_size=size).filter(any))
    mask = np.array(bits).reshape(shape)
    kept = json.loads(json.dumps(Region.from_mask(mask).to_dict()))
    record = Record.of(FULL | {"image": {"shape": list(shape), "axes": "YX"}, "roi": kept})
    back = record.roi()
    assert (back is None) == mask.all()
    np.testing.assert_array_equal(mask if back is None else back, mask)


# --- what depends on the machine ---------------------------------------------------


@pytest.mark.slow
def test_tiles_have_the_size_they_had_whatever_memory_is_free(tmp_path, rng, monkeypatch):
    image = rng.random((700, 700), np.float32)
    model = load_model(toys.instance_norm(tmp_path / "norm.onnx"))
    few = 40_000_000
    apart = Options(statistics="tile")
    monkeypatch.setattr(engine_run, "memory_budget", lambda options: _budget(options, few))
    first = enhance(image, model, options=apart)
    assert first.report.options["memory"] == "auto"
    assert first.report.plan["tiles"] > 1
    monkeypatch.undo()
    assert enhance(image, model, options=apart).report.plan["tiles"] == 1
    again = rerun(first.report, image, model)
    assert again.report.plan["tiles"] == first.report.plan["tiles"]
    assert again.report.rerun["identical"]


def _budget(options, few):
    return few if options.memory == "auto" else options.memory


def test_what_the_user_knew_better_is_known_again(tmp_path, rng):
    path = toys.plain(tmp_path / "net.onnx")
    image = rng.random((50, 50), np.float32)
    told = load_model(path, value_range=(-1, 1))
    result = enhance(image, told)
    assert (result.patch != enhance(image, path).patch).any()
    again = rerun(result.report, image, path)
    assert again.report.rerun["identical"]
    assert again.report.model["spec"]["value_range"] == (-1, 1)
    # A network that is handed over as it is, is used as it is - and it is said.
    other = rerun(result.report, image, load_model(path))
    assert other.report.rerun["identical"] is False
    assert any("value_range was [-1.0, 1.0]" in w for w in other.report.warnings)


@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_a_repetition_takes_the_fingerprint_of_the_image_once(tmp_path, rng, monkeypatch, axes):
    image = rng.random((64, 70) if axes == "YX" else (3, 64, 70), np.float32)
    network = toys.plain if axes == "YX" else toys.volume
    model = load_model(network(tmp_path / "net.onnx"))
    roi = np.zeros(image.shape, bool)
    roi[..., 5:20, 5:20] = True
    report = enhance(image, model, roi, axes).report
    taken = []
    real = hashlib.sha256

    def counted(pixels=b"", **how):
        taken.append(getattr(pixels, "nbytes", len(pixels)))
        return real(pixels, **how)

    monkeypatch.setattr(hashlib, "sha256", counted)
    again = rerun(report, image, model)
    assert again.report.rerun["identical"]
    assert taken.count(image.nbytes) == 1


def test_a_record_of_another_version_is_a_warning(folder):
    record = changed(folder, versions={"napari-microenhance": "0.0.1", "python": "3.2"})
    record["options"]["glitter"] = 7
    again = rerun(record, folder / "cells.tif", folder / "net.onnx")
    assert again.report.rerun["identical"]
    warnings = "\n".join(again.report.warnings)
    assert "was made with napari-microenhance 0.0.1; this is" in warnings
    assert "does not support the recorded options glitter" in warnings


def test_pixels_that_differ_are_said(folder):
    record = changed(folder, result={"sha256": "0" * 64})
    again = rerun(record, folder / "cells.tif", folder / "net.onnx")
    assert again.report.rerun == {"recorded_sha256": "0" * 64, "identical": False}
    assert "The pixels differ from the recorded ones." in again.report.warnings
    del record["result"]
    again = rerun(record, folder / "cells.tif", folder / "net.onnx")
    assert again.report.rerun["identical"] is None
    assert any("could not be checked" in w for w in again.report.warnings)


# --- not what it was made with -----------------------------------------------------


def test_another_image_is_said_and_the_caller_decides(folder):
    other = read_image(folder / "cells.tif").pixels + np.uint16(1)
    with pytest.raises(RecordMismatchError, match=r"the image \(SHA-256 \w{12} in") as caught:
        rerun(folder / "result.ome.tif", other)
    assert [d.what for d in caught.value.differs] == ["image"]
    again = rerun(folder / "result.ome.tif", other, allow_other=True)
    assert again.report.rerun["identical"] is False
    assert any(w.startswith("Not the same as in the record") for w in again.report.warnings)
    with pytest.raises(RecordMismatchError, match=r"90 x 110 uint16 in the record, 40 x 40 uint8"):
        rerun(
            changed(folder, image={"sha256": None}),
            np.zeros((40, 40), np.uint8),
            folder / "net.onnx",
        )


def test_another_network_is_said_and_the_caller_decides(folder):
    toys.unet(folder / "net.onnx", seed=5)
    with pytest.raises(RecordMismatchError, match=r"the model \(SHA-256") as caught:
        rerun(folder / "result.ome.tif")
    assert caught.value.differs[0].recorded != caught.value.differs[0].found
    assert not rerun(folder / "result.ome.tif", allow_other=True).report.rerun["identical"]
    with pytest.raises(RecordMismatchError, match=r"the image .* and the model") as caught:
        rerun(folder / "result.ome.tif", np.zeros((90, 110), np.uint16))
    assert len(caught.value.differs) == 2


@pytest.mark.slow
def test_a_file_that_is_gone_is_named(folder):
    (folder / "net.onnx").rename(folder / "moved.onnx")
    with pytest.raises(FileMissingError, match=r"net\.onnx of the record is not in"):
        rerun(folder / "result.ome.tif")
    assert rerun(folder / "result.ome.tif", model=folder / "moved.onnx").report.rerun["identical"]
    (folder / "cells.tif").unlink()
    with pytest.raises(FileMissingError, match=r"cells\.tif of the record is not in"):
        rerun(folder / "result.ome.tif", model=folder / "moved.onnx")
    unnamed = changed(folder, image={"name": None})
    with pytest.raises(RecordError, match="names no image file"):
        rerun(unnamed, model=folder / "moved.onnx")


def test_a_name_in_a_record_leads_out_of_no_folder(folder):
    record = Record.of(changed(folder, image={"name": "../../secret.tif"}), folder=folder)
    assert record.image_name == "secret.tif"
    record = Record.of(changed(folder, model={"source": "/etc/net.onnx"}), folder=folder)
    assert record.model_file == "net.onnx"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"options": {"tile": "many"}}, "damaged: tile='many'"),
        ({"plan": {"memory_bytes": -3}}, "damaged: memory=-3"),
        ({"plan": {"window": [[1, 2]]}}, "its window is"),
        ({"roi": {"vertices": [[1, 2, 3]]}}, "its ROI cannot be read"),
        ({"roi": {"vertices": "abc"}}, "its ROI cannot be read"),
    ],
)
def test_a_damaged_record_gets_one_sentence(folder, sections, words):
    record = changed(folder, **sections)
    with pytest.raises(RecordError, match=words) as caught:
        rerun(record, folder / "cells.tif", folder / "net.onnx")
    assert "\n" not in str(caught.value)


def test_a_damaged_mask_gets_one_sentence():
    kept = Region.from_mask(np.eye(5, dtype=bool)).to_dict()
    image = {"shape": [5, 5], "axes": "YX"}
    for change, words in (
        ({"runs": [[0, 2]]}, "not the one it had"),
        ({"runs": 3}, "cannot be read"),
        ({"box": [[0, 50], [0, 50]]}, "cannot be read"),
    ):
        record = FULL | {"image": image, "roi": {**kept, **change}}
        with pytest.raises(RecordError, match=words):
            Record.of(record).roi()


@pytest.mark.slow
@pytest.mark.parametrize("missing", sorted(FULL))
def test_half_a_record_is_none(folder, missing):
    record = changed(folder)
    del record[missing]
    with pytest.raises(RecordError, match=f'has no "{missing}"'):
        Record.of(record)


def test_files_without_a_record_get_one_sentence(folder):
    with pytest.raises(RecordError, match="has no record of a run"):
        rerun(folder / "cells.tif")
    (folder / "torn.json").write_text('{"model": ')
    with pytest.raises(RecordError, match="not valid JSON"):
        rerun(folder / "torn.json")
    (folder / "list.json").write_text("[1, 2]")
    with pytest.raises(RecordError, match="has no record"):
        rerun(folder / "list.json")
    with pytest.raises(FileMissingError):
        rerun(folder / "nothing.tif")
    with pytest.raises(MicroEnhanceError):
        rerun(folder)
    (folder / "text.tif").write_text("no image")
    with pytest.raises((ImageError, RecordError)):
        rerun(folder / "text.tif")


def test_a_rerun_can_be_cancelled(folder):
    with pytest.raises(Cancelled):
        rerun(folder / "result.ome.tif", should_stop=lambda: True)
    seen = []
    rerun(folder / "result.ome.tif", on_progress=seen.append)
    assert seen[-1].done == seen[-1].total
    assert threading.active_count() < 50


# --- the command -------------------------------------------------------------------


def test_the_command_names_what_differs_and_runs_anyway(folder, capfd):
    other = read_image(folder / "cells.tif").pixels + np.uint16(1)
    write_image(folder / "other.tif", other, "YX")
    arguments = ["rerun", str(folder / "result.ome.tif"), str(folder / "out.tif")]
    arguments += ["--image", str(folder / "other.tif")]
    assert run(arguments) == 2
    _, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert "--anyway" in err
    assert not (folder / "out.tif").exists()
    assert run([*arguments, "--anyway"]) == 0
    out, err = capfd.readouterr()
    assert "not identical to the recorded pixels" in out
    assert "Warning: Not the same as in the record" in err
    assert read_record(folder / "out.tif")["image"]["name"] == "other.tif"


def test_the_command_writes_over_nothing_it_reads(folder, capfd):
    for name in ("result.ome.tif", "cells.tif"):
        before = (folder / name).read_bytes()
        assert run(["rerun", str(folder / "result.ome.tif"), str(folder / name)]) == 2
        assert "is the same file as" in capfd.readouterr()[1]
        assert (folder / name).read_bytes() == before


def test_a_report_says_of_its_result_where_it_lies(tmp_path, rng):
    image = rng.random((3, 60, 60), np.float32)
    roi = [np.array([[20, 10], [20, 29], [39, 29], [39, 10]])]
    model = toys.espcn(tmp_path / "sr.onnx")
    result = enhance(image, model, roi=roi, axes="TYX", options=Options(planes=(1,)))
    kept = result.report.result
    assert kept["shape"] == [1, 40, 40]
    assert kept["start"] == [1, 20, 10]
    assert (kept["scale"], kept["axes"], kept["dtype"]) == (2.0, "TYX", "float32")
    assert kept["sha256"] == hashlib.sha256(result.patch.tobytes()).hexdigest()
    empty = enhance(image[0], model, roi=roi, window=((50, 60), (50, 60)))
    assert empty.patch.size == 0
    assert dataclasses.asdict(empty.report)["result"]["sha256"]
