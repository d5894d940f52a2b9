"""export_package(): any network as a package that tests itself."""

import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from bioimageio.spec import load_description

import toys
from handmade import Package, cut_off
from napari_microenhance import Options, enhance, load_model
from napari_microenhance.cli import run
from napari_microenhance.errors import ModelError, OutputError
from napari_microenhance.models.bioimageio.exported import PROJECT_URL
from napari_microenhance.models.bioimageio.packing import export_package

BUILTIN = "detail-classic"


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


def to_bytes(path):
    """A network that takes 0 to 1 and gives 0 to 255."""
    g = toys.Graph(1)
    kernel = np.zeros((1, 1, 3, 3), np.float32)
    kernel[0, 0, 1] = 85
    x = g.node("Conv", "x", g.constant(kernel), pads=[1] * 4)
    return g.save(path, g.node("Add", x, g.constant(np.float32(1))))


NETWORKS = {
    "plain": lambda path: toys.plain(path),
    "wide range": lambda path: toys.plain(path, metadata={"microenhance.value_range": "-1,1"}),
    "0 to 255": lambda path: toys.plain(path, metadata={"microenhance.value_range": "0,255"}),
    "colour": lambda path: toys.unet(path, channels=3),
    "super-resolution": lambda path: toys.espcn(path, scale=3),
    "valid": lambda path: toys.valid(path),
    "channels last": lambda path: toys.plain(path, nhwc=True),
    "bytes": lambda path: toys.plain(path, dtype="uint8"),
    "half": lambda path: toys.plain(path, dtype="float16"),
    "global": lambda path: toys.instance_norm(path),
    "fixed": lambda path: toys.pix2pix(path, size=96, depth=3),
    "declared size": lambda path: toys.plain(path, shape=(1, None, 64, 48)),
    "to bytes": to_bytes,
    "blue first": lambda path: toys.plain(
        path, channels=3, metadata={"microenhance.colour_order": "bgr"}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, BUILTIN])
def test_an_exported_package_is_valid_and_gives_the_same(tmp_path, name):
    source = BUILTIN if name == BUILTIN else NETWORKS[name](tmp_path / "network.onnx")
    model = load_model(source)
    out = export_package(model, tmp_path / "out.zip")
    with zipfile.ZipFile(out) as archive:
        # A link that bioimageio.spec would look up if it did not know it.
        known = {PROJECT_URL: None}
        described = load_description(archive, perform_io_checks=True, known_files=known)
    assert described.type == "model"
    assert described.validation_summary.status == "valid-format"
    assert {d.status for d in described.validation_summary.details} == {"passed"}
    again = load_model(out)
    assert again.verify().max_abs_difference <= 1e-4
    assert again.verify().largest > 1e-3
    for field in ("radius", "size", "scale", "axes_in", "axes_out", "border_loss", "licence"):
        assert getattr(again.spec, field) == getattr(model.spec, field), field
    assert not [s for s in again.findings if "The package states" in s]
    channels = model.spec.channels_in
    shape = (100, 100, 3) if channels == 3 else (100, 100)
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    first, second = (enhance(image, m).pixels.astype(int) for m in (model, again))
    assert np.abs(first - second).max() <= 1


def test_an_exported_segmentation_network_gives_the_same_labels(tmp_path, rng):
    net = toys.plain(tmp_path / "network.onnx")
    model = load_model(net, task="labels")
    assert model.spec.activation == "sigmoid"
    again = load_model(export_package(model, tmp_path / "out.zip"))
    assert again.spec.task == "labels"
    assert again.verify().max_abs_difference <= 1e-4
    image = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    options = Options(dtype="float32")
    first, second = (enhance(image, m, options=options).pixels for m in (model, again))
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.slow
def test_an_exported_volume_network_is_valid(tmp_path):
    g = toys.Graph()
    net = g.save(tmp_path / "v.onnx", g.conv("x", 1, 1, rank=3), shape=("n", None, "d", "h", "w"))
    again = load_model(export_package(load_model(net), tmp_path / "out.zip"))
    assert again.spec.axes_in == "NCZYX"
    assert again.verify().max_abs_difference <= 1e-4


