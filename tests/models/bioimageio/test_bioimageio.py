"""BioImage.IO packages: read, run, verified, refused, and written."""

import json
import zipfile

import numpy as np
import pytest

import toys
from handmade import Package, cut_off, pair_of
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.engine.spec import SizeRule
from napari_microenhance.engine.steps.processing import (
    EnsureDtype,
    ScaleLinear,
    ZeroMeanUnitVariance,
)
from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models.bioimageio.package_file import read_package


@pytest.fixture(autouse=True)
def _no_network(tmp_path, monkeypatch):
    cut_off(tmp_path, monkeypatch)


@pytest.fixture
def net(tmp_path):
    """Return a network of radius 2."""
    return toys.plain(tmp_path / "net.onnx")


@pytest.fixture
def image(rng):
    """Return an image whose brightness grows from one end to the other."""
    ramp = np.linspace(100, 4000, 150)[:, None] * np.ones(130)
    return (ramp + rng.normal(0, 50, ramp.shape)).clip(0).astype(np.uint16)


def whole(path, image):
    """Run the network once on the whole (Y, X) image."""
    return toys.run_whole(path, image[None])[0]


FORMATS = {"0.4": Package.old, "0.5": Package.new}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", ["zip", "zip in a folder", "folder", "yaml"])
def test_a_package_is_read_from_wherever_it_lies(tmp_path, net, form, kind):
    package = FORMATS[form](Package(net))
    package.seal()
    path = {
        "zip": lambda: package.zip(tmp_path / "p.zip"),
        "zip in a folder": lambda: package.zip(tmp_path / "p.zip", inside="top/"),
        "folder": lambda: package.folder(tmp_path / "p"),
        "yaml": lambda: package.folder(tmp_path / "p", "bioimageio.yaml") / "bioimageio.yaml",
    }[kind]()
    model = load_model(path)
    assert model.name == "A network of ours"
    assert model.source == path.name
    assert model.card == "# A card\n"
    assert model.spec.licence == "MIT"
    assert model.spec.citation == "Somebody 2020 https://doi.org/10.1000/182"
    assert (model.spec.radius, model.spec.scale) == (2, 1)
    assert model.findings == ()
    assert len(model.sha256) == 64
    assert model.verify().max_abs_difference < 1e-6
    assert model.verify().shape == (1, 1, 32, 32)


OLD_STEPS = [
    (
        {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "xy"}},
        ZeroMeanUnitVariance(per_channel=True),
    ),
    (
        {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "xyc"}},
        ZeroMeanUnitVariance(per_channel=False),
    ),
    (
        {"name": "scale_linear", "kwargs": {"gain": 2.0, "offset": [1.0], "axes": "xy"}},
        ScaleLinear((2.0,), (1.0,)),
    ),
]
NEW_STEPS = [
    (
        {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}},
        ZeroMeanUnitVariance(per_channel=True),
    ),
    ({"id": "zero_mean_unit_variance"}, ZeroMeanUnitVariance(per_channel=False)),
    (
        {"id": "scale_linear", "kwargs": {"gain": [2.0], "offset": [1.0], "axis": "channel"}},
        ScaleLinear((2.0,), (1.0,)),
    ),
]


@pytest.mark.parametrize(
    ("form", "raw", "wanted"),
    [("0.4", *pair) for pair in OLD_STEPS] + [("0.5", *pair) for pair in NEW_STEPS],
)
def test_steps_are_read_from_both_formats(tmp_path, net, form, raw, wanted):
    path = FORMATS[form](Package(net), before=[raw]).folder(tmp_path / "p")
    steps = read_package(path).preprocessing
    assert steps[0] == EnsureDtype("float32")
    assert wanted in steps


def test_fixed_numbers_of_format_0_4_get_their_eps(tmp_path, net):
    raw = {
        "name": "zero_mean_unit_variance",
        "kwargs": {"mode": "fixed", "axes": "xy", "mean": [3.0], "std": [2.0], "eps": 0.1},
    }
    path = Package(net).old(before=[raw]).folder(tmp_path / "p")
    (_, step) = read_package(path).preprocessing
    assert (step.mean, step.std) == ((3.0,), (2.1,))


