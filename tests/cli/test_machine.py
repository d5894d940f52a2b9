"""What the command line promises the machine: signals, full disks, names and locales."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import toys
from napari_microenhance.cli import run
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.unfinished import remove_left

PROGRAM = [sys.executable, "-m", "napari_microenhance"]

# Runs a command, and is killed in the middle of writing its result.
KILLED = """
import os, signal, sys
import imagecodecs, tifffile, zarr
from napari_microenhance.cli import run
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
tifffile.imwrite = imagecodecs.png_encode = zarr.create_group = die
run(sys.argv[1:])
"""

# Runs a command in which no file may grow beyond so many bytes, as on a disk that is full.
LIMITED = """
import resource, sys
from napari_microenhance.cli import run
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


# Runs several commands, with "--" between them; the last one's status is the process's.
SEVERAL = """
import itertools, sys
from napari_microenhance.cli import main
for between, part in itertools.groupby(sys.argv[1:], "--".__eq__):
    if not between:
        sys.argv = ["microenhance", *part]
        try:
            main()
        except SystemExit as end:
            status = end.code
sys.exit(status)
"""


@pytest.fixture
def image(tmp_path, rng):
    path = tmp_path / "in.tif"
    write_image(path, rng.integers(0, 60000, (300, 400), dtype=np.uint16), "YX")
    return path


def names(folder):
    return {path.name for path in folder.iterdir()}


def program(*arguments, cwd=None, **environment):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


