"""A new user's first hour, played with mouse and keys in a real window, chapter by chapter."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.viewer, pytest.mark.slow]

LEAST_STEPS = {"path": 14, "models": 5, "stacks": 3, "large": 2, "trouble": 3}


@pytest.mark.parametrize("chapter", LEAST_STEPS)
def test_a_chapter_is_played_to_its_end(root, tmp_path, chapter):
    told = tmp_path / "told.json"
    command = [sys.executable, root / "tools/first_hour.py", "--strict", "--json", told]
    done = subprocess.run(
        [*command, "--chapter", chapter], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.exists(), done.stdout + done.stderr
    found = json.loads(told.read_text("utf-8"))
    assert found["trouble"] == "", done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(found["done"]) >= LEAST_STEPS[chapter]


def test_the_benchmark_prints_its_figures(root, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "settings.yaml"))
    command = [sys.executable, "benchmarks/first_hour.py", "--size", "128"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("menu to dock, warm", "run: longest pause", "compare: longest pause"):
        assert line in done.stdout