@pytest.mark.parametrize("tile", [40, 64, "auto"])
def test_statistics_are_of_the_whole_image_whatever_the_tile(tmp_path, net, image, tile):
    before = [{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["y", "x"]}}]
    model = load_model(Package(net).new(before=before).zip(tmp_path / "p.zip"))
    exact = image.astype(np.float64)
    seen = ((exact - exact.mean()) / (exact.std() + 1e-6)).astype(np.float32)
    wanted = whole(net, seen)
    options = Options(dtype="float32", tile=tile)
    result = enhance(image, model, options=options)
    assert np.abs(result.pixels - wanted).max() <= 1e-5
    part = np.zeros(image.shape, bool)
    part[20:60, 30:90] = True
    cut = enhance(image, model, roi=part, options=options)
    np.testing.assert_allclose(cut.patch, wanted[20:60, 30:90], atol=1e-5)
    assert (cut.pixels[~part] == image[~part]).all()


def test_each_channel_has_its_own_statistics_or_all_share_them(tmp_path, rng):
    net = toys.plain(tmp_path / "net.onnx", channels=2)
    image = rng.random((60, 50, 2)) * [100, 3000]
    image = np.moveaxis(image, -1, 0).astype(np.float32)
    for number, axes in enumerate((["y", "x"], ["channel", "y", "x"])):
        package = Package(net, pair_of(net, (1, 2, 32, 32)))
        before = [{"id": "scale_range", "kwargs": {"axes": axes, "max_percentile": 99.0}}]
        model = load_model(package.new(before=before).folder(tmp_path / f"p{number}"))
        over = (1, 2) if number == 0 else None
        low, high = (np.percentile(image, q, axis=over, keepdims=True) for q in (0, 99))
        wanted = toys.run_whole(net, ((image - low) / (high - low + 1e-6)).astype(np.float32))
        got = enhance(image, model, axes="CYX", options=Options(tile=40)).pixels
        assert np.abs(got - wanted).max() <= 1e-5


def test_a_stack_is_one_image(tmp_path, net, rng):
    stack = (rng.random((3, 40, 40)) * np.array([100, 1000, 3000])[:, None, None]).astype("f4")
    before = [{"id": "scale_range", "kwargs": {"axes": ["y", "x"]}}]
    model = load_model(Package(net).new(before=before).folder(tmp_path / "p"))
    seen = (stack - stack.min()) / (np.ptp(stack) + 1e-6)
    got = enhance(stack, model, axes="TYX").pixels
    for plane, result in zip(seen, got, strict=True):
        assert np.abs(whole(net, plane) - result).max() <= 1e-5


@pytest.mark.parametrize("tile", [40, "auto"])
def test_the_output_is_scaled_back_with_statistics_of_all_of_it(tmp_path, net, image, tile):
    before = [{"id": "zero_mean_unit_variance"}]
    after = [{"id": "scale_mean_variance", "kwargs": {"reference_tensor": "raw"}}]
    model = load_model(Package(net).new(before=before, after=after).zip(tmp_path / "p.zip"))
    exact = image.astype(np.float64)
    out = whole(net, ((exact - exact.mean()) / exact.std()).astype(np.float32))
    wanted = (out - out.mean()) / out.std() * exact.std() + exact.mean()
    options = Options(dtype="float32", tile=tile)
    part = np.zeros(image.shape, bool)
    part[20:60, 30:90] = True
    span = np.ptp(wanted)
    for roi, inside in ((None, wanted), (part, wanted[20:60, 30:90])):
        result = enhance(image, model, roi=roi, options=options)
        assert np.abs(result.patch - inside).max() <= 1e-5 * span


def test_the_report_tells_the_packages_steps_and_numbers(tmp_path, net, image):
    before = [{"id": "scale_range", "kwargs": {"max_percentile": 99.0}}]
    after = [{"id": "scale_linear", "kwargs": {"gain": 1000.0}}]
    model = load_model(Package(net).new(before=before, after=after).folder(tmp_path / "p"))
    result = enhance(image, model, options=Options(intensity="minmax"))
    record = json.loads(json.dumps(result.report.to_dict()))
    assert record["intensity"]["source"] == "package"
    (steps,) = record["intensity"]["steps"]
    assert steps["before"][1]["high"] == [pytest.approx(np.percentile(image, 99), rel=1e-6)]
    assert steps["after"][0]["gain"] == [1000.0]
    assert any("intensity is ignored" in line for line in record["warnings"])
    assert any("dtype=float32 keeps them" in line for line in record["warnings"])
    assert result.pixels.dtype == image.dtype
    assert record["model"]["sha256"] == model.sha256