def several(*commands, cwd=None, **environment):
    """Run commands one after the other in one process."""
    words = [word for command in commands for word in ("--", *command)]
    return subprocess.run(
        [sys.executable, "-c", SEVERAL, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


# --- signals ---------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_run_from_outside_leaves_nothing(tmp_path, rng, number):
    """Interrupt a real run, once its bar shows that it runs."""
    write_image(tmp_path / "in.tif", rng.random((1500, 1500), np.float32), "YX")
    toys.plain(tmp_path / "slow.onnx", convs=6, width=64)
    seen, terminal = os.openpty()
    command = [*PROGRAM, "enhance", "in.tif", "out.tif"]
    command += ["--model", "slow.onnx", "--report", "report.json"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=terminal, stdout=-1) as process:
        os.close(terminal)
        shown = b""
        while b"tiles" not in shown:
            shown += os.read(seen, 1000)
        process.send_signal(number)
        assert process.wait(timeout=60) == 130
        assert process.stdout.read() == b""
    os.close(seen)
    assert names(tmp_path) == {"in.tif", "slow.onnx"}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_ignored(tmp_path, image, monkeypatch):
    """As under nohup."""
    real = read_image

    def hang_up(*args, **how):
        os.kill(os.getpid(), signal.SIGHUP)
        return real(*args, **how)

    monkeypatch.setattr("napari_microenhance.images.image_formats.read_image", hang_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run(["enhance", str(image), str(tmp_path / "out.png")]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="nothing is killed like this on Windows")
@pytest.mark.parametrize("name", ["out.tif", "out.png", "out.ome.zarr"])
def test_the_next_run_removes_what_a_killed_one_left(tmp_path, image, name, capfd):
    command = ["enhance", str(image), str(tmp_path / name), "--model", "detail-classic"]
    for clean in (["clean"], command):
        done = subprocess.run([sys.executable, "-c", KILLED, *command], check=False)
        assert done.returncode == -signal.SIGKILL
        (left,) = names(tmp_path) - {"in.tif"}
        assert left.endswith(".part")
        assert run(clean) == 0
        assert names(tmp_path) == {"in.tif"} | ({name} if clean is command else set())
    assert f"removed {tmp_path / left}"[:40] in capfd.readouterr().out


def test_clean_says_that_there_is_nothing(capfd):
    remove_left()
    assert run(["clean"]) == 0
    assert capfd.readouterr().out == "Nothing to remove.\n"


# --- full disks ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
@pytest.mark.parametrize(
    ("name", "older"),
    [("out.tif", True), ("out.ome.tif", False), ("out.png", True), ("out.ome.zarr", True)],
)
def test_a_full_disk_leaves_nothing(tmp_path, image, name, older):
    kept = {"in.tif"}
    if older:
        assert run(["enhance", str(image), str(tmp_path / name), "--model", "detail-classic"]) == 0
        kept.add(name)
        before = read_image(tmp_path / name).pixels[...]
    arguments = ["enhance", "in.tif", name, "--model", "detail-classic", "--report", "r.json"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "50000", *arguments, "--overwrite", "--feather", "3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    if name.endswith(".zarr"):  # in place: what is finished is kept, for --resume
        assert done.stderr.endswith(
            f"{name} cannot be written: File too large; the finished blocks are kept, "
            "resume continues.\n"
        )
        assert names(tmp_path) == kept
        return
    assert done.stderr == f"Error: {name} cannot be written: File too large.\n"
    assert names(tmp_path) == kept
    if older:
        np.testing.assert_array_equal(read_image(tmp_path / name).pixels[...], before)


@contextlib.contextmanager
def small_disk(folder):
    """Give a file system of 300 kB, or skip where this user may not have one."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=300k", "none", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user cannot mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_a_disk_that_is_really_full_leaves_nothing(tmp_path, image, name):
    with small_disk(tmp_path / "disk") as disk:
        (disk / "other").write_bytes(bytes(250_000))
        command = ["enhance", image, disk / name, "--model", "detail-classic"]
        done = program(*command, "--report", disk / "r.json")
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert b"of the disk are free" in done.stderr
        assert names(disk) == {"other"}


# --- names and locales -----------------------------------------------------------

ODD = ["a#b.tif", "a?b.png", "a[1].ome.tif", "a*b.ome.zarr", "%41 b.tif", "-a.tif", "a'b\".tif"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not allow")
@pytest.mark.parametrize("name", [*ODD, "a::b.tif", "ü İ.tif", "a\nb.tif"])
def test_every_name_is_a_name(tmp_path, image, name, capfd):
    odd = tmp_path / name
    write_image(odd, read_image(image).pixels[:64, :80] // 256, "YX")
    out, again = tmp_path / f"out {name}", tmp_path / f"again {name}"
    for arguments in (
        ["enhance", "--model", "detail-classic", "--report", f"{out}.json", "--", odd, out],
        ["rerun", "--image", odd, "--", out, again],
        ["compare", "--", odd, out],
    ):
        assert run(list(map(str, arguments))) == 0, capfd.readouterr()
    shown, said = capfd.readouterr()
    assert len(re.findall(r"-> \W?" + re.escape(str(tmp_path)), shown)) == 2
    assert "\nb" not in shown.replace("->", "")
    assert said == "" or all(line.startswith("Warning: ") for line in said.splitlines())


def test_names_that_no_file_can_have_are_one_line(tmp_path, image, capfd):
    long, loop = f"{'x' * 300}.tif", tmp_path / "loop.tif"
    loop.symlink_to(loop)
    for arguments in (
        ["enhance", str(image), str(tmp_path / long)],
        ["enhance", str(tmp_path / long), str(tmp_path / "out.tif")],
        ["enhance", str(image), str(tmp_path / "o.tif"), "--roi", str(tmp_path / long)],
        ["inspect", f"{'x' * 300}.onnx"],
        ["enhance", str(loop), str(tmp_path / "out.tif")],
        ["enhance", str(image), str(loop)],
    ):
        assert run(arguments) == 2, arguments
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count("\n") == 1
    assert names(tmp_path) == {"in.tif", "loop.tif"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes are Linux's")
def test_names_that_are_no_text_are_names(tmp_path, image):
    odd = os.fsencode(tmp_path) + b"/\xff\xe9"
    os.link(image, odd + b".tif")
    toys.plain(tmp_path / "net.onnx")
    (tmp_path / "net.onnx").rename(os.fsdecode(odd + b".onnx"))
    outs = [odd + b" out" + suffix for suffix in (b".tif", b".png", b".ome.tif", b".ome.zarr")]
    runs = [["enhance", odd + b".tif", out, "--model", odd + b".onnx"] for out in outs]
    done = several(*runs, ["inspect", odd + b".png"])
    assert done.returncode == 2
    assert done.stderr.count(b"Error: ") == 1
    assert done.stderr.splitlines()[-1].startswith(b"Error: There is no model")
    assert done.stdout.count(b"->") == done.stdout.count(b"\n") == len(outs)
    for out in outs:
        assert read_image(Path(os.fsdecode(out))).pixels.shape == (300, 400)


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "no_SUCH.locale"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=str,
)
def test_one_line_in_every_locale(tmp_path, image, locale):
    (tmp_path / "İ ü.tif").hardlink_to(image)
    mistakes = [
        ["enhance", "nö.tif", "out.tif"],
        ["enhance", "İ ü.tif", "out.tif", "--model", "nö.onnx"],
        ["enhance", "İ ü.tif", "out.tif", "--tile", "ğ"],
        ["enhance", "İ ü.tif", "İ ü.tif"],
        ["enhance", "İ ü.tif", "out.tif", "--ünknown"],
    ]
    right = ["enhance", "İ ü.tif", "Ğ.tif", "--intensity", "MINMAX", "--model", "detail-classic"]
    done = several(*mistakes, right, cwd=tmp_path, **locale)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(mistakes), done.stderr
    assert all(line.startswith(b"Error: ") for line in lines)
    assert done.stdout.count(b"\n") == 1
    assert b"->" in done.stdout
    assert (tmp_path / "Ğ.tif").is_file()
