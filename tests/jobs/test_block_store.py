"""Results written block by block: equal to those in memory, resumed with equal bytes."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr

import coupled
import toys
from napari_microenhance import Cancelled, Options, enhance, load_model
from napari_microenhance.engine import planning
from napari_microenhance.engine.blocks import block_grid
from napari_microenhance.errors import ImageError, OptionsError, OutputError
from napari_microenhance.images.changed import changed_pixels
from napari_microenhance.images.image_formats import read_changed, read_image, read_record
from napari_microenhance.images.omezarr.zarr_reading import read_unfinished
from napari_microenhance.jobs.block_log import BlockLog
from napari_microenhance.outputs import JOB_KEY, STATE_FOLDER, job_of, unfinished_words
from napari_microenhance.unfinished import noted_stores

TRIANGLE = [np.array([[20.0, 20.0], [20.0, 180.0], [150.0, 90.0]])]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 px, so that small images have many."""
    monkeypatch.setattr(block_grid, "EDGE_PX", 128)
    monkeypatch.setattr(block_grid, "LARGEST_PX", 256)
    monkeypatch.setattr(block_grid, "SMALLEST_PX", 16)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    return load_model(toys.plain(tmp_path_factory.mktemp("model") / "plain.onnx"))


def grey(seed: int = 0, shape: tuple[int, ...] = (200, 210), dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(dtype)


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of every file but the group's own attributes, which hold times."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / "zarr.json"
    }


def cancelled_after(tiles: int):
    """Return a pair of hooks that end a run after some tiles."""
    done = [-1]

    def on_progress(progress) -> None:
        done[0] = progress.done

    return {"on_progress": on_progress, "should_stop": lambda: done[0] >= tiles}


CASES = {
    "whole": {"options": Options(tile=48)},
    "auto": {},
    "roi": {"roi": TRIANGLE, "options": Options(tile=48)},
    "feather": {"roi": TRIANGLE, "options": Options(feather=7, dilate=2)},
    "crop": {"roi": TRIANGLE, "options": Options(background="crop")},
    "white": {"roi": TRIANGLE, "options": Options(background="white")},
    "float32": {"options": Options(dtype="float32")},
    "linear": {"options": Options(blend="linear", tile=48)},
    "gaussian": {"roi": TRIANGLE, "options": Options(blend="gaussian", tile=48)},
    "batch": {"options": Options(batch=3, tile=48)},
}


@pytest.mark.parametrize("name", CASES)
def test_a_store_holds_the_pixels_of_a_run_in_memory(name, model, tmp_path) -> None:
    image, how = grey(), CASES[name]
    held = enhance(image, model, **how)
    stored = enhance(image, model, **how, out=tmp_path / "x.ome.zarr")
    assert np.array_equal(np.asarray(stored.pixels), held.pixels)
    assert np.array_equal(np.asarray(stored.patch), held.patch)
    assert stored.pixels.dtype == held.pixels.dtype
    assert (stored.offset, stored.scale, stored.axes) == (held.offset, held.scale, held.axes)
    assert stored.report.result.sha256 is None
    assert stored.report.clipped == held.report.clipped
    assert stored.report.tile_mismatch == pytest.approx(held.report.tile_mismatch or 0, abs=1e-5)
    file = read_image(tmp_path / "x.ome.zarr")
    assert np.array_equal(np.asarray(file.pixels), held.pixels)
    assert np.array_equal(read_changed(tmp_path / "x.ome.zarr"), changed_pixels(held))
    record = json.loads(json.dumps(stored.report.to_dict()))
    assert read_record(tmp_path / "x.ome.zarr") == record
    assert not (tmp_path / "x.ome.zarr" / STATE_FOLDER).exists()


STACKS = {
    "TZCYX": (2, 2, 2, 90, 100),
    "CTYX": (2, 3, 90, 100),
    "YXC": (140, 150, 3),
    "ZYX": (5, 90, 100),
}