def test_the_result_is_rounded_and_clipped_to_the_images_type(tmp_path, net, rng):
    image = rng.integers(0, 256, (40, 40), dtype=np.uint8)
    before = [{"id": "scale_linear", "kwargs": {"gain": 0.1}}]
    after = [{"id": "scale_linear", "kwargs": {"gain": 50.0}}]
    model = load_model(Package(net).new(before=before, after=after).folder(tmp_path / "p"))
    exact = whole(net, image * np.float32(0.1)) * 50
    result = enhance(image, model)
    wanted = np.rint(exact).clip(0, 255)
    assert (np.abs(result.pixels.astype(float) - wanted) <= 1).all()
    assert result.report.clipped > 0
    assert abs(result.report.clipped - ((exact < -0.5) | (exact > 255.5)).sum()) < 5


def test_an_image_of_another_type_than_expected_is_said(tmp_path, net, image):
    package = Package(net).new()
    package.entry["inputs"][0]["data"]["type"] = "uint8"
    model = load_model(package.folder(tmp_path / "p"))
    warnings = enhance(image, model).report.warnings
    assert any("expects uint8, the image is uint16" in line for line in warnings)
    as_bytes = enhance((image // 16).astype(np.uint8), model).report.warnings
    assert not any("expects" in line for line in as_bytes)


def test_colours_stay_only_where_a_result_has_the_units_of_the_image(tmp_path, net, rng):
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    back = [{"id": "scale_linear", "kwargs": {"gain": 255.0}}]
    there = [{"id": "scale_linear", "kwargs": {"gain": 1 / 255}}]
    kept = load_model(Package(net).new(before=there, after=back).folder(tmp_path / "a"))
    plain = load_model(net)
    np.testing.assert_allclose(
        enhance(image, kept).pixels.astype(int), enhance(image, plain).pixels.astype(int), atol=1
    )
    other = load_model(Package(net).new(before=there).folder(tmp_path / "b"))
    apart = enhance(image, other, options=Options(dtype="float32")).pixels
    for c in range(3):
        np.testing.assert_allclose(apart[..., c], whole(net, image[..., c] / 255), atol=1e-5)


def test_probabilities_of_a_package_become_labels(tmp_path, net, rng):
    image = rng.random((40, 40)).astype(np.float32)
    after = [{"id": "sigmoid"}]
    model = load_model(Package(net).new(after=after).folder(tmp_path / "p"))
    assert (model.spec.task, model.spec.activation) == ("labels", "none")
    wanted = 1 / (1 + np.exp(-whole(net, image)))
    got = enhance(image, model, options=Options(dtype="float32")).pixels
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    labels = enhance(image, model).pixels
    assert labels.dtype == np.uint8
    assert (labels != (wanted >= 0.5)).mean() < 0.01


def test_verify_fails_when_the_weights_were_changed(tmp_path, net):
    package = Package(net).new()
    assert load_model(package.folder(tmp_path / "right")).verify().max_abs_difference < 1e-6
    other = toys.plain(tmp_path / "other.onnx", seed=1)
    package.files["weights.onnx"] = other.read_bytes()
    assert load_model(package.folder(tmp_path / "wrong")).verify().max_abs_difference > 0.01


def test_verify_takes_an_output_without_its_wrong_border(tmp_path, net):
    package = Package(net).new()
    package.pair[1] = package.pair[1][:, :, 2:-2, 2:-2]
    assert load_model(package.folder(tmp_path / "p")).verify().shape == (1, 1, 28, 28)


def test_verify_needs_test_tensors_that_fit(tmp_path, net):
    with pytest.raises(ModelError, match=r"is not from a BioImage\.IO package"):
        load_model(net).verify()
    package = Package(net).new()
    package.pair[1] = np.zeros((1, 1, 99, 99), np.float32)
    with pytest.raises(ModelError, match=r"has the shape \(1, 1, 99, 99\)"):
        load_model(package.folder(tmp_path / "large")).verify()
    package.pair[1] = np.zeros((32, 32), np.float32)
    with pytest.raises(ModelError, match=r"test output .* has 2 axes"):
        load_model(package.folder(tmp_path / "flat")).verify()
    folder = package.folder(tmp_path / "text")
    (folder / "out.npy").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"out\.npy is not a readable \.npy file"):
        load_model(folder).verify()
    with (folder / "out.npy").open("wb") as file:  # says more than it holds
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (1, 1, 60000, 60000)}
        )
    with pytest.raises(ModelError, match="not a readable"):
        load_model(folder).verify()
    np.save(folder / "out.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ModelError, match="not a readable"):
        load_model(folder).verify()


def test_only_what_is_used_is_looked_at(tmp_path, net, monkeypatch):
    package = Package(net).new()
    package.entry |= {
        "parent": {"id": "affable-shark"},
        "training_data": {"id": "ilastik/some-data"},
        "covers": ["https://example.org/cover.png"],
        "attachments": [{"source": "https://example.org/evil.sh"}],
        "authors": "not a list",
        "run_mode": 7,
    }
    package.entry["inputs"][0] |= {
        "output_of": "affable-shark",
        "sample_tensor": {"source": "https://example.org/sample.tif"},
    }
    package.entry["inputs"][0]["test_tensor"] = {"source": "https://example.org/in.npy"}
    package.entry["weights"] |= {
        "pytorch_state_dict": {"source": "https://example.org/weights.pt"},
        "torchscript": {"source": "missing.pt", "sha256": "0" * 64},
    }
    package.entry["weights"]["onnx"]["parent"] = "pytorch_state_dict"
    path = package.zip(tmp_path / "p.zip")
    model = load_model(path)
    assert model.spec.radius == 2
    with pytest.raises(ModelError, match="has no test tensors"):
        model.verify()
    cached = {p.name for p in (tmp_path / "cache" / "packages").rglob("*") if p.is_file()}
    assert cached == {"rdf.yaml", "weights.onnx", "README.md"}


BAD = {
    "wrong sha256": (
        lambda p: p.entry["weights"]["onnx"].update(sha256="0" * 64),
        r"weights\.onnx in the package .* is not the file that its description names",
    ),
    "wrong sha256 of a test tensor": (
        lambda p: p.entry["inputs"][0]["test_tensor"].update(sha256="0" * 64),
        r"in\.npy in the package .* names",
    ),
    "no onnx": (
        lambda p: p.entry.update(
            weights={"torchscript": {"source": "w.pt"}, "tensorflow_js": {"source": "w.zip"}}
        ),
        r"has no ONNX weights \(it has: torchscript, tensorflow_js\)",
    ),
    "no weights": (lambda p: p.entry.pop("weights"), r"has no ONNX weights \(it has: none\)"),
    "weights elsewhere": (
        lambda p: p.entry["weights"]["onnx"].update(source="https://example.org/w.onnx"),
        "only a link to it",
    ),
    "weights missing": (
        lambda p: p.entry["weights"]["onnx"].update(source="other.onnx"),
        r"has no file 'other\.onnx'",
    ),
    "weights outside": (
        lambda p: p.entry["weights"]["onnx"].update(source="../net.onnx"),
        "has no file|does not follow its format",
    ),
    "weights by an absolute path": (
        lambda p: p.entry["weights"]["onnx"].update(source="/etc/passwd"),
        "has no file|does not follow its format",
    ),
    "code": (
        lambda p: p.entry["outputs"][0].update(
            postprocessing=[{"id": "custom", "callable": "f", "source": "f.py", "sha256": "0" * 64}]
        ),
        r"'custom' with code of its own \(f\.py\); code in packages is never run",
    ),
    "another program's step": (
        lambda p: p.entry["outputs"][0].update(
            postprocessing=[
                {
                    "id": "cellpose_flow_dynamics",
                    "kwargs": {"cellprob_threshold": 0.0, "flow_threshold": 0.4, "do_3D": False},
                }
            ]
        ),
        "cellpose_flow_dynamics",
    ),
    "rows on their own": (
        lambda p: p.entry["inputs"][0].update(
            preprocessing=[{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["x"]}}]
        ),
        "treats every position along Y separately",
    ),
    "two images": (
        lambda p: p.entry["inputs"].append(
            {**p.entry["inputs"][0], "id": "mask", "test_tensor": {"source": "in.npy"}}
        ),
        r"takes 2 images \(raw, mask\)",
    ),
    "time": (
        lambda p: p.entry["inputs"][0]["axes"].insert(1, {"type": "time", "id": "time", "size": 3}),
        "has the axis 'time'",
    ),
    "no channels": (
        lambda p: [t["axes"].pop(1) for t in (p.entry["inputs"][0], p.entry["outputs"][0])],
        "has no channel axis",
    ),
    "no image comes out": (
        lambda p: p.entry["outputs"][0].update(
            axes=[{"type": "batch"}, {"type": "index", "id": "index", "size": 4}]
        ),
        "outputs no image but denoised",
    ),
    "not a model": (lambda p: p.entry.update(type="dataset"), "describes a dataset"),
    "an unknown format": (
        lambda p: p.entry.update(format_version="0.9.0"),
        r"has the format 0\.9\.0; supported are 0\.4 and 0\.5",
    ),
    "no format": (lambda p: p.entry.pop("format_version"), "has the format of no version"),
    "nonsense": (
        lambda p: p.entry["inputs"][0].update(axes="what"),
        r"does not follow its format: inputs",
    ),
    "steps that are no list": (
        lambda p: p.entry["inputs"][0].update(preprocessing=7),
        "does not follow its format",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_what_cannot_be_used_is_refused_in_one_sentence(tmp_path, net, name, kind):
    package = Package(net).new()
    spoil_it, sentence = BAD[name]
    spoil_it(package)
    path = package.zip(tmp_path / "p.zip") if kind == "zip" else package.folder(tmp_path / "p")
    with pytest.raises(ModelError, match=sentence) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a: [1, 2", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"- just\n- a list\n", "is not the description"),
        (b"[" * 5000, "is not valid YAML|is not the description"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefg"
            ),
            "is not the description",
        ),
    ],
)
def test_a_description_that_is_none_is_said(tmp_path, net, text, sentence):
    folder = Package(net).new().folder(tmp_path / "p")
    (folder / "rdf.yaml").write_bytes(text)
    with pytest.raises(ModelError, match=sentence):
        load_model(folder)


