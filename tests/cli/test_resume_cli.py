"""`enhance --resume`, and what the other commands say of a store that is not finished."""

import numpy as np
import pytest

import toys
from napari_microenhance import Cancelled, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.images.image_formats import read_image, write_image
from napari_microenhance.outputs import unfinished_words


@pytest.fixture
def files(tmp_path, rng):
    image = rng.integers(0, 255, (90, 100)).astype(np.uint8)
    write_image(tmp_path / "in.tif", image, "YX", pixel_size={"Y": (0.5, "µm"), "X": (0.5, "µm")})
    toys.plain(tmp_path / "net.onnx")
    return tmp_path


def begun(folder):
    """Leave a store unfinished, as a run of the command line does."""
    done = [-1]

    def told(progress):
        done[0] = progress.done

    out = folder / "out.ome.zarr"
    with pytest.raises(Cancelled):
        enhance(
            folder / "in.tif",
            load_model(folder / "net.onnx"),
            out=out,
            on_progress=told,
            should_stop=lambda: done[0] >= 0,
        )
    return out


def lines(capsys):
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def test_a_store_is_begun_finished_and_left_as_it_is(files, capsys):
    out = begun(files)
    command = ["enhance", str(files / "in.tif"), str(out), "--model", str(files / "net.onnx")]
    assert run(command) == 2
    assert "unfinished" in (said := lines(capsys)[1][-1])
    assert "--resume" in said
    assert "--overwrite" in said
    assert run([*command, "--resume"]) == 0
    file = read_image(out)
    assert file.pixel_size["Y"] == (0.5, "µm")
    assert np.array_equal(
        np.asarray(file.pixels),
        enhance(files / "in.tif", load_model(files / "net.onnx")).pixels,
    )
    before = (out / "zarr.json").read_bytes()
    capsys.readouterr()
    assert run([*command, "--resume"]) == 0
    assert "nothing was changed" in lines(capsys)[0][-1]
    assert (out / "zarr.json").read_bytes() == before
    assert run([*command, "--resume", "--feather", "3"]) == 2
    assert "the option feather (0 then, 3 now)" in lines(capsys)[1][-1]
    assert run(command) == 2
    assert run([*command, "--overwrite"]) == 0
    assert run([*command, "--overwrite", "--resume"]) == 2
    other = ["enhance", str(files / "in.tif"), str(files / "x.tif"), "--resume"]
    assert run(other) == 2


def test_nobody_takes_an_unfinished_store_for_an_image(files, capsys):
    out = str(begun(files))
    for command in (
        ["enhance", out, str(files / "other.tif"), "--model", str(files / "net.onnx")],
        ["compare", out, str(files / "in.tif")],
        ["compare", str(files / "in.tif"), out],
        ["rerun", out, str(files / "other.tif")],
    ):
        capsys.readouterr()
        assert run(command) == 2
        assert [line for line in lines(capsys)[1] if "is unfinished" in line]


def test_clean_names_and_removes_unfinished_stores(files, capsys):
    out = begun(files)
    capsys.readouterr()
    assert run(["clean"]) == 0
    said = [line for line in lines(capsys)[0] if line.startswith(f"{out} is unfinished (0 of 1 ")]
    assert said[0].endswith("--resume continues it, --unfinished removes it")
    assert run(["clean", "--unfinished", str(files)]) == 2
    assert unfinished_words(out)
    assert run(["clean", "--unfinished", str(out)]) == 0
    assert not out.exists()
    capsys.readouterr()
    assert run(["clean"]) == 0
    assert str(out) not in capsys.readouterr().out
