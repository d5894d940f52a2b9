"""The built-in filter network against the same filter in NumPy, and its promises."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage import data

from classic import RADIUS, enhance_classic

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ROOT / "src/napari_microenhance/models/builtin/detail-classic.onnx"
BUILDER = ROOT / "tools/build_detail_classic.py"

Image = npt.NDArray[np.float32]


def _session(*, threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return _session()


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_detail_classic", BUILDER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(session: onnxruntime.InferenceSession, image: npt.ArrayLike) -> Image:
    batch = np.asarray(image, np.float32)[None, None]
    return session.run(None, {"image": batch})[0][0, 0]


def _random(shape: tuple[int, int], *, low: float = 0.0, high: float = 1.0) -> Image:
    return np.random.default_rng(sum(shape)).uniform(low, high, shape).astype(np.float32)


REAL = {
    "cell": lambda: data.cell() / 255,
    "histology": lambda: data.immunohistochemistry()[..., 1] / 255,
    "moon": lambda: data.moon() / 255,
    "stars": lambda: data.hubble_deep_field()[:500, :400, 0] / 255,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_images_equal_the_oracle(session, name):
    image = REAL[name]().astype(np.float32)
    np.testing.assert_allclose(_run(session, image), enhance_classic(image), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 7), (7, 1), (3, 2), (2, 90), (40, 41), (64, 64), (65, 81), (200, 310)]
)
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-0.5, 1.5), (0.0, 0.05), (-3.0, 5.0)])
def test_random_images_equal_the_oracle(session, shape, low, high):
    image = _random(shape, low=low, high=high)
    np.testing.assert_allclose(_run(session, image), enhance_classic(image), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (30, 200), (130, 130)])
@pytest.mark.parametrize("level", [-0.5, 0.0, 1e-6, 0.02, 0.3, 0.9, 1.0, 1.5])
def test_a_flat_image_stays_flat_up_to_its_border(session, shape, level):
    result = _run(session, np.full(shape, level, np.float32))
    assert np.ptp(result) <= 1e-6
    if level in (0.0, 1.0):
        assert result.flat[0] == level


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        # 1e38 times the largest factor is still a number.
        elements=st.floats(-(2.0**126), 2.0**126, width=32),
    )
)
@settings(max_examples=60, deadline=None)
def test_every_finite_image_gives_finite_numbers(session, image):
    assert np.isfinite(_run(session, image)).all()


def test_the_radius_is_what_the_file_says(session):
    entries = session.get_modelmeta().custom_metadata_map
    assert entries["microenhance.radius"] == str(RADIUS)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_change_at_the_radius_is_seen_and_beyond_it_is_not(session, axis, side):
    image = np.full((101, 101), 0.3, np.float32)
    centre = (50, 50)
    before = _run(session, image)[centre]
    distance = side * (np.indices(image.shape)[axis] - 50)

    at_radius = np.where(distance == RADIUS, 1.0, image)
    assert _run(session, at_radius)[centre] != before

    noise = _random(image.shape, low=-1.0, high=2.0)
    beyond = np.where(distance > RADIUS, noise, image)
    assert _run(session, beyond)[centre] == before


@pytest.mark.slow
@given(st.data())
@settings(max_examples=20, deadline=None)
def test_a_cut_with_its_halo_equals_the_whole(session, data):
    image = _random((180, 230))
    spans = []
    for length in image.shape:
        start = data.draw(st.integers(0, length - 1))
        spans.append((start, data.draw(st.integers(start + 1, length))))
    read = tuple(
        slice(max(0, a - RADIUS), min(length, b + RADIUS))
        for (a, b), length in zip(spans, image.shape, strict=True)
    )
    kept = tuple(slice(a - r.start, b - r.start) for (a, b), r in zip(spans, read, strict=True))
    whole = _run(session, image)[tuple(slice(a, b) for a, b in spans)]
    np.testing.assert_allclose(_run(session, image[read])[kept], whole, rtol=0, atol=1e-6)


def test_turning_and_mirroring_the_image_turns_the_result(session):
    image = _random((70, 90))
    result = _run(session, image)
    np.testing.assert_allclose(_run(session, image.T), result.T, rtol=0, atol=1e-6)
    np.testing.assert_allclose(_run(session, image[::-1]), result[::-1], rtol=0, atol=1e-6)


def test_runs_sessions_threads_and_batches_agree_to_the_bit(session):
    images = np.stack([_random((150, 151)), _random((150, 151), low=-0.2, high=0.4)])[:, None]
    batch = session.run(None, {"image": images})[0]
    assert batch.shape == images.shape
    assert batch.dtype == np.float32
    for k, image in enumerate(images[:, 0]):
        np.testing.assert_array_equal(_run(session, image), batch[k, 0])
        np.testing.assert_array_equal(_run(_session(threads=1), image), batch[k, 0])


@pytest.mark.parametrize("level", [0.0, 0.05, 0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
def test_noise_is_not_amplified(session, level, sigma):
    noise = np.random.default_rng(3).normal(0, sigma, (160, 160))
    assert _run(session, level + noise).std() <= noise.std()


def test_faint_detail_is_boosted(session):
    wave = 0.03 * np.sin(np.arange(200) * 2 * np.pi / 8) * np.ones((200, 1))
    assert _run(session, 0.5 + wave).std() >= 1.5 * wave.std()


def test_uneven_light_is_evened_out(session):
    x = np.arange(600)
    discs = 0.2 + 0.5 * ((x % 50 - 25) ** 2 + (x[:200, None] % 50 - 25) ** 2 < 144)
    image = discs * np.linspace(1.0, 0.4, 600)
    result = _run(session, image)
    disc = (slice(25, 176, 50), slice(25, 576, 50))
    before, after = (a[disc].mean(0) for a in (image, result))
    assert after[-1] / after[0] >= 1.3 * before[-1] / before[0]


def test_a_bright_edge_gets_no_halo(session):
    image = np.full((120, 120), 0.1, np.float32)
    image[:, 60:] = 0.8
    row = _run(session, image)[60]
    plain = _run(session, np.full((120, 120), 0.8, np.float32))[60, 60]
    assert row.max() <= plain + 0.15
    assert row.min() >= 0


def test_the_builder_writes_the_same_bytes(builder, tmp_path):
    path = tmp_path / "again.onnx"
    builder.main(path)
    assert path.read_bytes() == NETWORK.read_bytes()


def test_the_file_holds_no_weights_and_describes_itself():
    model = onnx.load(NETWORK)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import] == [17]
    assert model.ir_version == 8
    assert all(np.prod(tensor.dims, dtype=int) == 1 for tensor in model.graph.initializer)
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert {key.partition(".")[0] for key in entries} == {"microenhance"}
    expected = {"name": "detail-classic", "task": "image", "units": "input", "licence": "CC0-1.0"}
    expected |= {"value_range": "0,1", "shift_step": "1", "size_minimum": "1", "size_step": "1"}
    assert expected.items() <= {k.partition(".")[2]: v for k, v in entries.items()}.items()


def test_the_card_agrees_with_the_file():
    card = NETWORK.with_suffix(".md").read_text(encoding="utf-8")
    assert f"{RADIUS} px" in card
    assert f"{2 * RADIUS + 1} x {2 * RADIUS + 1} px" in card
    assert "CC0-1.0" in card
