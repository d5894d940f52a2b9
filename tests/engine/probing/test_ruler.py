"""What measuring costs: counted in pixels that go through the network, not in time."""

import numpy as np
import pytest

import toys
from napari_microenhance.engine.probing.probe import probe
from napari_microenhance.engine.probing.ruler import least_step
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL


@pytest.fixture
def pixels(monkeypatch):
    """Return the pixels of every run, refused ones too."""
    seen = []
    real = Session.run

    def counted(self, images, spec, options=None):
        seen.append(int(np.prod(images.shape[2:])))
        return real(self, images, spec, options)

    monkeypatch.setattr(Session, "run", counted)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "most"),
    [
        # A million parameters at full resolution are 2 MFLOP a pixel: 60,000 px are 3 s on
        # two slow cores. The last run, for the memory, adapts to the network's speed.
        (lambda p: toys.residual(p), 30_000),
        (lambda p: toys.unet(p, depth=4), 150_000),
        (lambda p: toys.instance_norm(p), 60_000),
        # Every strip is 188 px wide here, and reaches 107 px.
        (lambda p: toys.valid_unet(p), 4_000_000),
        # Its declared size is dropped, and all sizes are measured.
        (lambda p: toys.pix2pix(p), 96 * 512 * 512),
    ],
)
def test_measuring_takes_few_pixels(tmp_path, pixels, build, most):
    probe(Session(build(tmp_path / "a.onnx"), name="a"), {"name": "a"})
    assert sum(pixels[:-1]) <= most


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 32, 64])
def test_the_least_step_is_found_in_few_tries(step):
    tries = []

    def works(candidate):
        tries.append(candidate)
        return candidate % step == 0

    assert least_step(works) == step
    assert len(tries) <= 12
    assert len(set(tries)) == len(tries)


def test_steps_that_cannot_be_told_do_not_rule_out_smaller_ones():
    # Too little room for steps above 20: None, not False.
    assert least_step(lambda n: None if n > 20 else n % 16 == 0) == 16
    assert least_step(lambda n: None if n > 20 else n % 5 == 0) == 5
    assert least_step(lambda n: False) is None


def test_a_network_that_measures_by_parts_of_the_whole(tmp_path):
    """Pooled by 4 with the remainder cut off, then stretched back to the full length."""
    g = toys.Graph(1)
    x = g.node("MaxPool", g.conv("x", 1, 4), kernel_shape=[4, 4], strides=[4, 4])
    length = g.node("Shape", "x")
    first, last = (g.constant(np.int64(v)) for v in ([0], [2]))
    head = g.node("Slice", g.node("Shape", x), first, last)
    tail = g.node("Slice", length, last, g.constant(np.int64([4])))
    x = g.node("Resize", x, "", "", g.node("Concat", head, tail, axis=0), mode="linear")
    path = g.save(tmp_path / "a.onnx", g.conv(x, 4, 1))
    spec = probe(Session(path, name="a"), {"name": "a"}).spec
    assert spec.radius != GLOBAL
    assert spec.shift_step == 4
    assert [rule.step for rule in spec.size] == [4, 4]
