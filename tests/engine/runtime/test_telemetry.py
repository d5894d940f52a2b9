"""Nothing leaves the machine: onnxruntime writes nothing into a fresh cache folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import toys

RUN = """
import sys
import numpy as np
from napari_microenhance import enhance
from napari_microenhance.engine.runtime.providers import try_provider
from napari_microenhance.models import load_model

model = load_model(sys.argv[1])
enhance(np.zeros((40, 40), np.uint8), model)
try_provider(model.path, "cpu", model.spec)
"""


def _files_left(folder: Path, model: Path, **more: str) -> list[str]:
    """Run a network in a process of its own, and return what onnxruntime left behind."""
    places = {
        name: str(folder / name.lower())
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA")
    }
    for place in places.values():
        Path(place).mkdir()
    kept = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    paths = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", RUN, str(model)],
        env={**kept, **places, "PYTHONPATH": paths, **more},
        check=True,
        timeout=120,
        cwd=folder,
    )
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "napari-microenhance" not in path.parts
    )


def test_a_fresh_cache_folder_stays_empty(tmp_path):
    model = toys.plain(tmp_path / "net.onnx", convs=1)
    (tmp_path / "fresh").mkdir()
    assert _files_left(tmp_path / "fresh", model) == []


@pytest.mark.parametrize(("given", "seen"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_telemetry_is_off_unless_its_user_says_otherwise(given, seen):
    """The variable is read when onnxruntime is imported, so it must be there by then."""
    code = (
        "import os, sys\n"
        "import napari_microenhance.engine.runtime.session\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    kept = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": paths, **given},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [seen]
