"""`microenhance inspect`: everything about a network, measured, on one screen or as JSON."""

import json
import math
import subprocess
import sys

import numpy as np
import onnx
import pytest

import coupled
import toys
from napari_microenhance import load_model
from napari_microenhance.cli import run
from napari_microenhance.models.sidecar import save_edits
from napari_microenhance.models.summary import summarise


def inspected(capfd, *arguments):
    """Return what inspect says as JSON."""
    assert run(["inspect", *map(str, arguments), "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return json.loads(out)


def lines(capfd, *arguments):
    """Return the lines of the screen."""
    assert run(["inspect", *map(str, arguments)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out.splitlines()


def test_a_unet_as_json(tmp_path, capfd):
    path = toys.unet(tmp_path / "net.onnx", depth=3)
    facts = inspected(capfd, path)
    model = load_model(path)
    assert facts["name"] == "net"
    assert facts["source"] == "net.onnx"
    assert facts["sha256"] == model.sha256
    assert facts["input"] == {
        "name": "x",
        "axes": "NCYX",
        "channels": 1,
        "dtype": "float32",
        "value_range": [0, 1],
        "value_range_source": "default",
        "intensity": None,
        "further": {},
        "batch": None,
    }
    assert facts["output"]["name"] == "y"
    assert [s["rule"] for s in facts["size"]] == ["8 + n x 8"] * 2
    assert [s["axis"] for s in facts["size"]] == ["Y", "X"]
    assert facts["radius"] == model.spec.radius
    assert facts["shift_step"] == 8
    assert facts["halo"] >= facts["radius"]
    assert facts["halo"] % 8 == 0
    assert facts["provider"]["asked"] == "auto"
    assert facts["provider"]["got"] == "cpu"
    assert facts["provider"]["parity"] is None
    assert facts["parameters"] == parameters_of(path)
    assert facts["opset"] == 17
    assert facts["bytes_per_pixel"] > 0


def parameters_of(path):
    """Count weights and offsets of all convolutions."""
    graph = onnx.load(path).graph
    learned = {name for n in graph.node if n.op_type == "Conv" for name in n.input[1:]}
    scales = 4 * sum(n.op_type == "Resize" for n in graph.node)
    return scales + sum(math.prod(t.dims) for t in graph.initializer if t.name in learned)


def test_the_useful_share_is_what_two_halos_leave(tmp_path, capfd):
    facts = inspected(capfd, toys.plain(tmp_path / "net.onnx", convs=5))
    tile, halo = facts["tile"], facts["halo"]
    assert halo == 5
    # One more pixel on each side is read to compare neighbours.
    assert facts["useful"] == pytest.approx(np.prod([(t - 2 * (halo + 1)) / t for t in tile]))


def test_a_fixed_network_that_its_reach_fills_says_so(tmp_path, capfd):
    path = toys.plain(tmp_path / "net.onnx", convs=12, shape=(1, None, 64, 64), pinned=True)
    facts = inspected(capfd, path)
    assert facts["tile"] == [64, 64]
    assert facts["useful"] == pytest.approx((38 / 64) ** 2)


def test_one_screen_of_words(tmp_path, capfd):
    path = toys.espcn(tmp_path / "net.onnx", scale=2, metadata={"microenhance.licence": "MIT"})
    said = lines(capfd, path)
    assert said[0] == "net (net.onnx)"
    text = "\n".join(said)
    for words in (
        "1 channel, float32, 0 to 1, NCYX",
        "2 times the size",
        "any",
        "2 px, halo 2 px",
        "tile efficiency",
        "cpu (onnxruntime",
        "bytes per px",
        "Licence          MIT",
        "Note             The range of its training data is unknown",
    ):
        assert words in text
    assert len(said) <= 12


def to_bytes(path):
    g = toys.Graph(1)
    return g.save(path, g.node("Mul", "x", g.constant(np.float32(255))))


def blue_first(path):
    return toys.plain(path, channels=3, metadata={"channels": "BGR"})


def with_noise_map(path):
    g = toys.Graph(4)
    return g.save(path, g.conv("x", 4, 3), channels_out=3)


def test_ranges_order_and_further_channels_as_json(tmp_path, capfd):
    facts = inspected(capfd, to_bytes(tmp_path / "a.onnx"))
    assert facts["input"]["value_range"] == [0, 1]
    assert facts["output"]["value_range"] == [0, 255]
    assert facts["output"]["value_range_source"] == "measured"
    assert (facts["freed"], facts["colour_order"], facts["extra_channels"]) == (False, "rgb", 0)
    assert {f["name"] for f in facts["findings"]} == {"value-range", "output-range"}
    assert inspected(capfd, blue_first(tmp_path / "b.onnx"))["colour_order"] == "bgr"
    assert inspected(capfd, with_noise_map(tmp_path / "c.onnx"))["extra_channels"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "words"),
    [
        (toys.valid, "cropped by 3 px before and 3 px after each axis"),
        (coupled.aligned_corners, "the whole tile; tiles overlap by 64 px and are blended"),
        (toys.instance_norm, "the whole image; seam-free (whole-image statistics)"),
        (lambda p: toys.unet(p, depth=2), "tiles start at multiples of 4 px"),
        (lambda p: toys.unet(p, depth=2), "4 + n x 4 px"),
        (lambda p: toys.plain(p, shape=(1, None, 48, 96), pinned=True), "48 x 96 px"),
        (lambda p: toys.plain(p, shape=(4, None, "h", "w")), "always 4 at a time"),
        (lambda p: toys.plain(p, scalars=("sigma",)), "sigma = 0"),
        (lambda p: toys.plain(p, channels=3, nhwc=True), "3 channels, float32, 0 to 1, NYXC"),
        (to_bytes, "same size, 0 to 255, NCYX"),
        (
            to_bytes,
            "Note             Input range 0 to 1, output range 0 to 255 (measured at 5 levels)",
        ),
        (blue_first, "3 channels, blue first, float32"),
        (with_noise_map, "4 channels (the last 1 not part of the image), float32"),
        (toys.pix2pix, "Caution          Its file states no input range"),
        (toys.instance_norm, "Note             It normalises by the mean"),
        (coupled.aligned_corners, "Caution          It normalises by the mean"),
    ],
)
def test_what_is_special_has_its_words(tmp_path, capfd, build, words):
    assert words in "\n".join(lines(capfd, build(tmp_path / "net.onnx")))


def test_labels_are_told(tmp_path, capfd):
    path = toys.plain(tmp_path / "net.onnx", metadata={"microenhance.task": "labels"})
    assert any(
        line.startswith("Output           labels from 1 channel") for line in lines(capfd, path)
    )


def test_cautions_come_before_notes(tmp_path, capfd):
    said = lines(capfd, toys.instance_norm(tmp_path / "net.onnx", scalars=("sigma",)))
    kinds = [line.split()[0] for line in said if line.startswith(("Caution", "Note"))]
    assert kinds == sorted(kinds)
    assert {"Caution", "Note"} <= set(kinds)


def test_built_in_networks_by_name(capfd):
    facts = inspected(capfd, "detail-classic")
    assert facts["source"] == "built-in"
    assert facts["radius"] > 0


def test_edits_beside_the_network_are_used(tmp_path, capfd):
    path = toys.plain(tmp_path / "net.onnx")
    save_edits(path, {"value_range": (0, 4095), "citation": "A. Author,\n2024"})
    facts = inspected(capfd, path)
    assert facts["input"]["value_range"] == [0, 4095]
    assert facts["input"]["value_range_source"] == "user"
    assert "Citation         A. Author, 2024" in lines(capfd, path)


def test_operators_by_provider_on_request(tmp_path, capfd):
    path = toys.plain(tmp_path / "net.onnx")
    assert "nodes" not in inspected(capfd, path)
    nodes = inspected(capfd, path, "--nodes")["nodes"]
    assert nodes["cpu"]["Conv"] == 2
    assert any("2 Conv" in line for line in lines(capfd, path, "--nodes"))


def test_a_provider_that_is_not_here_is_said(tmp_path, capfd):
    facts = inspected(capfd, toys.plain(tmp_path / "net.onnx"), "--provider", "coreml")
    assert facts["provider"]["asked"] == "coreml"
    assert facts["provider"]["got"] == "cpu"
    assert "not available on this machine" in facts["provider"]["remarks"][0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.onnx"], "There is no model"),
        (["{net}", "--provider", "abacus"], "provider='abacus' is not one of"),
        (["{classifier}"], "classifier"),
        (["{text}", "--json"], "not an ONNX file"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_used_is_exit_2_and_one_line(tmp_path, capfd, arguments, words):
    names = {
        "net": tmp_path / "net.onnx",
        "classifier": tmp_path / "c.onnx",
        "text": tmp_path / "t",
    }
    toys.plain(names["net"])
    toys.classifier(names["classifier"])
    names["text"].write_bytes(b"\xff" * 99)
    assert run(["inspect", *(a.format(**names) for a in arguments)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


def test_a_network_that_fits_into_no_memory_is_still_told(tmp_path, monkeypatch):
    model = load_model(toys.plain(tmp_path / "net.onnx"))
    monkeypatch.setattr("napari_microenhance.engine.tiles.sizing.memory_budget", lambda _: 1000)
    facts = summarise(model)
    assert facts["tile"] is None
    assert "needs about" in facts["no_tile"]


# Not ru_maxrss: a child begins with its parent's, and the parent here is all of pytest.
PEAK = """
import re, sys
from pathlib import Path
from napari_microenhance.cli import run
status = run(["inspect", sys.argv[1], "--json"])
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
print("PEAK", peak.group(1), file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.slow
def test_a_network_of_50_mb_needs_less_than_a_gigabyte(tmp_path):
    """A U-Net of 13 million parameters, as they come."""
    g = toys.Graph(1)
    x, cin, skips = "x", 1, []
    for width in (40, 80, 160, 320):
        x = g.relu(g.conv(g.relu(g.conv(x, cin, width)), width, width))
        skips.append((x, width))
        x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
        cin = width
    x, cin = g.relu(g.conv(g.relu(g.conv(x, cin, 640)), 640, 640)), 640
    for skip, width in reversed(skips):
        x = g.node("Concat", g.conv(g.up(x), cin, width), skip, axis=1)
        x = g.relu(g.conv(g.relu(g.conv(x, 2 * width, width)), width, width))
        cin = width
    path = g.save(tmp_path / "net.onnx", g.conv(x, cin, 1, 1))
    assert path.stat().st_size > 50e6
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.rpartition("PEAK")[2]) < 1_000_000  # kB
    assert json.loads(done.stdout)["parameters"] > 13e6
