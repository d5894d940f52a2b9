"""Edits beside a network, and the cache of what was measured."""

import json
import os

import platformdirs
import pytest

import toys
from napari_microenhance import load_model
from napari_microenhance.engine.spec import GLOBAL, SizeRule
from napari_microenhance.errors import ModelError, OptionsError, OutputError
from napari_microenhance.models import cache, measuring, sidecar
from napari_microenhance.models.sidecar import load_edits, save_edits, sidecar_path


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Keep cache and user folder of each test apart."""
    for name in ("user_cache_dir", "user_data_dir"):
        folder = tmp_path / name
        monkeypatch.setattr(platformdirs, name, lambda *_, folder=folder, **__: str(folder))


@pytest.fixture
def network(tmp_path):
    return toys.plain(tmp_path / "net.onnx", convs=3)


@pytest.fixture
def probes(monkeypatch):
    """Return what the probe was asked, call by call."""
    calls = []
    real = measuring.probe

    def counted(session, known):
        calls.append(dict(known))
        return real(session, known)

    monkeypatch.setattr(measuring, "probe", counted)
    return calls


# --- edits -------------------------------------------------------------------------------


def test_edits_are_kept_beside_the_network_and_reused(network):
    edits = {"name": "Mine", "value_range": (-1.0, 1.0), "units": "relative", "licence": "MIT"}
    assert save_edits(network, edits) == network.with_name("net.onnx.microenhance.json")
    assert load_edits(network) == edits
    model = load_model(network)
    assert (model.name, model.spec.value_range, model.spec.units) == ("Mine", (-1, 1), "relative")
    assert model.spec.value_range_source == "user"
    assert model.findings == ()


def test_edits_go_before_metadata_and_arguments_before_edits(tmp_path):
    keys = {"microenhance.name": "theirs", "microenhance.value_range": "0,255"}
    path = toys.plain(tmp_path / "net.onnx", metadata=keys)
    assert load_model(path).spec.value_range == (0, 255)
    save_edits(path, {"value_range": [0, 2]})
    spec = load_model(path).spec
    assert (spec.name, spec.value_range) == ("theirs", (0, 2))
    assert load_model(path, value_range=(0, 3)).spec.value_range == (0, 3)


def test_saving_replaces_and_saving_nothing_deletes(network):
    save_edits(network, {"name": "a", "licence": "b"})
    save_edits(network, {"name": "c"})
    assert load_edits(network) == {"name": "c"}
    save_edits(network, {})
    assert not sidecar_path(network).exists()
    assert load_edits(network) == {}
    save_edits(network, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edits", "words", "kept"),
    [
        ({"radius": 2}, "receptive field in px was set to 2, but 3 was measured", {"radius": 3}),
        ({"scale": 2.0}, "scale was set to 2, but 1 was measured", {"scale": 1.0}),
        (
            {"size": [{"minimum": 1, "step": 1, "fixed": 64}] * 2},
            "size rule was set to 64 x 64, but any x any was measured",
            {"size": (SizeRule(), SizeRule())},
        ),
        ({"border_loss": [2, 2]}, "border loss was set to 2 x 2", {"border_loss": (0, 0)}),
        ({"channels_out": 3}, "output channels was set to 3, but 1", {"channels_out": 1}),
        ({"radius": 9}, None, {"radius": 9}),
        ({"radius": GLOBAL}, None, {"radius": GLOBAL}),
        ({"shift_step": 4}, None, {"shift_step": 4}),
        ({"radius": 3, "scale": 1}, None, {"radius": 3}),
    ],
)
def test_a_measurement_goes_before_an_edit_that_it_refutes(network, edits, words, kept):
    save_edits(network, edits)
    model = load_model(network)
    assert {name: getattr(model.spec, name) for name in kept} == kept
    if words is None:
        assert not [s for s in model.findings if "was measured" in s]
    else:
        assert any(words in sentence for sentence in model.findings), model.findings


@pytest.mark.slow
def test_tile_starts_must_be_multiples_of_the_measured_step(tmp_path):
    path = toys.unet(tmp_path / "net.onnx", depth=2)
    model = load_model(path, shift_step=6)
    assert model.spec.shift_step == 4
    assert any("shift step of tiles" in sentence for sentence in model.findings)
    assert load_model(path, shift_step=8).spec.shift_step == 8


def test_a_reach_cannot_be_set_where_the_whole_tile_is_coupled(tmp_path):
    model = load_model(toys.instance_norm(tmp_path / "net.onnx"), radius=20)
    assert model.spec.radius == GLOBAL
    assert any("set to 20, but global was measured" in sentence for sentence in model.findings)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"colour": 1}, "'colour' is not a property"),
        ({"preprocessing": []}, "'preprocessing' is not a property"),
        ({"value_range": [1, 0]}, "value_range"),
        ({"value_range": [0, float("inf")]}, "value_range"),
        ({"value_range": "wide"}, "value_range='wide'"),
        ({"radius": -1}, "radius=-1"),
        ({"radius": "far"}, "radius='far'"),
        ({"shift_step": 0}, "shift_step=0"),
        ({"scale": 0}, "scale=0"),
        ({"task": "magic"}, "task='magic'"),
        ({"name": " "}, "name=' '"),
    ],
)
def test_an_edit_that_no_network_can_have_is_refused(network, edits, words):
    with pytest.raises(OptionsError, match=words) as caught:
        save_edits(network, edits)
    assert "\n" not in str(caught.value)
    with pytest.raises(OptionsError, match=words):
        load_model(network, **edits)
    assert not sidecar_path(network).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"edits": 3}',
        b'{"edits": {"colour": 1}}',
        b'{"edits": {"radius": -1}}',
        b"[" * 100_000,
        b"x" * 2_000_000,
        b"\xff\xfe",
    ],
)
def test_a_sidecar_that_cannot_be_used_is_named(network, content):
    sidecar_path(network).write_bytes(content)
    with pytest.raises(ModelError, match=r"net\.onnx\.microenhance\.json cannot be used") as caught:
        load_model(network)
    assert "correct or delete that file" in str(caught.value)
    assert "\n" not in str(caught.value)


def refuse(monkeypatch, *folders):
    """Let no file be written into these folders."""
    real = sidecar.write_json

    def write(path, content):
        if path.parent in folders:
            raise PermissionError(13, "Permission denied")
        real(path, content)

    monkeypatch.setattr(sidecar, "write_json", write)


@pytest.mark.slow
def test_a_folder_of_others_keeps_edits_in_the_users_own(network, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        refuse(patch, network.parent)
        place = save_edits(network, {"name": "Mine"})
    assert place.is_relative_to(tmp_path / "user_data_dir")
    assert load_model(network).name == "Mine"
    # Once it can be written, the file beside the network is the only one.
    save_edits(network, {"name": "Ours"})
    assert not place.exists()
    assert load_model(network).name == "Ours"


def test_where_nothing_can_be_written_that_is_said(network, tmp_path, monkeypatch):
    refuse(monkeypatch, network.parent, tmp_path / "user_data_dir" / "edits")
    with pytest.raises(OutputError, match="cannot be changed beside it"):
        save_edits(network, {"name": "Mine"})


def test_packages_have_sidecars_too(tmp_path):
    from .test_czann import czann

    path = czann(tmp_path / "a.czann", toys.plain(tmp_path / "net.onnx", nhwc=True))
    save_edits(path, {"value_range": (0, 5)})
    assert load_model(path).spec.value_range == (0, 5)


# --- the cache ------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_known_network_is_not_measured_again(network, probes):
    first = load_model(network)
    second = load_model(network)
    assert len(probes) == 1
    assert second.spec == first.spec
    assert second.details == first.details
    assert second.hint == first.hint
    assert second.session().got == "cpu"


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        lambda p: toys.unet(p),
        lambda p: toys.valid(p),
        lambda p: toys.instance_norm(p),
        lambda p: toys.pix2pix(p, size=64, depth=3),
        lambda p: toys.plain(p, scalars=("sigma",)),
    ],
)
def test_what_comes_from_the_cache_is_the_same_value(tmp_path, probes, build):
    path = build(tmp_path / "net.onnx")
    first, second = load_model(path), load_model(path)
    assert len(probes) == 1
    assert second.spec == first.spec
    assert [type(f) for f in second.details] == [type(f) for f in first.details]
    assert second.details == first.details


def entries(tmp_path):
    return sorted((tmp_path / "user_cache_dir" / "probes").glob("*.json"))


def test_everything_that_a_measurement_depends_on_measures_anew(network, probes, monkeypatch):
    load_model(network)
    load_model(network, value_range=(0, 2))
    assert len(probes) == 2
    save_edits(network, {"licence": "MIT"})
    load_model(network)
    assert len(probes) == 3
    monkeypatch.setattr(cache, "runtime_version", lambda: "another")
    load_model(network)
    assert len(probes) == 4
    monkeypatch.setattr(cache, "EDITION", cache.EDITION + 1)
    load_model(network)
    assert len(probes) == 5
    toys.plain(network, convs=4)
    assert load_model(network).spec.radius == 4
    assert len(probes) == 6


def test_a_copy_under_another_name_has_its_own_name(network, probes):
    load_model(network)
    copy = network.with_name("copy.onnx")
    copy.write_bytes(network.read_bytes())
    assert load_model(copy).name == "copy"


def test_weights_beside_the_network_count_as_the_network(tmp_path, probes):
    import onnx

    path = tmp_path / "net.onnx"
    model = onnx.load(toys.plain(tmp_path / "inside.onnx"))
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    load_model(path)
    load_model(path)
    assert len(probes) == 1
    weights = tmp_path / "w.bin"
    os.utime(weights, ns=(1, 1))
    load_model(path)
    assert len(probes) == 2
    weights.unlink()
    with pytest.raises(ModelError, match=r"'w\.bin' beside it, which is missing"):
        load_model(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: b"",
        lambda entry: b"{",
        lambda entry: b"null",
        lambda entry: json.dumps({**entry, "key": "another"}).encode(),
        lambda entry: json.dumps({**entry, "value": {}}).encode(),
        lambda entry: json.dumps({**entry, "value": {**entry["value"], "spec": 3}}).encode(),
        lambda entry: b" " * 1_000_000,
        lambda entry: b"\xff\xfe",
    ],
)
def test_a_damaged_or_foreign_entry_is_measured_anew_and_replaced(tmp_path, network, probes, spoil):
    first = load_model(network)
    (entry,) = entries(tmp_path)
    entry.write_bytes(spoil(json.loads(entry.read_text())))
    assert load_model(network).spec.radius == first.spec.radius
    assert len(probes) == 2
    load_model(network)
    assert len(probes) == 2


def test_a_cache_that_cannot_be_written_is_no_mistake(tmp_path, network, probes):
    (tmp_path / "user_cache_dir").write_text("no folder")
    assert load_model(network).spec.radius == 3
    load_model(network)
    assert len(probes) == 2


def test_the_cache_keeps_the_latest_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "ENTRIES_MOST", 3)
    for i in range(6):
        path = toys.plain(tmp_path / "net.onnx", seed=i)
        load_model(path)
        for age, entry in enumerate(reversed(entries(tmp_path))):
            os.utime(entry, (1e9 + i * 10 - age, 1e9 + i * 10 - age))
    found = list((tmp_path / "user_cache_dir" / "probes").iterdir())
    assert len(found) <= 4
    assert all(p.suffix == ".json" for p in found)


def test_built_in_networks_need_no_cache(tmp_path, probes):
    load_model("detail-classic")
    assert probes == []
    assert not (tmp_path / "user_cache_dir").exists()
