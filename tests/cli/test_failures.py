"""An unexpected failure: one line with the place of a log, exit 70, nothing left behind."""

import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from napari_microenhance import api
from napari_microenhance.cli import failures, run
from napari_microenhance.images.image_formats import write_image


@pytest.fixture
def broken(tmp_path, rng, monkeypatch):
    """Return the arguments of a run that meets a fault of ours."""
    write_image(tmp_path / "in.png", rng.integers(0, 255, (40, 50), dtype="uint8"), "YX")

    def fake(*_, **__):
        raise ZeroDivisionError("of\nus")

    monkeypatch.setattr(api, "enhance", fake)
    return ["enhance", str(tmp_path / "in.png"), str(tmp_path / "out.tif")]


@pytest.fixture
def log():
    path = platformdirs.user_log_path("napari-microenhance", appauthor=False) / "microenhance.log"
    path.unlink(missing_ok=True)
    return path


def test_one_line_says_where_the_log_is(tmp_path, broken, log, capfd):
    assert run([*broken, "--report", str(tmp_path / "r.json")]) == 70
    out, err = capfd.readouterr()
    assert out == ""
    assert err == (
        f"Error: something unexpected went wrong (ZeroDivisionError: of us); see {log}.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["in.png"]
    text = log.read_text("utf-8")
    assert "Traceback" in text
    assert "microenhance enhance" in text
    assert "ZeroDivisionError: of\nus" in text


def test_debug_shows_the_traceback(broken, log, capfd):
    assert run([*broken, "--debug"]) == 70
    _, err = capfd.readouterr()
    assert err.startswith("Traceback (most recent call last)")
    assert err.splitlines()[-1].startswith("Error: something unexpected went wrong")
    assert run(["--debug", *broken]) == 70
    assert "Traceback" in capfd.readouterr().err
    assert log.read_text("utf-8").count("Traceback") == 2


def test_debug_changes_nothing_else(capfd):
    assert run(["models", "--debug"]) == 0
    assert run(["--debug", "models"]) == 0
    assert run(["inspect", "none.onnx", "--debug"]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_a_log_that_cannot_be_written_is_said(broken, monkeypatch, tmp_path, capfd):
    file = tmp_path / "file"
    file.write_bytes(b"")
    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: file / "log")
    assert run(broken) == 70
    _, err = capfd.readouterr()
    assert err.count("\n") == 1
    assert "run it again with --debug" in err


def test_the_log_does_not_grow_for_ever(broken, log, monkeypatch):
    monkeypatch.setattr(failures, "LARGEST_LOG", 3000)
    for _ in range(9):
        assert run(broken) == 70
    assert 0 < log.stat().st_size < 6000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("arguments", [["models"], ["--help"], ["models", "--json"], ["--version"]])
def test_a_full_disk_as_stdout_is_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "napari_microenhance", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ("Error: standard output cannot be written: No space left on device.\n")
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_as_stderr_still_gives_the_status():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "napari_microenhance", "inspect", "none.onnx"],
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            check=False,
        )
    assert done.stdout == ""
    assert done.returncode == 2


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_mistake():
    command = [sys.executable, "-m", "napari_microenhance", "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
