"""Sizes that a file only declares are left free; those that a network needs are kept."""

import dataclasses

import numpy as np
import onnx
import pytest

import coupled
import toys
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.engine.runtime.freeing import with_free_lengths
from napari_microenhance.engine.runtime.parity import compare
from napari_microenhance.engine.spec import SizeRule

DECLARED = {
    "plain": (lambda p, **k: toys.plain(p, **k), (48, 64), SizeRule()),
    "volume-like channels": (lambda p, **k: toys.plain(p, channels=3, **k), (40, 40), SizeRule()),
    "u-net": (lambda p, **k: toys.unet(p, depth=2, **k), (128, 96), SizeRule(4, 4)),
    "enlarging": (lambda p, **k: toys.espcn(p, **k), (32, 48), SizeRule()),
    # No room in 32 px to see that it reaches 18 px.
    "reach": (lambda p, **k: toys.residual(p, blocks=8, width=4, **k), (32, 32), SizeRule()),
    "last": (lambda p, **k: toys.plain(p, nhwc=True, **k), (48, 64), SizeRule()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DECLARED)
def test_a_declared_size_is_left_free_and_tiles_agree(tmp_path, rng, name):
    build, lengths, rule = DECLARED[name]
    free = load_model(build(tmp_path / "free.onnx"))
    model = load_model(build(tmp_path / "net.onnx", shape=(1, None, *lengths)))
    spec = model.spec
    assert (spec.freed, spec.size) == (True, (rule, rule))
    for field in ("radius", "shift_step", "scale", "border_loss"):
        assert getattr(spec, field) == getattr(free.spec, field)
    assert model.findings == ()
    text = " x ".join(map(str, lengths))
    assert any(f"declares images of {text} px" in str(f) for f in model.details)
    shape = (100, 140, 3) if spec.channels_in == 3 else (100, 140)
    image = rng.random(shape, np.float32)
    options = Options(intensity="none")
    whole = enhance(image, free, options=options).pixels
    small = dataclasses.replace(options, tile=2 * int(spec.radius) + 24)
    for chosen in (options, small):
        result = enhance(image, model, options=chosen)
        np.testing.assert_allclose(result.pixels, whole, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "pix2pix", "rcan"])
def test_a_declared_size_of_a_norm_over_the_image_is_left_free(tmp_path, rng, name):
    maker, step = coupled.NETWORKS[name]
    free = load_model(maker(tmp_path / "free.onnx"))
    model = load_model(maker(tmp_path / "net.onnx", shape=(1, None, 128, 128)))
    assert (model.spec.freed, model.spec.coupling) == (True, "numbers")
    assert all(rule.fixed is None and rule.step == step for rule in model.spec.size)
    assert any("declares images of 128 x 128 px" in str(f) for f in model.details)
    image = rng.random((150, 170), np.float32)
    whole = enhance(image, free, options=Options(intensity="none")).pixels
    tiles = enhance(image, model, options=Options(intensity="none", tile=80)).pixels
    np.testing.assert_allclose(tiles, whole, atol=1e-5)


@pytest.mark.parametrize(
    "build",
    [
        lambda p: toys.plain(p, shape=(1, None, 48, 64), pinned=True),
        lambda p: coupled.attention(p, shape=(1, None, 32, 32)),
        lambda p: toys.pix2pix(p, size=64, depth=3),
    ],
)
def test_a_size_that_decides_the_answer_is_kept(tmp_path, build):
    spec = load_model(build(tmp_path / "net.onnx")).spec
    assert not spec.freed
    assert all(rule.fixed for rule in spec.size)


def adds_its_width(path, **save):
    """At its own size that is a constant, at others another one."""
    g = toys.Graph(1)
    width = g.node("Gather", g.node("Shape", "x"), g.constant(np.array(3, np.int64)))
    width = g.node("Mul", g.node("Cast", width, to=1), g.constant(np.float32(0.01)))
    return g.save(path, g.node("Add", g.conv("x", 1, 1), width), **save)


@pytest.mark.slow
@pytest.mark.parametrize("length", [48, 64, 96, 200])
def test_a_network_that_answers_otherwise_at_other_sizes_keeps_its_own(tmp_path, length):
    spec = load_model(adds_its_width(tmp_path / "net.onnx", shape=(1, None, length, length))).spec
    assert not spec.freed
    assert [rule.fixed for rule in spec.size] == [length, length]


def test_weights_beside_a_freed_file_are_found(tmp_path, rng):
    model = onnx.load(toys.plain(tmp_path / "inside.onnx", shape=(1, None, 48, 64)))
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    opened = load_model(path)
    assert opened.spec.freed
    image = rng.random((70, 90), np.float32)
    got = enhance(image, opened, options=Options(intensity="none")).pixels
    free = toys.plain(tmp_path / "free.onnx")
    wanted = enhance(image, free, options=Options(intensity="none")).pixels
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_a_provider_is_tried_with_the_lengths_left_free(tmp_path):
    model = load_model(toys.plain(tmp_path / "net.onnx", shape=(1, None, 48, 96)))
    assert compare(model.path, "cpu", model.spec).difference == 0
    again = load_model(model.path)  # from what was kept
    assert again.spec.freed
    assert enhance(np.zeros((20, 20), np.float32), again).pixels.shape == (20, 20)


def test_only_lengths_are_left_free(tmp_path):
    path = toys.plain(tmp_path / "net.onnx", channels=3, shape=(1, None, 48, 64))
    freed = onnx.load_model_from_string(with_free_lengths(path.read_bytes()))
    dims = freed.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value or d.dim_param for d in dims] == [1, 3, "x_2", "x_3"]
