"""What a large run will take is told before it, and refused where it cannot be."""

import types

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.api import estimating, foresee
from napari_microenhance.engine.large.run_estimate import compressed_share
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import MemoryBudgetError, OutputError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(toys.plain(tmp_path_factory.mktemp("toy") / "toy.onnx", convs=2))


@pytest.fixture
def image(rng):
    return rng.integers(0, 4000, (300, 400), np.uint16)


def test_a_small_run_says_nothing(model, image):
    assert not [c for c in foresee(image, model) if "large run" in str(c)]


def test_a_large_run_says_memory_disk_time_and_tiles(model, image, monkeypatch):
    monkeypatch.setattr(estimating, "LARGE_PX", 0)
    (said,) = (str(c) for c in foresee(image, model) if "large run" in str(c))
    assert "of memory" in said
    assert "on the disk" in said
    assert " s for 1 tile" in said
    result = enhance(image, model)
    assert any("large run" in text for text in result.report.warnings)
    silent = enhance(image, model, options=Options(no_caution=("large-run",)))
    assert not any("large run" in text for text in silent.report.warnings)


def test_a_preview_says_nothing(model, image, monkeypatch):
    monkeypatch.setattr(estimating, "LARGE_PX", 0)
    result = enhance(image, model, window=((0, 50), (0, 50)))
    assert not any("large run" in text for text in result.report.warnings)


def test_a_run_that_does_not_fit_into_memory_is_refused(model, image, monkeypatch):
    monkeypatch.setattr(estimating, "LARGE_PX", 0)
    free = types.SimpleNamespace(available=1_000_000)
    monkeypatch.setattr(estimating.psutil, "virtual_memory", lambda: free)
    with pytest.raises(MemoryBudgetError, match=r"takes about 0\.\d GB of memory"):
        enhance(image, model, options=Options(memory=10**9))


def test_a_result_that_does_not_fit_on_the_disk_is_refused(model, tmp_path, monkeypatch):
    smooth = Source(np.zeros((900, 900), np.uint16))
    noise = Source(np.random.default_rng(0).integers(0, 65_535, (900, 900), np.uint16))
    free = types.SimpleNamespace(free=900 * 900)
    monkeypatch.setattr(estimating.shutil, "disk_usage", lambda _: free)
    target, options = tmp_path / "a.ome.tif", Options()
    estimating.check_disk(target, smooth, model.spec, options)
    with pytest.raises(OutputError, match="of the disk are free"):
        estimating.check_disk(target, noise, model.spec, options)
    estimating.check_disk(target, noise, model.spec, Options(background="crop"))


def test_noise_is_compressed_less_than_a_plain_ground(rng):
    noise = Source(rng.integers(0, 255, (3, 700, 900), np.uint8), "CYX")
    plain = Source(np.full((700, 900, 3), 7, np.uint8))
    assert compressed_share(plain) < 0.05 < 0.9 < compressed_share(noise) < 1.1