@pytest.mark.parametrize("axes", STACKS)
@pytest.mark.parametrize("background", ["original", "crop"])
def test_stacks_and_colour_keep_their_axes(axes, background, model, tmp_path) -> None:
    image = grey(shape=STACKS[axes], dtype="uint16" if axes != "YXC" else "uint8")
    options = Options(background=background, planes=(1,) if axes == "TZCYX" else "all")
    how = {"axes": axes, "roi": [TRIANGLE[0] / 2], "options": options}
    held = enhance(image, model, **how)
    stored = enhance(image, model, **how, out=tmp_path / "x.ome.zarr")
    assert np.array_equal(np.asarray(stored.pixels), held.pixels)
    assert np.array_equal(np.asarray(stored.patch), held.patch)
    assert stored.axes == axes
    changed = np.asarray(changed_pixels(held))
    letters = axes.replace("C", "")
    order = [letters.index(a) for a in sorted(letters, key="TZYX".index)]
    assert np.array_equal(read_changed(tmp_path / "x.ome.zarr"), changed.transpose(order))


def test_alpha_is_copied_where_channels_run_apart(model, tmp_path) -> None:
    image = grey(shape=(140, 150, 4))
    how = {"roi": TRIANGLE, "options": Options(colour="per-channel", background="white")}
    held = enhance(image, model, **how)
    stored = enhance(image, model, **how, out=tmp_path / "x.ome.zarr")
    assert np.array_equal(np.asarray(stored.pixels), held.pixels)


@pytest.mark.parametrize("scale", [2, 3])
def test_enlarged_results(scale, tmp_path) -> None:
    model = load_model(toys.espcn(tmp_path / "espcn.onnx", scale=scale))
    for background in ("original", "crop"):
        how = {"roi": TRIANGLE, "options": Options(background=background)}
        held = enhance(grey(), model, **how)
        stored = enhance(grey(), model, **how, out=tmp_path / f"{background}.ome.zarr")
        assert np.array_equal(np.asarray(stored.pixels), held.pixels)


def test_labels_and_volumes(tmp_path) -> None:
    labels = load_model(toys.plain(tmp_path / "labels.onnx", channels=1), task="labels")
    held = enhance(grey(), labels, TRIANGLE)
    stored = enhance(grey(), labels, TRIANGLE, out=tmp_path / "labels.ome.zarr")
    assert np.array_equal(np.asarray(stored.pixels), held.pixels)
    assert read_changed(tmp_path / "labels.ome.zarr") is None
    volume = load_model(toys.volume(tmp_path / "volume.onnx"))
    image = grey(shape=(12, 80, 90))
    held = enhance(image, volume, axes="ZYX")
    stored = enhance(image, volume, axes="ZYX", out=tmp_path / "volume.ome.zarr")
    assert np.array_equal(np.asarray(stored.pixels), held.pixels)


def test_no_tile_of_a_large_region_reaches_across_cells(model) -> None:
    plan = enhance(grey(shape=(300, 310)), model).report.plan
    assert plan.tiles == 3 * 3


def test_lower_resolutions_are_means_of_means(model, tmp_path) -> None:
    out = tmp_path / "x.ome.zarr"
    stored = enhance(grey(shape=(1100, 700), dtype="uint16"), model, out=out)
    levels = [np.asarray(stored.pixels), *(np.asarray(n) for n in read_image(out).levels)]
    assert [level.shape for level in levels] == [(1100, 700), (550, 350), (275, 175)]
    for finer, level in itertools.pairwise(levels):
        odd = [(0, n % 2) for n in finer.shape]
        four = np.pad(finer, odd, mode="edge")
        mean = four.reshape(level.shape[0], 2, level.shape[1], 2).mean(axis=(1, 3))
        assert np.array_equal(level, np.rint(mean))


