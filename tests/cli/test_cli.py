"""The command line: what it runs, what it writes, and one line for every mistake."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_microenhance import api
from napari_microenhance.cli import run
from napari_microenhance.cli.options import options_from
from napari_microenhance.engine.options import CHOICES, Options
from napari_microenhance.engine.run import Progress
from napari_microenhance.errors import Cancelled, OptionsError
from napari_microenhance.images.image_formats import read_image, read_record, write_image
from napari_microenhance.rois.labelme import LabelmeShape, write_labelme

FIELDS = [f.name for f in dataclasses.fields(Options)]


@pytest.fixture
def image(tmp_path, rng):
    """Return the path of a small calibrated image."""
    path = tmp_path / "in.tif"
    pixels = rng.integers(0, 60000, (70, 90), dtype=np.uint16)
    write_image(path, pixels, "YX", pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")})
    return path


@pytest.fixture
def roi(tmp_path):
    """Return the path of a labelme file with the pixels 10..19 by 20..39."""
    path = tmp_path / "roi.json"
    box = LabelmeShape("rectangle", np.array([[9.5, 19.5], [19.5, 39.5]]))
    write_labelme(path, [box], (70, 90))
    return path


def fails_with(capfd, arguments, *words):
    """Assert exit 2 and one line on stderr that has the words; return it."""
    assert run([str(a) for a in arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.endswith("\n")
    for word in words:
        assert word in err
    return err


# --- enhance ---------------------------------------------------------------------


def test_a_region_is_enhanced_and_the_rest_is_untouched(tmp_path, image, roi, capfd):
    out = tmp_path / "out.ome.tif"
    arguments = ["enhance", image, out, "--roi", roi, "--report", tmp_path / "r.json"]
    assert run([str(a) for a in arguments]) == 0
    stdout, stderr = capfd.readouterr()
    assert stdout.count("\n") == 1
    assert "detail on cpu" in stdout
    assert "\r" not in stderr  # no bar where nobody looks
    before, after = read_image(image), read_image(out)
    inside = np.zeros((70, 90), dtype=bool)
    inside[10:20, 20:40] = True
    np.testing.assert_array_equal(after.pixels[~inside], before.pixels[~inside])
    assert (after.pixels[inside] != before.pixels[inside]).any()
    assert after.pixels.dtype == np.uint16
    assert after.pixel_size == before.pixel_size
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["roi"]["pixels"] == 200
    assert read_record(out) == record
    assert {p.name for p in tmp_path.iterdir()} == {"in.tif", "roi.json", "out.ome.tif", "r.json"}


def test_crop_writes_the_box_alone(tmp_path, image, roi):
    out = tmp_path / "out.png"
    assert run(["enhance", str(image), str(out), "--roi", str(roi), "--background", "crop"]) == 0
    assert read_image(out).pixels.shape == (10, 20)


def test_channels_axes_and_resolution_are_kept(tmp_path, rng):
    pixels = rng.integers(0, 255, (2, 40, 50), dtype=np.uint8)
    size = {"Y": (0.25, "µm"), "X": (0.25, "µm")}
    names = ("DAPI", "GFP")
    write_image(tmp_path / "in.tif", pixels, "CYX", pixel_size=size, channel_names=names)
    assert run(["enhance", str(tmp_path / "in.tif"), str(tmp_path / "out.ome.tif")]) == 0
    found = read_image(tmp_path / "out.ome.tif")
    assert (found.axes, found.channel_names, found.pixel_size) == ("CYX", names, size)


def test_a_label_image_as_roi(tmp_path, image):
    labels = np.zeros((70, 90), np.uint8)
    labels[5:9, 5:9] = 3
    write_image(tmp_path / "labels.png", labels, "YX")
    out = tmp_path / "out.tif"
    assert run(["enhance", str(image), str(out), "--roi", str(tmp_path / "labels.png")]) == 0
    changed = read_image(out).pixels != read_image(image).pixels
    assert changed.any()
    assert not changed[labels == 0].any()


def test_remarks_of_files_are_warnings(tmp_path, image, roi, capfd):
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((2, 30, 45), np.uint8), photometric=1)
    out = tmp_path / "out.tif"
    arguments = ["enhance", str(tmp_path / "pages.tif"), str(out), "--roi", str(roi)]
    assert run(arguments) == 0
    _, err = capfd.readouterr()
    assert "Warning: pages.tif does not state what its 2 pages are" in err
    assert "Warning: roi.json was drawn on an image of 90 x 70 px" in err
    assert run([*arguments, "--axes", "TYX", "--overwrite"]) == 0
    assert read_image(out).axes == "TYX"


# --- options ---------------------------------------------------------------------


def test_every_option_is_offered_with_its_help(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("TERMINAL_WIDTH", "1000")
    assert run(["enhance", "--help"]) == 0
    text = " ".join(capfd.readouterr().out.split())
    for field in dataclasses.fields(Options):
        assert f"--{field.name.replace('_', '-')} " in text
        assert field.metadata["help"] in text
    for words in CHOICES.values():
        assert "|".join(words) in text


@pytest.mark.parametrize("command", ["", "enhance", "models", "demo"])
def test_help_of_every_command(command, capfd):
    assert run([*command.split(), "--help"]) == 0
    assert "Usage: microenhance" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tile", "256", 256),
        ("tile", "auto", "auto"),
        ("intensity", "0,254", (0.0, 254.0)),
        ("intensity", "minmax", "minmax"),
        ("value_range", "-1,1", (-1.0, 1.0)),
        ("planes", "2,0", (0, 2)),
        ("planes", "all", "all"),
        ("memory", "500MB", 500 * 2**20),
        ("memory", "1.5GiB", 3 * 2**29),
        ("memory", "64 kb", 2**16),
        ("memory", "12345", 12345),
        ("dilate", "3", 3),
        ("background", "white", "white"),
        ("no_caution", "domain, polarity", ("domain", "polarity")),
        ("no_caution", ["domain", "polarity,planes"], ("domain", "polarity", "planes")),
    ],
)
def test_texts_become_values(name, text, value):
    assert getattr(options_from(None, {name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("tile", "big", r"tile 'big' is not understood; use auto\|N"),
        ("tile", "0", "tile=0"),
        ("intensity", "5", "intensity"),
        ("intensity", "9,3", "LOW below HIGH"),
        ("intensity", "bright", r"use auto\|dtype\|percentile\|minmax\|none\|LOW,HIGH"),
        ("planes", "1,x", r"use all\|N,N"),
        ("memory", "lots", r"use auto\|BYTES"),
        ("memory", "1.2.3", r"use auto\|BYTES"),
        ("background", "pink", "'pink' is not one of original, white"),
    ],
)
def test_wrong_texts_are_named(name, text, match):
    with pytest.raises(OptionsError, match=match):
        options_from(None, {name: text})


def test_every_default_can_be_typed():
    for field in dataclasses.fields(Options):
        assert getattr(options_from(None, {field.name: str(field.default)}), field.name) == (
            field.default
        )


def test_an_option_beats_the_preset_beats_the_default(tmp_path, image, monkeypatch):
    (tmp_path / "mine.json").write_text('{"tile": 64, "dilate": 2}')
    seen = []

    def fake(pixels, model, *, options, **_):
        seen.append(options)
        raise Cancelled

    monkeypatch.setattr(api, "enhance", fake)
    arguments = ["enhance", str(image), str(tmp_path / "out.tif"), "--value-range", "-1,1"]
    arguments += ["--preset", str(tmp_path / "mine.json"), "--tile", "96"]
    assert run(arguments) == 130
    assert seen == [Options(tile=96, dilate=2, value_range=(-1, 1))]


# --- mistakes --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["Missing command", "microenhance --help"]),
        (["frobnicate"], ["frobnicate"]),
        (["enhance"], ["IN", "microenhance enhance --help"]),
        (["enhance", "a.png"], ["OUT"]),
        (["enhance", "a.png", "b.png", "--nonsense", "1"], ["--nonsense"]),
        (["enhance", "a.png", "b.png", "c.png"], ["c.png"]),
        (["enhance", "a.png", "b.png", "--tile"], ["--tile"]),
        (["models", "--verbose"], ["--verbose"]),
    ],
)
def test_usage_errors_are_one_line(arguments, words, capfd):
    fails_with(capfd, arguments, *words)


def test_unusable_inputs_are_one_line(tmp_path, image, roi, capfd):
    out = tmp_path / "out.tif"
    (tmp_path / "page.tif").write_bytes(b"<!doctype html>")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "other.json").write_text("{}")
    write_image(tmp_path / "bool.tif", np.eye(9) > 0, "YX")
    fails_with(capfd, ["enhance", tmp_path / "no.tif", out], "no.tif does not exist")
    fails_with(capfd, ["enhance", tmp_path, out], "is a folder")
    fails_with(capfd, ["enhance", tmp_path / "page.tif", out], "web page")
    fails_with(capfd, ["enhance", tmp_path / "bool.tif", out], "bool")
    fails_with(capfd, ["enhance", image, out, "--axes", "QYX"], "QYX")
    fails_with(capfd, ["enhance", image, out, "--axes", "ZYX"], "ZYX")
    fails_with(capfd, ["enhance", image, out, "--roi", tmp_path / "no.json"], "does not exist")
    fails_with(capfd, ["enhance", image, out, "--roi", tmp_path / "other.json"], "neither labelme")
    fails_with(capfd, ["enhance", image, out, "--model", "no-such-model"], "no-such-model")
    fails_with(capfd, ["enhance", image, out, "--model", tmp_path / "empty.onnx"], "empty")
    fails_with(capfd, ["enhance", image, out, "--preset", "no-such-preset"], "no-such-preset")
    fails_with(capfd, ["enhance", image, out, "--tile", "x"], "tile 'x'")
    fails_with(capfd, ["enhance", image, out, "--tile", "8", "--halo", "4"], "tile")
    assert not out.exists()


def test_unusable_outputs_are_one_line_before_the_run(tmp_path, image, roi, capfd, monkeypatch):
    def never(*_, **__):
        raise AssertionError("the run must not start")

    monkeypatch.setattr(api, "enhance", never)
    monkeypatch.setattr(api, "load_model", never)
    before = image.read_bytes()
    (tmp_path / "link.tif").symlink_to(image)
    os.link(image, tmp_path / "hard.tif")
    for same in (image, tmp_path / "link.tif", tmp_path / "hard.tif", tmp_path / "." / "in.tif"):
        fails_with(capfd, ["enhance", image, same], "OUT is the same file as IN")
    out = tmp_path / "out.tif"
    fails_with(capfd, ["enhance", image, roi, "--roi", roi], "OUT is the same file as --roi")
    fails_with(capfd, ["enhance", image, out, "--report", out], "--report is the same file as OUT")
    fails_with(capfd, ["enhance", image, out, "--report", image], "same file as IN")
    fails_with(capfd, ["enhance", image, out, "--report", tmp_path], "is a folder")
    fails_with(capfd, ["enhance", image, tmp_path / "no" / "out.tif"], "create it first")
    fails_with(capfd, ["enhance", image, tmp_path], "is a folder")
    fails_with(capfd, ["enhance", image, tmp_path / "out.jpg"], "JPEG")
    fails_with(capfd, ["enhance", image, tmp_path / "out.zip"], ".zip")
    fails_with(capfd, ["enhance", image, tmp_path / "o.png", "--dtype", "float32"], "use .tif")
    assert image.read_bytes() == before
    assert not out.exists()


def test_too_little_memory_is_one_line(tmp_path, image, capfd, monkeypatch):
    def fake(*_, **__):
        raise MemoryError

    monkeypatch.setattr(api, "enhance", fake)
    fails_with(capfd, ["enhance", image, tmp_path / "out.tif"], "not enough memory")


# --- Ctrl-C ----------------------------------------------------------------------


def _interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_stops_the_run_and_writes_nothing(tmp_path, image, capfd, monkeypatch):
    def fake(*_, should_stop, **__):
        _interrupt()
        end = time.monotonic() + 30
        while not should_stop():
            assert time.monotonic() < end
        raise Cancelled

    monkeypatch.setattr(api, "enhance", fake)
    handler = signal.getsignal(signal.SIGINT)
    report = tmp_path / "r.json"
    assert run(["enhance", str(image), str(tmp_path / "o.tif"), "--report", str(report)]) == 130
    assert capfd.readouterr().err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_after_the_last_tile_counts_too(tmp_path, image, monkeypatch):
    real = api.enhance

    def fake(*args, **how):
        result = real(*args, **how)
        _interrupt()
        return result

    monkeypatch.setattr(api, "enhance", fake)
    assert run(["enhance", str(image), str(tmp_path / "out.tif")]) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


def test_a_second_ctrl_c_does_not_wait_for_the_network(tmp_path, image, monkeypatch):
    def fake(*_, **__):
        _interrupt()
        _interrupt()
        time.sleep(30)

    monkeypatch.setattr(api, "enhance", fake)
    assert run(["enhance", str(image), str(tmp_path / "out.tif")]) == 130


def test_ctrl_c_while_writing_leaves_nothing(tmp_path, image, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(tifffile, "imwrite", interrupted)
    report = tmp_path / "r.json"
    assert run(["enhance", str(image), str(tmp_path / "o.tif"), "--report", str(report)]) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["in.tif"]


def test_the_command_line_runs_in_other_threads_too(tmp_path, image):
    statuses = []
    thread = threading.Thread(
        target=lambda: statuses.append(run(["enhance", str(image), str(tmp_path / "out.tif")]))
    )
    thread.start()
    thread.join()
    assert statuses == [0]


# --- progress --------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def test_a_terminal_sees_tiles_and_time_left(tmp_path, image, monkeypatch):
    real = api.enhance

    def fake(*args, on_progress, **how):
        on_progress(Progress(done=2, total=8, seconds_left=65.2))
        return real(*args, on_progress=on_progress, **how)

    terminal = Terminal()
    monkeypatch.setattr(api, "enhance", fake)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(["enhance", str(image), str(tmp_path / "out.tif")]) == 0
    assert "25% 2/8 tiles 1:05 left" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    drawn = terminal.getvalue().replace("\r", "\n").splitlines()
    assert drawn[-1].strip() == "" or drawn[-1].startswith("Warning:")


# --- the other commands ----------------------------------------------------------


def test_models_are_listed(capfd):
    assert run(["models"]) == 0
    assert "detail (default, int8): " in capfd.readouterr().out
    assert run(["models", "--json"]) == 0
    (row,) = [r for r in json.loads(capfd.readouterr().out) if r["default"]]
    assert row["name"] == "detail"
    assert {"summary", "card", "path"} <= set(row)


def test_version(capfd):
    assert run(["--version"]) == 0
    assert capfd.readouterr().out.strip()[0].isdigit()


@pytest.mark.slow
def test_demo_makes_its_picture_without_a_display(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert run(["demo", "--out", str(tmp_path / "d" / "e"), "--no-window"]) == 0
    out, _ = capfd.readouterr()
    assert "before_after.png" in out
    assert "xvfb-run" in out
    with Image.open(tmp_path / "d" / "e" / "before_after.png") as picture:
        pixels = np.asarray(picture)
    half = pixels.shape[1] // 2
    assert (pixels[:, :half] != pixels[:, -half:]).any()


@pytest.mark.slow
def test_demo_says_what_to_install(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("DISPLAY", ":0")
    demo = types.ModuleType("napari_microenhance.widgets.demo")
    demo.run_demo = _without_qt
    monkeypatch.setitem(sys.modules, demo.__name__, demo)
    assert run(["demo", "--out", str(tmp_path), "--no-window"]) == 0
    assert 'qtpy is not installed, so there is no napari.png; pip install "napari[all]"' in (
        capfd.readouterr().out
    )


def _without_qt(*_, **__):
    raise ModuleNotFoundError("No module named 'qtpy'", name="qtpy")


def test_demo_needs_a_folder_it_can_make(tmp_path, capfd):
    (tmp_path / "file").write_bytes(b"x")
    fails_with(capfd, ["demo", "--out", tmp_path / "file"], "cannot be created")


@pytest.mark.slow
def test_help_is_light_and_the_module_runs(tmp_path):
    code = (
        "import sys; from napari_microenhance.cli import run; run(['--help']);"
        "print([m for m in ('onnxruntime', 'napari', 'qtpy', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    command = [sys.executable, "-m", "napari_microenhance", "enhance", "none.tif", "out.tif"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == ("Error: none.tif does not exist; check the name and the folder.\n")
