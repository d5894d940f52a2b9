"""Every file of a built-in network: what its metadata says is measured, and its tiles fit."""

import numpy as np
import pytest

import toys
from napari_microenhance import Options, enhance, list_models, load_model
from napari_microenhance.engine.probing.probe import probe
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL
from napari_microenhance.models import catalogue
from napari_microenhance.models.graph import read_graph

MEASURED = (
    "activation",
    "axes_in",
    "axes_out",
    "border_loss",
    "channels_in",
    "channels_out",
    "dtype",
    "radius",
    "scale",
    "shift_step",
    "size",
)
BUILTIN = [info for info in list_models() if info.source == "built-in"]
FILES = [(info.name, "auto") for info in BUILTIN]
FILES += [(info.name, "int8") for info in BUILTIN if info.int8]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision"), FILES)
def test_the_metadata_is_what_the_probe_measures(name, precision):
    model = load_model(name).at(precision)
    session = Session(model.path, name=name)
    measured = probe(session, {"name": name, "task": model.spec.task}).spec
    assert measured.radius != GLOBAL
    for field in MEASURED:
        assert getattr(model.spec, field) == getattr(measured, field), field
    quantised = read_graph(model.path, name).quantised
    assert model.spec.precision == ("int8" if quantised else "float32")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision"), FILES)
def test_tiles_equal_the_whole_image(name, precision, rng):
    model = load_model(name).at(precision)
    spec = model.spec
    lengths = (150, 190)
    step = int(np.lcm(spec.size[0].step, spec.shift_step))
    halo = -(-int(spec.radius) // step) * step
    shape = tuple(rule.round_up(2 * halo + n) for rule, n in zip(spec.size, lengths, strict=True))
    image = rng.random(shape, np.float32)
    options = Options(intensity="none", precision=precision, dtype="float32", tile=2 * halo + 128)
    result = enhance(image, name, options=options)
    assert result.report.plan["tiles"] > 1
    whole = model.session("cpu").run(image[None, None], spec)[0, 0]
    span = spec.value_range[1] - spec.value_range[0]
    assert np.abs(result.pixels - whole).max() <= 1e-5 * span


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of built-in networks, empty."""
    folder = tmp_path / "builtin"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    return folder


def keys(**more):
    common = {"task": "image", "value_range": "0,1", "size_minimum": "1", "size_step": "1"}
    return {f"microenhance.{k}": v for k, v in {**common, **more}.items()}


def upscaling(path):
    g = toys.Graph(1)
    g.save(
        path,
        g.up(g.conv("x", 1, 1)),
        shape_out=("n", None, "h2", "w2"),
        metadata=keys(radius="1", shift_step="1", scale="2", intensity="percentile"),
    )


def segmenting(path):
    g = toys.Graph(3)
    g.save(
        path,
        g.node("Sigmoid", g.conv("x", 3, 1, pad=0)),
        channels_out=1,
        shape_out=("n", None, "h2", "w2"),
        metadata=keys(
            task="labels",
            radius="1",
            shift_step="1",
            border_loss="1,1",
            threshold="0.4",
            size_minimum="3",
            activation="none",
        ),
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (upscaling, {"scale": 2.0, "radius": 1, "intensity": "percentile", "task": "image"}),
        (
            segmenting,
            {
                "task": "labels",
                "channels_in": 3,
                "channels_out": 1,
                "border_loss": (1, 1),
                "threshold": 0.4,
            },
        ),
    ],
)
def test_a_built_in_network_may_be_of_any_kind(shelf, make, expected):
    make(shelf / "new.onnx")
    spec = load_model("new").spec
    assert {field: getattr(spec, field) for field in expected} == expected
    measured = probe(Session(shelf / "new.onnx", name="new"), {"name": "new", "task": spec.task})
    for field in set(MEASURED) - {"size"}:
        assert getattr(spec, field) == getattr(measured.spec, field), field