def test_many_chunks_share_files(model, tmp_path, monkeypatch) -> None:
    from napari_microenhance.images.omezarr import zarr_pyramid

    monkeypatch.setattr(planning, "MANY_BLOCKS", 3)
    monkeypatch.setattr(zarr_pyramid, "MANY_CHUNKS", 3)
    monkeypatch.setattr(zarr_pyramid, "CHUNK", 16)
    out = tmp_path / "x.ome.zarr"
    stored = enhance(grey(), model, out=out)
    array = zarr.open_group(out, mode="r")["0"]
    assert (array.shards, array.chunks) == ((128, 128), (32, 32))
    assert np.array_equal(np.asarray(stored.pixels), enhance(grey(), model).pixels)


# --- going on ------------------------------------------------------------------------------


@pytest.mark.parametrize("tiles", [0, 1, 7])
@pytest.mark.parametrize("name", ["whole", "roi", "linear", "white"])
def test_what_a_cancel_left_ends_with_the_same_bytes(name, tiles, model, tmp_path) -> None:
    how = CASES[name]
    whole = enhance(grey(), model, **how, out=tmp_path / "whole.ome.zarr")
    out = tmp_path / "x.ome.zarr"
    with pytest.raises(Cancelled, match="blocks are kept") as raised:
        enhance(grey(), model, **how, out=out, **cancelled_after(tiles))
    assert str(out) in raised.value.kept
    assert out in noted_stores()
    resumed = enhance(grey(), model, **how, out=out, resume=True)
    assert contents(out) == contents(tmp_path / "whole.ome.zarr")
    assert resumed.report.clipped == whole.report.clipped
    assert out not in noted_stores()
    before = contents(out), (out / "zarr.json").read_bytes()
    again = enhance(grey(), model, **how, out=out, resume=True)
    assert (contents(out), (out / "zarr.json").read_bytes()) == before
    assert np.array_equal(np.asarray(again.pixels), np.asarray(whole.pixels))


def test_the_numbers_of_a_coupled_network_are_kept(tmp_path) -> None:
    path = coupled.pix2pix(tmp_path / "pix2pix.onnx")
    image, how = grey(shape=(256, 300)), {"options": Options(tile=96, memory=400_000_000)}
    model = load_model(path)
    total: list[int] = []
    enhance(
        image, model, **how, out=tmp_path / "whole.ome.zarr",
        on_progress=lambda p: total.append(p.total),
    )  # fmt: skip
    out = tmp_path / "x.ome.zarr"
    with pytest.raises(Cancelled):
        enhance(image, load_model(path), **how, out=out, **cancelled_after(total[0] - 2))
    assert list((out / STATE_FOLDER).glob("numbers-*.npz"))
    assert not unfinished_words(out).startswith("0 of")
    later: list[int] = []
    other = load_model(path)
    other.coupled_for(Options()).known.clear()
    enhance(image, other, **how, out=out, resume=True, on_progress=lambda p: later.append(p.total))
    assert later[0] < total[0]
    assert contents(out) == contents(tmp_path / "whole.ome.zarr")


KILLED = """
import sys
import numpy as np
from napari_microenhance import Options, enhance
from napari_microenhance.engine import planning
from napari_microenhance.engine.blocks import block_grid
block_grid.EDGE_PX, block_grid.SMALLEST_PX = 128, 16
image = np.random.default_rng(0).integers(0, 255, (400, 410)).astype(np.uint8)
def told(progress):
    print(progress.done, flush=True)
enhance(image, sys.argv[1], options=Options(tile=48), out=sys.argv[2], resume=True,
        on_progress=told)
"""


def test_what_kills_left_ends_with_the_same_bytes(model, tmp_path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (400, 410)).astype(np.uint8)
    enhance(image, model, options=Options(tile=48), out=tmp_path / "whole.ome.zarr")
    out, rng = tmp_path / "x.ome.zarr", np.random.default_rng(1)
    command = [sys.executable, "-c", KILLED, str(model.path), str(out)]
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= rng.integers(1, 25):
                time.sleep(rng.uniform(0, 0.02))  # anywhere in a block
                os.kill(process.pid, signal.SIGKILL)
                break
        process.communicate()
    with pytest.raises(ImageError, match=r"is unfinished \(\d+ of 49 blocks\); finish it first"):
        read_image(out)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert contents(out) == contents(tmp_path / "whole.ome.zarr")


