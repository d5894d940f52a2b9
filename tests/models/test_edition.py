"""What is kept of measurements carries an edition: new answers need a new one.

Answers of a few small networks are frozen in edition.json. Where a change of the code makes
them others on purpose, raise `EDITION` in engine/probing/probe.py, and freeze them again:
``python tests/models/test_edition.py``.
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import pytest

import toys
from napari_microenhance import load_model
from napari_microenhance.engine.probing.probe import EDITION
from napari_microenhance.models import cache

FROZEN = Path(__file__).with_name("edition.json")


def tanh(path):
    g = toys.Graph(1)
    return g.save(path, g.node("Tanh", g.conv("x", 1, 1)))


NETWORKS = {
    "plain": toys.plain,
    "u-net": lambda path: toys.unet(path, depth=2),
    "sub-pixel": toys.espcn,
    "valid": toys.valid,
    "instance norm": toys.instance_norm,
    "bytes, channels last": lambda path: toys.plain(path, nhwc=True, dtype="uint8"),
    "declared": lambda path: toys.plain(path, channels=3, shape=(1, None, 48, 64)),
    "fixed": lambda path: toys.plain(path, channels=3, shape=(1, None, 48, 64), pinned=True),
    "tanh": tanh,
    "labels": lambda path: toys.plain(path, metadata={"microenhance.task": "labels"}),
}


def answers(name, folder):
    """Return what is said of a network, as JSON has it; its memory depends on the machine."""
    model = load_model(NETWORKS[name](folder / "net.onnx"))
    spec = model.spec.to_dict()
    del spec["bytes_per_pixel"]
    said = [dataclasses.asdict(finding) for finding in model.details]
    everything = {"spec": spec, "findings": said, "hint": dataclasses.asdict(model.hint)}
    return json.loads(json.dumps(everything))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_new_answers_have_a_new_edition(tmp_path, monkeypatch, name):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "probes")
    frozen = json.loads(FROZEN.read_text(encoding="utf-8"))
    assert frozen["edition"] == EDITION, f"freeze the answers of edition {EDITION}: {__doc__}"
    assert answers(name, tmp_path) == frozen["answers"][name], __doc__


def freeze():
    """Write the answers of a new edition."""
    with tempfile.TemporaryDirectory() as folder:
        cache.folder = lambda: Path(folder) / "probes"
        now = {name: answers(name, Path(folder)) for name in NETWORKS}
    frozen = json.loads(FROZEN.read_text(encoding="utf-8")) if FROZEN.exists() else {}
    if frozen.get("edition") == EDITION and frozen["answers"] != now:
        sys.exit(f"edition {EDITION} has other answers already; raise EDITION first")
    content = {"edition": EDITION, "answers": now}
    FROZEN.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    freeze()
