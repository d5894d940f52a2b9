"""`microenhance train`: its options, its exit status, and one line for every mistake."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tiny
from napari_microenhance.cli import run
from napari_microenhance.cli.commands import train as command
from napari_microenhance.training.learning.checkpoints import read_checkpoint
from napari_microenhance.training.recipes.recipe_files import load_recipe


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny.VALUES))
    return path


def test_a_recipe_file_trains_into_a_folder(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["train", str(recipe), "--out", str(out), "--threads", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("small: 6 steps, loss 0.")
    assert shown.out.rstrip().endswith(f"-> {out}")
    assert len(shown.out.splitlines()) == 1
    assert shown.err == ""
    assert read_checkpoint(out)["step"] == 6
    assert load_recipe(out / "recipe.yaml") == load_recipe(recipe)


def test_options_and_changes_reach_the_run(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--steps", "2", "--seed", "7", "--set", "training.batch=1", "--set", "name=other"]
    assert run(["train", str(recipe), "--out", str(out), *options]) == 0
    trained = read_checkpoint(out)["recipe"]
    assert (trained["name"], trained["training"]["seed"]) == ("other", 7)
    assert (trained["training"]["steps"], trained["training"]["batch"]) == (2, 1)


def test_the_folder_is_called_after_the_recipe(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["train", str(recipe), "--steps", "1"]) == 0
    assert (tmp_path / "runs" / "small" / "last.pt").is_file()


def test_ctrl_c_keeps_what_was_learnt_and_resume_goes_on(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def press(_: object, progress) -> None:
        if progress.done == 4:
            signal.raise_signal(signal.SIGINT)

    arguments = ["train", str(recipe), "--out", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(command.Bar, "show", press)
        assert run(arguments) == 130
    shown = capsys.readouterr()
    assert shown.err == "Stopped after step 4; continue with --resume.\n"
    assert shown.out == ""
    assert read_checkpoint(tmp_path / "out")["step"] == 4
    assert run([*arguments, "--resume"]) == 0
    assert read_checkpoint(tmp_path / "out")["step"] == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["denoize"], "There is no recipe denoize"),
        (["denoise", "--set", "training.stepz=1"], "training.stepz is not a key of a recipe"),
        (["denoise", "--steps", "0"], "training.steps is 0, but"),
        (["denoise", "--steps", "some"], "valid integer"),
        (["denoise", "--resume"], "There is no checkpoint"),
        (["your-own-pairs"], "There is no folder low with images of pairs."),
        (["denoise", "--set", "network.kind=resnext"], "network.kind is 'resnext'"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--set", "data.fields=1"] if "denoise" in arguments else []
    assert run(["train", *arguments, *quick, "--out", "out"]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.startswith("Error: ")
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""
    assert not (tmp_path / "out" / "last.pt").exists()


def test_a_second_run_into_a_folder_is_refused(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(recipe), "--out", str(tmp_path / "out"), "--steps", "1"]
    assert run(arguments) == 0
    capsys.readouterr()
    assert run(arguments) == 2
    assert "holds a run already; add --resume" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["torch", "torchmetrics", "yaml", "matplotlib"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path) -> None:
    (tmp_path / f"{missing}.py").write_text(
        f"raise ModuleNotFoundError(\"No module named '{missing}'\", name='{missing}')"
    )
    # The folder stands before all others where Python looks for modules.
    done = subprocess.run(
        [sys.executable, "-m", "napari_microenhance", "train", "denoise"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: This needs {missing}, which is not installed; "
        'pip install "napari-microenhance[train]".\n'
    )
    assert not (tmp_path / "runs").exists()