def test_a_torn_line_of_the_log_is_no_block(tmp_path) -> None:
    log = BlockLog(tmp_path / "done")
    log.add(("image", 0), (0, 1), clipped=3, mismatch=0.5)
    log.add(("image", 1), (0, 0), clipped=0, mismatch=None)
    log.close()
    with (tmp_path / "done").open("ab") as handle:
        handle.write(b"image/0 1.1 4 0.6")
    again = BlockLog(tmp_path / "done")
    assert again.done(("image", 0)) == {(0, 1)}
    assert (again.clipped, again.mismatch) == (3, 0.5)
    again.add(("image", 0), (1, 1), clipped=4, mismatch=None)
    again.close()
    last = BlockLog(tmp_path / "done")
    assert last.done(("image", 0)) == {(0, 1), (1, 1)}
    assert last.done(("image", 1)) == {(0, 0)}
    last.close()


# --- refusals ------------------------------------------------------------------------------


@pytest.fixture
def unfinished(model, tmp_path: Path) -> Path:
    out = tmp_path / "x.ome.zarr"
    with pytest.raises(Cancelled):
        enhance(grey(), model, out=out, **cancelled_after(3))
    return out


def test_another_run_is_not_resumed(unfinished, model, tmp_path) -> None:
    before = contents(unfinished)
    other = load_model(toys.plain(tmp_path / "other.onnx", seed=3))
    for what, run in {
        "the image": lambda: enhance(grey(5), model, out=unfinished, resume=True),
        "the model": lambda: enhance(grey(), other, out=unfinished, resume=True),
        "the ROI": lambda: enhance(grey(), model, TRIANGLE, out=unfinished, resume=True),
        r"the option feather \(0 then, 4 now\)": lambda: enhance(
            grey(), model, out=unfinished, resume=True, options=Options(feather=4)
        ),
    }.items():
        with pytest.raises(OutputError, match=f"holds another run, so it cannot be .*{what}"):
            run()
    assert contents(unfinished) == before


def test_another_version_is_not_resumed(unfinished, model) -> None:
    file = unfinished / "zarr.json"
    content = json.loads(file.read_text("utf-8"))
    content["attributes"][JOB_KEY]["decided"]["versions"]["onnxruntime"] = "1.2.3"
    file.write_text(json.dumps(content), "utf-8")
    with pytest.raises(OutputError, match=r"the version of onnxruntime \(1.2.3 then, "):
        enhance(grey(), model, out=unfinished, resume=True)


def test_an_unfinished_store_is_neither_replaced_nor_read_unasked(unfinished, model) -> None:
    with pytest.raises(OutputError, match=r"unfinished .*resume=True, or replace it with overwr"):
        enhance(grey(), model, out=unfinished)
    with pytest.raises(ImageError, match=r"is unfinished \(\d+ of 16 blocks\)"):
        enhance(unfinished, model)
    with pytest.raises(ImageError, match="is unfinished"):
        read_record(unfinished)
    shown = read_unfinished(unfinished)
    assert shown.axes == "YX"
    assert [note.name for note in shown.notes] == ["unfinished"]
    enhance(grey(2), model, out=unfinished, overwrite=True)
    assert np.array_equal(np.asarray(read_image(unfinished).pixels), enhance(grey(2), model).pixels)


