"""Networks that couple the whole image, in groups of layers: equal to one call on all of it."""

import dataclasses
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import coupled
from napari_microenhance.engine.spec import ModelSpec, SizeRule
from napari_microenhance.engine.statistics.coupled import CoupledNetwork
from napari_microenhance.engine.statistics.coupled_feed import (
    CoupledFeed,
    check_groups,
)
from napari_microenhance.engine.statistics.keeping import Keeping, keeping_for
from napari_microenhance.engine.statistics.network_graph import CutError
from napari_microenhance.errors import Cancelled, MemoryBudgetError, OutputError

SMALL_TILES = Keeping("memory", frozenset(), 0, 0, 150_000)
AMPLE = 2**30


def opened(path: Path, name: str) -> CoupledNetwork:
    maker, step = coupled.NETWORKS[name]
    maker(path)
    axes = "NYXC" if name == "channels_last" else "NCYX"
    spec = ModelSpec(
        name=name,
        size=(SizeRule(step, step), SizeRule(step, step)),
        scale=2.0 if name == "rcan" else 1.0,
        axes_in=axes,
        axes_out=axes,
    )
    return CoupledNetwork(path, spec, threads=1)


def fitting(name: str, shape: tuple[int, int]) -> tuple[int, int]:
    step = coupled.NETWORKS[name][1]
    return -(-shape[0] // step) * step, -(-shape[1] // step) * step


def in_one_call(path: Path, model: CoupledNetwork, image: np.ndarray) -> np.ndarray:
    from napari_microenhance.engine.runtime.tensors import to_images

    session = ort.InferenceSession(path)
    found = session.run(None, model.feeds(image[None]))[0]
    return to_images(found, model.spec)[0]


def in_groups(
    model: CoupledNetwork,
    image: np.ndarray,
    keeping: Keeping = SMALL_TILES,
    *,
    folder: Path | None = None,
    numbers: dict | None = None,
    boxes: tuple | None = None,
    check_stop: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, dict, int]:
    """Return the answer, NaN where nothing was computed; the numbers; how many tiles ran."""
    ratio = int(model.spec.scale)
    found = np.full((1, *[n * ratio for n in image.shape[1:]]), np.nan, np.float32)
    tiles = 0

    def read(box: tuple) -> np.ndarray:
        return image[:, slice(*box[0]), slice(*box[1])]

    feed = CoupledFeed(model, image.shape[1:], read, keeping, folder=folder, numbers=numbers)
    with feed:
        plans = feed.plans(feed.last_plan(boxes))
        for _, tile, output in feed.outputs(plans, check_stop):
            tiles += 1
            if output is not None:
                found[:, *feed.box_of(tile)] = output
        return found, dict(feed.numbers), tiles


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(97, 131), (64, 320)])
@pytest.mark.parametrize("name", coupled.NETWORKS)
def test_groups_are_one_call(name, shape, tmp_path, rng):
    path = tmp_path / "net.onnx"
    model = opened(path, name)
    image = rng.random((1, *fitting(name, shape)), np.float32)
    expected = in_one_call(path, model, image)
    found, _, tiles = in_groups(model, image)
    assert tiles > 4
    assert np.abs(found - expected).max() <= 5e-5 * np.ptp(expected)


@pytest.mark.parametrize("name", ["cyclegan", "unet_group_norm", "channels_last"])
def test_it_does_not_matter_where_tensors_are_kept(name, tmp_path, rng):
    path = tmp_path / "net.onnx"
    model = opened(path, name)
    image = rng.random((1, *fitting(name, (120, 140))), np.float32)
    expected = in_one_call(path, model, image)
    cut = model.cut_for(image.shape[1:])
    everything = frozenset(n for g in cut.groups for n in g.leaves if n != cut.graph.output)
    kept = {
        "disk": dataclasses.replace(SMALL_TILES, place="disk", on_disk=everything),
        "nowhere": dataclasses.replace(SMALL_TILES, place="nowhere"),
    }
    for keeping in kept.values():
        found, _, _ = in_groups(model, image, keeping, folder=tmp_path / "kept")
        assert np.abs(found - expected).max() <= 5e-5 * np.ptp(expected)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "rcan", "nafnet"])
def test_known_numbers_give_the_same_bits_of_a_part(name, tmp_path, rng):
    path = tmp_path / "net.onnx"
    model = opened(path, name)
    image = rng.random((1, *fitting(name, (160, 200))), np.float32)
    whole, numbers, all_tiles = in_groups(model, image)
    window = ((24, 60), (40, 90))
    part, _, tiles = in_groups(model, image, numbers=numbers, boxes=(window,))
    ratio = int(model.spec.scale)
    inside = tuple(slice(a * ratio, b * ratio) for a, b in window)
    assert tiles < all_tiles
    np.testing.assert_array_equal(part[:, *inside], whole[:, *inside])