@pytest.mark.slow
def test_a_package_is_exported_with_its_own_steps(tmp_path, net, image):
    before = [
        {"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": 1.0}},
        {"id": "clip", "kwargs": {"min": 0.0, "max": 2.0}},
    ]
    after = [{"id": "scale_range", "kwargs": {"reference_tensor": "raw"}}]
    model = load_model(Package(net).new(before=before, after=after).folder(tmp_path / "p"))
    again = load_model(export_package(model, tmp_path / "out.zip"))
    assert again.spec.citation.endswith("10.1000/182")
    assert [s.id for s in again.spec.preprocessing if s.id != "ensure_dtype"] == [
        "scale_range",
        "clip",
    ]
    options = Options(dtype="float32")
    first, second = (enhance(image, m, options=options).pixels for m in (model, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_public_networks_survive_the_round_trip(tmp_path, public_data):
    for path in sorted((public_data / "models").glob("*.onnx")):
        again = load_model(export_package(load_model(path), tmp_path / f"{path.stem}.zip"))
        assert again.verify().max_abs_difference <= 1e-4


def test_weights_in_a_second_file_are_found_in_a_package_and_packaged_as_one(tmp_path, net):
    model = onnx.load(net)
    path = tmp_path / "apart" / "weights.onnx"
    path.parent.mkdir()
    onnx.save(model, path, save_as_external_data=True, location="w.data", size_threshold=0)
    package = Package(net).new()
    package.files |= {f.name: f.read_bytes() for f in path.parent.iterdir()}
    entry = package.entry["weights"]["onnx"]
    entry["external_data"] = {"source": "w.data"}
    assert load_model(package.zip(tmp_path / "p.zip")).verify().max_abs_difference < 1e-6
    entry["external_data"]["sha256"] = "0" * 64
    with pytest.raises(ModelError, match=r"w\.data in the package .* names"):
        load_model(package.zip(tmp_path / "q.zip"))
    out = export_package(load_model(path), tmp_path / "out.zip")
    assert load_model(out).verify().max_abs_difference <= 1e-4
    with zipfile.ZipFile(out) as archive:
        assert "w.data" not in archive.namelist()


def test_what_a_description_cannot_say_moves_into_the_network(tmp_path, rng):
    g = toys.Graph()
    scaled = g.node("Mul", g.conv("x", 1, 1), "s")
    wide = g.node("Concat", g.conv("x", 1, 2), scaled, axis=1)
    other = g.node("Identity", g.conv("x", 1, 1))
    net = g.save(tmp_path / "network.onnx", wide, channels_out=3, scalars=("s",), others=(other,))
    model = load_model(net, constants=(("s", 2.0),), output="y", output_channels=(2,))
    again = load_model(export_package(model, tmp_path / "out.zip"))
    assert again.findings == ()
    assert (again.spec.constants, again.spec.output_channels) == ((), ())
    assert again.verify().max_abs_difference <= 1e-4
    image = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    first, second = (enhance(image, m).pixels.astype(int) for m in (model, again))
    assert np.abs(first - second).max() <= 1
    assert np.ptp(first) > 5


def test_a_network_that_gives_only_zeros_is_not_exported(tmp_path):
    dead = toys.Graph()
    zero = dead.node("Mul", dead.conv("x", 1, 1), dead.constant(np.float32(0)))
    with pytest.raises(ModelError, match="outputs only zeros"):
        export_package(load_model(dead.save(tmp_path / "dead.onnx", zero)), tmp_path / "out.zip")
    assert not list(tmp_path.glob("*out*"))


def test_an_export_appears_whole_or_not_at_all(tmp_path, net, monkeypatch):
    target = tmp_path / "out.zip"
    target.write_bytes(b"before")
    monkeypatch.setattr(
        "napari_microenhance.models.bioimageio.packing.describe",
        lambda *_, **__: {"weights": {"onnx": {}}},
    )
    with pytest.raises(OutputError, match=r"already exists .* overwrite=True"):
        export_package(load_model(net), target)
    with pytest.raises(ModelError, match=r"bioimageio\.spec does not accept the package"):
        export_package(load_model(net), target, overwrite=True)
    assert target.read_bytes() == b"before"
    assert {p.name for p in tmp_path.iterdir()} >= {"out.zip", "net.onnx"}
    assert not list(tmp_path.glob(".out*"))


def test_an_export_needs_a_place_of_its_own(tmp_path, net):
    with pytest.raises(OutputError, match=r"name it out\.zip, not out\.onnx"):
        export_package(load_model(net), tmp_path / "out.onnx")
    with pytest.raises(OutputError, match="cannot be written"):
        export_package(load_model(net), tmp_path / "nowhere" / "out.zip")
    renamed = net.rename(tmp_path / "net.zip.onnx")
    link = tmp_path / "link.zip"
    link.symlink_to(renamed)
    with pytest.raises(OutputError, match="is the model itself"):
        export_package(load_model(renamed), link)
    assert renamed.stat().st_size > 100


def test_the_command_exports(tmp_path, net, capsys):
    out = tmp_path / "out.zip"
    assert run(["export-package", str(net), str(out)]) == 0
    assert capsys.readouterr().out == f"net -> {out}\n"
    assert load_model(out).verify().max_abs_difference <= 1e-4
    before = out.read_bytes()
    assert run(["export-package", str(out), str(out)]) == 2
    assert "is the same file as MODEL" in capsys.readouterr().err
    assert run(["export-package", str(net), str(out)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert run(["export-package", str(net), str(out), "--overwrite"]) == 0
    capsys.readouterr()
    assert run(["export-package", "none.onnx", str(tmp_path / "x.zip")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "x.zip").exists()


def test_a_cover_is_a_small_picture(tmp_path):
    from imagecodecs import png_decode

    out = export_package(load_model(BUILTIN), tmp_path / "out.zip")
    with zipfile.ZipFile(out) as archive:
        content = archive.read("cover.png")
        assert b"## Validation" in archive.read("README.md")
    assert len(content) < 500_000
    picture = png_decode(content)
    assert (picture.shape, picture.dtype) == ((256, 512, 3), np.uint8)
    assert not np.array_equal(picture[:, :256], picture[:, 256:])
    assert Path(out).name == "out.zip"