def test_what_is_not_ours_is_kept(model, tmp_path) -> None:
    with pytest.raises(OptionsError, match=r"ends in \.ome\.zarr"):
        enhance(grey(), model, out=tmp_path / "x.tif")
    with pytest.raises(OptionsError, match="need out="):
        enhance(grey(), model, overwrite=True)
    with pytest.raises(OptionsError, match="window"):
        enhance(grey(), model, out=tmp_path / "x.ome.zarr", window=((0, 9), (0, 9)))
    foreign = zarr.create_array(tmp_path / "foreign.zarr", data=grey(), chunks=(64, 64))
    for how in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(OutputError, match="not written by this program"):
            enhance(grey(), model, out=tmp_path / "foreign.zarr", **how)
    with pytest.raises(OutputError, match="the same file as the image"):
        enhance(foreign, model, out=tmp_path / "foreign.zarr", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.zarr"]


def test_a_store_that_is_being_written_is_left_alone(model, tmp_path) -> None:
    out, said = tmp_path / "x.ome.zarr", []

    def on_progress(progress) -> None:
        if progress.done == 2 and not said:  # told once for each block of a tile
            for how in ({"resume": True}, {"overwrite": True}):
                with pytest.raises(OutputError, match="written by another process") as raised:
                    enhance(grey(), model, out=out, **how)
                said.append(str(raised.value))

    enhance(grey(), model, out=out, on_progress=on_progress)
    assert len(said) == 2
    assert np.array_equal(np.asarray(read_image(out).pixels), enhance(grey(), model).pixels)


def test_a_full_disk_keeps_what_is_done(model, tmp_path, monkeypatch) -> None:
    from napari_microenhance.images.omezarr.zarr_pyramid import ZarrPyramid

    out, write, calls = tmp_path / "x.ome.zarr", ZarrPyramid.write, []

    def full(self, at, pixels) -> None:
        calls.append(at)
        if len(calls) > 5:
            raise OSError(28, "No space left on device")
        write(self, at, pixels)

    monkeypatch.setattr(ZarrPyramid, "write", full)
    with pytest.raises(OutputError, match=r"No space left on device; the finished blocks are kept"):
        enhance(grey(), model, out=out)
    assert unfinished_words(out).endswith("of 16 blocks")
    assert not unfinished_words(out).startswith("0 ")
    monkeypatch.undo()
    monkeypatch.setattr(block_grid, "EDGE_PX", 128)
    enhance(grey(), model, out=out, resume=True)
    assert np.array_equal(np.asarray(read_image(out).pixels), enhance(grey(), model).pixels)


def test_a_folder_that_vanishes_is_one_sentence(model, tmp_path) -> None:
    out = tmp_path / "share" / "x.ome.zarr"
    out.parent.mkdir()

    def on_progress(progress) -> None:
        if progress.done == 3 and out.parent.exists():
            shutil.rmtree(out.parent)

    with pytest.raises(
        OutputError, match=r"x\.ome\.zarr cannot be written: its folder no longer exists"
    ):
        enhance(grey(), model, out=out, on_progress=on_progress)


def test_a_finished_store_says_what_made_it(model, tmp_path) -> None:
    out = tmp_path / "x.ome.zarr"
    enhance(grey(), model, out=out)
    job = job_of(out)
    assert job is not None
    assert job["finished"] is True
    assert job["decided"]["provider"] == "cpu"
    assert unfinished_words(out) == ""


def test_a_chunk_that_cannot_be_read_is_named_and_what_is_done_is_kept(model, tmp_path) -> None:
    source = zarr.create_array(tmp_path / "in.zarr", data=grey(), chunks=(64, 64))
    broken = tmp_path / "in.zarr" / source.metadata.encode_chunk_key((2, 1))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:20])
    out = tmp_path / "out.ome.zarr"
    with pytest.raises(ImageError, match=r"chunk 2\.1 cannot be read"):
        enhance(tmp_path / "in.zarr", model, out=out)
    assert not unfinished_words(out).startswith("0 ")
    broken.write_bytes(whole)
    stored = enhance(tmp_path / "in.zarr", model, out=out, resume=True)
    assert np.array_equal(np.asarray(stored.pixels), enhance(grey(), model).pixels)
