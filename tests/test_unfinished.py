"""What a killed process left: found by its note or beside its target, and removed."""

import json
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from napari_microenhance.files import replacing, replacing_folder
from napari_microenhance.unfinished import name_aside, name_beside, remove_left, scratch_folder

FILE = """
import os, signal, sys
from pathlib import Path
from napari_microenhance.files import replacing
with replacing(Path(sys.argv[1])) as handle:
    handle.write(b"half")
    handle.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""

FOLDER = """
import os, signal, sys
from pathlib import Path
from napari_microenhance.files import replacing_folder
with replacing_folder(Path(sys.argv[1])) as folder:
    (folder / "zarr.json").write_text("{}")
    os.kill(os.getpid(), signal.SIGKILL)
"""

# A process that waits until somebody closes its input.
ALIVE = """
import sys
from pathlib import Path
from napari_microenhance.files import replacing, replacing_folder
kind = replacing if sys.argv[2] == "file" else replacing_folder
with kind(Path(sys.argv[1])) as place:
    print("ready", flush=True)
    sys.stdin.read()
    if kind is replacing:
        place.write(b"whole")
    else:
        (place / "zarr.json").write_text("{}")
"""


def notes() -> list[Path]:
    folder = platformdirs.user_state_path("napari-microenhance", appauthor=False) / "unfinished"
    return [note for note in folder.glob("*") if note.name != "stores"]


@pytest.fixture(autouse=True)
def nothing_before():
    remove_left()
    yield
    assert notes() == []


def killed(code: str, target: Path) -> list[Path]:
    """Let a process be killed while it writes; return what it left."""
    before = set(target.parent.iterdir())
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode < 0
    return sorted(set(target.parent.iterdir()) - before)


def test_what_is_finished_leaves_no_trace(tmp_path):
    with replacing(tmp_path / "a.txt") as handle:
        assert len(notes()) == 1
        handle.write(b"x")
    with pytest.raises(ZeroDivisionError), replacing_folder(tmp_path / "b.zarr"):
        raise ZeroDivisionError
    with scratch_folder() as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.slow
@pytest.mark.parametrize(("code", "name"), [(FILE, "out [1].tif"), (FOLDER, "out#a::b?.zarr")])
def test_what_a_killed_process_left_goes(tmp_path, code, name):
    left = killed(code, tmp_path / name)
    assert [path.name[-5:] for path in left] == [".part"]
    assert remove_left() == tuple(left)
    assert list(tmp_path.iterdir()) == []
    assert remove_left() == ()


@pytest.mark.slow
@pytest.mark.parametrize(("code", "name"), [(FILE, "out [1].tif"), (FOLDER, "out.zarr")])
def test_the_next_run_to_the_same_target_needs_no_note(tmp_path, code, name):
    killed(code, tmp_path / name)
    for note in notes():
        note.unlink()
    with replacing(tmp_path / name) as handle:
        handle.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"whole"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_still_being_written_stays(tmp_path, kind):
    target = tmp_path / "out.zarr"
    command = [sys.executable, "-c", ALIVE, str(target), kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"ready\n"
        assert remove_left() == ()
        with replacing(tmp_path / "out.zarr.txt") as handle:  # looks beside it, too
            handle.write(b"x")
        process.communicate()
    assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out.zarr", "out.zarr.txt"}


def test_a_folder_that_was_moved_aside_goes_back(tmp_path):
    """Killed between the two renames, the older result is the only one that is whole."""
    target = tmp_path / "out.zarr"
    (part,) = killed(FOLDER, target)
    name_aside(part).mkdir()
    (name_aside(part) / "zarr.json").write_text("older")
    assert remove_left() == (part,)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]
    assert (target / "zarr.json").read_text() == "older"


def test_an_older_folder_goes_once_the_new_one_stands(tmp_path):
    target = tmp_path / "out.zarr"
    (part,) = killed(FOLDER, target)
    part.rename(target)
    name_aside(part).mkdir()
    assert remove_left() == (name_aside(part),)
    assert [path.name for path in tmp_path.iterdir()] == ["out.zarr"]


def test_notes_that_say_nothing_go(tmp_path):
    with replacing(tmp_path / "a") as handle:
        folder = notes()[0].parent
        handle.write(b"x")
    (folder / "a.json").write_text("{")
    (folder / "b.json").write_text('{"part": 3}')
    gone = {"part": str(tmp_path / "gone"), "target": str(tmp_path / "x")}
    (folder / "c.json").write_text(json.dumps(gone))
    assert remove_left() == ()
    assert notes() == []


def test_a_disk_that_is_not_there_may_come_back(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (part,) = killed(FILE, disk / "out.tif")
    disk.rename(tmp_path / "elsewhere")
    assert remove_left() == ()
    (tmp_path / "elsewhere").rename(disk)
    assert remove_left() == (part,)


def test_files_of_others_stay(tmp_path):
    """A name alone is no reason: only what has a note, or is a part of the very target."""
    other = name_beside(tmp_path / "theirs.tif")
    other.write_bytes(b"x")
    (tmp_path / ".out.tif.part").write_bytes(b"x")
    with replacing(tmp_path / "out.tif") as handle:
        handle.write(b"x")
    assert remove_left() == ()
    assert {path.name for path in tmp_path.iterdir()} == {"out.tif", ".out.tif.part", other.name}


def test_without_a_place_for_notes_outputs_are_written_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(platformdirs, "user_state_path", lambda *_, **__: tmp_path / "file" / "x")
    with replacing(tmp_path / "out.tif") as handle:
        handle.write(b"x")
    assert remove_left() == ()
    assert {path.name for path in tmp_path.iterdir()} == {"out.tif", "file"}