def test_a_package_without_a_description_is_said(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("net.onnx", b"x")
    with pytest.raises(ModelError, match=r"p\.zip is a zip without the description"):
        load_model(tmp_path / "p.zip")
    with pytest.raises(FileMissingError, match=r"none\.zip"):
        load_model(tmp_path / "none.zip")
    with pytest.raises(FileMissingError, match=r"rdf\.yaml"):
        load_model(tmp_path / "rdf.yaml")


def test_a_missing_reader_is_named_with_the_extra(tmp_path, net, monkeypatch):
    path = Package(net).new().folder(tmp_path / "p")
    monkeypatch.setitem(__import__("sys").modules, "bioimageio.spec.utils", None)
    with pytest.raises(ModelError, match=r"pip install 'napari-microenhance\[bioimageio\]'"):
        load_model(path)


@pytest.mark.slow
def test_what_the_measurements_refute_is_said_and_not_used(tmp_path):
    net = toys.unet(tmp_path / "unet.onnx", depth=2)
    package = Package(net).new()
    for axis in package.entry["outputs"][0]["axes"][2:]:
        axis |= {"halo": 4, "scale": 0.5}
    for axis in package.entry["inputs"][0]["axes"][2:]:
        axis["size"] = {"min": 30, "step": 2}
    measured = load_model(net).spec
    model = load_model(package.folder(tmp_path / "p"))
    assert (model.spec.size, model.spec.scale) == (measured.size, 1.0)
    assert model.spec.radius == measured.radius
    said = " ".join(model.findings)
    assert "states 2.0 for the scale, but 1.0 was measured" in said
    assert "states a size of 30 + n x 2 px along Y, but 4 + n x 4 was measured" in said
    assert f"halo of 4 px is enough, but the receptive field is {measured.radius} px" in said


def test_axes_that_the_graph_refutes_are_measured(tmp_path):
    net = toys.plain(tmp_path / "net.onnx", nhwc=True)
    pair = [np.ones((1, 1, 32, 32), np.float32)] * 2
    model = load_model(Package(net, pair).new().folder(tmp_path / "p"))
    assert model.spec.axes_in == model.spec.axes_out == "NYXC"
    assert any("states NCYX for the axes of the input, but NYXC" in s for s in model.findings)


def test_right_claims_are_not_contradicted(tmp_path):
    net = toys.espcn(tmp_path / "net.onnx", scale=2)
    package = Package(net).new()
    for axis in package.entry["outputs"][0]["axes"][2:]:
        axis |= {"halo": 8, "scale": 0.5}
    for axis in package.entry["inputs"][0]["axes"][2:]:
        axis["size"] = {"min": 32, "step": 16}
    model = load_model(package.folder(tmp_path / "p"))
    assert model.spec.size == (SizeRule(), SizeRule())
    assert model.findings == ()


def test_what_the_user_says_wins(tmp_path, net):
    path = Package(net).new(after=[{"id": "sigmoid"}]).folder(tmp_path / "p")
    model = load_model(path, name="mine", task="image", value_range=(-1.0, 1.0))
    assert (model.name, model.spec.task) == ("mine", "image")
    assert model.spec.value_range == (-1.0, 1.0)


def test_the_command_verifies(tmp_path, net, capsys):
    package = Package(net).new()
    path = package.zip(tmp_path / "p.zip")
    assert run(["verify", str(path)]) == 0
    assert "within 0" in capsys.readouterr().out
    package.files["weights.onnx"] = toys.plain(tmp_path / "other.onnx", seed=1).read_bytes()
    assert run(["verify", str(package.zip(tmp_path / "q.zip"))]) == 2
    assert "differs by" in capsys.readouterr().err
    assert run(["verify", str(net)]) == 2
    assert "no test tensors" in capsys.readouterr().err


def deep(entry):
    """Give the tensors of a description a z axis like its y axis."""
    for tensor in (entry["inputs"][0], entry["outputs"][0]):
        z = {**tensor["axes"][2], "id": "z"}
        if "tensor_id" in z["size"]:
            z["size"] = {**z["size"], "axis_id": "z"}
        tensor["axes"].insert(2, z)


def test_a_volume_has_statistics_of_all_of_it(tmp_path, rng):
    g = toys.Graph()
    inner = g.soft(g.conv("x", 1, 3, rank=3))
    net = g.save(tmp_path / "v.onnx", g.conv(inner, 3, 1, rank=3), shape=("n", None, "d", "h", "w"))
    package = Package(net, pair_of(net, (1, 1, 16, 16, 16))).new(
        before=[{"id": "zero_mean_unit_variance", "kwargs": {"axes": ["z", "y", "x"]}}],
        after=[{"id": "scale_mean_variance", "kwargs": {"reference_tensor": "raw"}}],
    )
    deep(package.entry)
    model = load_model(package.folder(tmp_path / "p"))
    assert (model.spec.axes_in, model.findings) == ("NCZYX", ())
    image = rng.integers(0, 3000, (12, 40, 50)).astype(np.uint16)
    exact = image.astype(np.float64)
    seen = ((exact - exact.mean()) / exact.std()).astype(np.float32)
    out = toys.run_whole(net, seen[None])[0]
    wanted = (out - out.mean()) / out.std() * exact.std() + exact.mean()
    options = Options(dtype="float32", tile=24)
    result = enhance(image, model, axes="ZYX", options=options)
    assert np.abs(result.pixels - wanted).max() <= 1e-5 * np.ptp(wanted)
    seen_part = enhance(image, model, axes="ZYX", options=options, window=((10, 30), (5, 25)))
    np.testing.assert_array_equal(seen_part.patch, result.pixels[:, 10:30, 5:25])


def test_numbers_per_channel_meet_the_channels_of_the_network(tmp_path, rng):
    net = toys.unet(tmp_path / "c.onnx", channels=3)
    kwargs = {"mean": [1.0, 2.0, 3.0], "std": [2.0, 3.0, 4.0], "axis": "channel"}
    before = [{"id": "fixed_zero_mean_unit_variance", "kwargs": kwargs}]
    gain = [1.0, 5.0, 9.0]
    after = [{"id": "scale_linear", "kwargs": {"gain": gain, "axis": "channel"}}]
    package = Package(net, pair_of(net, (1, 3, 32, 32))).new(before=before, after=after)
    model = load_model(package.folder(tmp_path / "p"))
    image = (rng.random((40, 40)) * 5).astype(np.float32)  # grey, shown three times
    seen = np.stack([(image - m) / s for m, s in zip(kwargs["mean"], kwargs["std"], strict=True)])
    weights = np.array([0.299, 0.587, 0.114]) * gain
    wanted = np.tensordot(weights, toys.run_whole(net, seen), axes=1)
    np.testing.assert_allclose(enhance(image, model).pixels, wanted, atol=1e-5)