def test_a_repetition_gives_the_same_bits(tmp_path, rng):
    model = opened(tmp_path / "net.onnx", "pix2pix")
    image = rng.random((1, 160, 192), np.float32)
    first, second = (in_groups(model, image)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("value", [0.0, 0.7])
@pytest.mark.parametrize("name", ["group_norm", "batch_norm", "largest"])
def test_an_image_of_one_value_gives_what_one_call_gives(name, value, tmp_path):
    path = tmp_path / "net.onnx"
    model = opened(path, name)
    image = np.full((1, *fitting(name, (80, 96))), value, np.float32)
    expected = in_one_call(path, model, image)
    found, _, _ = in_groups(model, image)
    np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("name", coupled.NETWORKS)
def test_the_check_of_a_network_passes(name, tmp_path):
    assert check_groups(opened(tmp_path / "net.onnx", name)) < 5e-5


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        (coupled.attention, "rows and columns into one axis|all pixels"),
        (coupled.strip_pooling, "rows or columns only"),
        (coupled.aligned_corners, "align_corners"),
    ],
)
def test_what_cannot_be_cut_is_named(maker, words, tmp_path):
    maker(tmp_path / "net.onnx")
    spec = ModelSpec(name="net", size=(SizeRule(4, 4), SizeRule(4, 4)))
    with pytest.raises(CutError, match=words):
        CoupledNetwork(tmp_path / "net.onnx", spec)


def test_a_wrong_reach_is_found_by_the_check(tmp_path, monkeypatch):
    from napari_microenhance.engine.statistics import operator_reach

    def too_short(layer, span, out, wanted, where):
        del layer, span, out, where
        return wanted

    monkeypatch.setitem(operator_reach.RULES, "Conv", too_short)
    with pytest.raises(CutError, match="differ"):
        check_groups(opened(tmp_path / "net.onnx", "spelt_out"))


def test_memory_then_disk_then_nothing(tmp_path):
    cut = opened(tmp_path / "net.onnx", "cyclegan").cut_for((0, 0))
    size = (1024, 1024)
    assert keeping_for(cut, size, budget=AMPLE, folder=tmp_path).place == "memory"
    small = keeping_for(cut, size, budget=AMPLE // 16, folder=tmp_path)
    assert small.place == "disk"
    assert small.memory_bytes + 3 * small.tile_bytes <= AMPLE // 16
    assert keeping_for(cut, size, budget=AMPLE // 16, folder=None).place == "nowhere"
    with pytest.raises(MemoryBudgetError, match="statistics=roi"):
        keeping_for(cut, size, budget=1_000_000, folder=tmp_path)


def test_a_disk_that_fills_is_one_sentence_and_leaves_nothing(tmp_path, rng, monkeypatch):
    model = opened(tmp_path / "net.onnx", "cyclegan")
    cut = model.cut_for((96, 96))
    everything = frozenset(n for g in cut.groups for n in g.leaves)
    keeping = dataclasses.replace(SMALL_TILES, place="disk", on_disk=everything)
    room, write = 400_000, os.pwrite

    def until_full(file: int, data: memoryview, offset: int) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # A disk takes what still fits before it refuses.
        written = write(file, data[:room], offset)
        room -= written
        return written

    monkeypatch.setattr(os, "pwrite", until_full)
    image = rng.random((1, 96, 96), np.float32)
    with pytest.raises(OutputError, match=r"to disk \(No space left on device\); free some space"):
        in_groups(model, image, keeping, folder=tmp_path / "kept")
    assert list((tmp_path / "kept").iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("microenhance")]


def test_a_cancelled_run_leaves_nothing(tmp_path, rng):
    model = opened(tmp_path / "net.onnx", "cyclegan")
    everything = frozenset(n for g in model.cut_for((0, 0)).groups for n in g.leaves)
    keeping = dataclasses.replace(SMALL_TILES, place="disk", on_disk=everything)
    asked = []

    def check_stop() -> None:
        asked.append(None)
        if len(asked) > 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        in_groups(
            model,
            rng.random((1, 200, 200), np.float32),
            keeping,
            folder=tmp_path / "kept",
            check_stop=check_stop,
        )
    assert list((tmp_path / "kept").iterdir()) == []
