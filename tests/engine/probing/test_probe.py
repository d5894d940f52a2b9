"""What the probe measures, against theory."""

import pytest

import toys
from napari_microenhance import load_model
from napari_microenhance.engine.spec import GLOBAL, ModelSpec, SizeRule


def spec_of(path) -> ModelSpec:
    return load_model(path).spec


@pytest.mark.slow
@pytest.mark.parametrize(
    ("convs", "kernel", "dilation"),
    [(1, 3, 1), (2, 3, 1), (5, 3, 1), (1, 7, 1), (3, 3, 4), (2, 5, 9)],
)
def test_the_radius_of_stacked_convolutions(tmp_path, convs, kernel, dilation):
    path = toys.plain(tmp_path / "a.onnx", convs=convs, kernel=kernel, dilation=dilation)
    spec = spec_of(path)
    assert spec.radius == convs * dilation * (kernel // 2)
    assert spec.shift_step == 1
    assert spec.size == (SizeRule(1, 1), SizeRule(1, 1))


def unet_radius(depth: int) -> int:
    """Follow one output pixel back through the U-Net of toys.unet, over all its phases.

    Every level maps an interval of rows to the rows it reads: a convolution adds one on
    either side, nearest up-sampling halves, max pooling doubles.
    """

    def encoder(low: int, high: int, level: int) -> tuple[int, int]:
        # The input of `level` is the pooled feature of the level before.
        for _ in range(level):
            low, high = 2 * low - 1, 2 * high + 2
        return low, high

    reach = 0
    for phase in range(2**depth):
        low = high = phase + 2**depth * 100
        spans = []
        for level in range(depth):
            low, high = low - 1, high + 1  # the decoder's convolution
            spans.append(encoder(low - 1, high + 1, level))  # the skip's own convolution
            low, high = low // 2, high // 2
        low, high = low - 1, high + 1  # the convolution at the bottom
        spans.append(encoder(low, high, depth))
        centre = phase + 2**depth * 100
        reach = max(reach, *(max(centre - a, b - centre) for a, b in spans))
    return reach


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_radius_of_a_unet_over_all_phases(tmp_path, depth):
    spec = spec_of(toys.unet(tmp_path / "a.onnx", depth=depth))
    assert spec.radius == unet_radius(depth)
    assert spec.shift_step == 2**depth
    assert spec.size == (SizeRule(2**depth, 2**depth),) * 2


def test_layout_channels_and_fixed_sizes_are_found(tmp_path):
    nhwc = spec_of(toys.plain(tmp_path / "a.onnx", nhwc=True))
    assert (nhwc.axes_in, nhwc.channels_in) == ("NYXC", 1)
    rgb = spec_of(
        toys.plain(tmp_path / "b.onnx", channels=3, shape=(1, None, 96, 160), pinned=True)
    )
    assert (rgb.axes_in, rgb.channels_in, rgb.radius) == ("NCYX", 3, 2)
    assert [rule.fixed for rule in rgb.size] == [96, 160]


def test_networks_that_couple_the_tile_are_called_global(tmp_path):
    assert spec_of(toys.instance_norm(tmp_path / "a.onnx")).radius == GLOBAL
    g = toys.Graph(1)
    pooled = g.node("GlobalAveragePool", "x")
    assert spec_of(g.save(tmp_path / "b.onnx", g.node("Sub", "x", pooled))).radius == GLOBAL


def test_a_network_with_live_noise_is_told(tmp_path):
    g = toys.Graph(1)
    noise = g.node("RandomNormalLike", "x", scale=0.1)
    model = load_model(g.save(tmp_path / "a.onnx", g.node("Add", "x", noise)))
    assert model.spec.radius == GLOBAL
    assert any("differs from run to run" in sentence for sentence in model.findings)


@pytest.mark.slow
def test_the_public_networks(public_data):
    denoiser = spec_of(public_data / "models" / "n2v_nhwc_dynamic.onnx")
    assert (denoiser.axes_in, denoiser.shift_step) == ("NYXC", 4)
    assert 12 <= int(denoiser.radius) <= 16
    light = spec_of(public_data / "models" / "lowlight_nchw_240x320.onnx")
    assert light.radius == 3
    # Declared as 240 x 320, which it does not need.
    assert (light.freed, light.size) == (True, (SizeRule(), SizeRule()))
