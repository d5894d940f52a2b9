"""Training runs: what they leave behind, and how they end, go on and fail."""

import csv
import itertools
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from PIL import Image

from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import FileMissingError, ModelError, OptionsError, OutputError
from napari_microenhance.measure.domain import TrainedOn, cautions, look
from napari_microenhance.models import list_models, load_model
from napari_microenhance.training.data.sources import open_sources
from napari_microenhance.training.learning.checkpoints import build, read_checkpoint, resolved
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.learning.starting import start_from
from napari_microenhance.training.recipes.recipe import Recipe
from napari_microenhance.training.recipes.recipe_files import load_recipe

Maker = Callable[..., Recipe]

GAN = {
    "weight": 0.1,
    "discriminator": {"kind": "patchgan", "width": 4, "layers": 1},
}


def rows(folder: Path, name: str = "losses.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as handle:
        return list(csv.DictReader(handle))


def stop_after(step: int) -> Callable[[], bool]:
    calls = itertools.count(1)
    return lambda: next(calls) >= step


def test_a_run_leaves_checkpoints_losses_curves_and_samples(small: Maker, tmp_path: Path) -> None:
    seen = []
    outcome = train(small(), tmp_path / "run", on_progress=seen.append)
    folder = outcome.folder
    assert (outcome.step, outcome.stopped) == (6, False)
    assert [(p.done, p.total) for p in seen] == [(k, 6) for k in range(1, 7)]
    assert [row["step"] for row in rows(folder)] == list("123456")
    assert [float(row["loss"]) for row in rows(folder)] == [p.losses["loss"] for p in seen]
    assert [row["step"] for row in rows(folder, "validation.csv")] == ["3", "6"]
    assert float(rows(folder, "validation.csv")[-1]["psnr"]) == outcome.figures["psnr"]
    for name in ("curves.png", "samples-0000003.png", "samples-0000006.png"):
        with Image.open(folder / name) as picture:
            assert picture.format == "PNG"
            assert len(picture.convert("L").getcolors(1 << 16) or ()) > 8  # something is drawn
    content = read_checkpoint(folder)
    assert content["format"] == 1
    assert content["step"] == 6
    assert content["recipe"] == small().to_dict()
    network = build(content["network"])
    network.load_state_dict(content["weights"])
    assert not list(folder.glob("*.part"))


def test_a_run_says_what_its_images_are_like(small: Maker, tmp_path: Path) -> None:
    outcome = train(small(), tmp_path / "run")
    said = TrainedOn.from_text(read_checkpoint(outcome.folder)["trained_on"])
    assert "simulated fields" in said.images
    assert said.dtypes == ()
    source, _ = open_sources(small(), outcome.folder)
    inputs, _ = source.draw(1, small().training.patch, np.random.default_rng(0))
    one = look(Source(inputs[0, 0], "YX"), 0, 1)
    assert cautions(one, said, "it") == ()
    loud = look(Source(inputs[0, 0] + one_sided_noise(inputs[0, 0].shape), "YX"), 0, 1)
    assert "noisier" in " ".join(cautions(loud, said, "it"))


def one_sided_noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).exponential(5, shape).astype(np.float32)


def test_training_makes_a_network_better(small: Maker, tmp_path: Path) -> None:
    # Not a network that starts as the identity, which is hard to beat in a minute.
    network = {"kind": "autoencoder", "width": 8, "depth": 1}
    training = {"steps": 200, "epoch_steps": 40, "rate": 3e-3, "ema": 0.9, "batch": 4}
    train(small(network=network, training=training), tmp_path / "run")
    figures = [float(row["psnr"]) for row in rows(tmp_path / "run", "validation.csv")]
    assert figures[-1] > figures[0] + 1


def test_one_seed_gives_one_run(small: Maker, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(small(training={"seed": seed}), tmp_path / name)
    a, b, c = (rows(tmp_path / name) for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    "changes",
    [{}, {"training": {"precision": "bf16"}}, {"loss": {"adversarial": GAN}}],
    ids=["alone", "bf16", "gan"],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    small: Maker, tmp_path: Path, changes: dict[str, object]
) -> None:
    # Dropout, averaged weights and both optimisers' moments must all be where they were.
    network = {"kind": "pix2pix-unet", "width": 4, "depth": 2, "dropout": 0.5}
    recipe = small(network=network, **changes)
    train(recipe, tmp_path / "whole")
    stopped = train(recipe, tmp_path / "parts", should_stop=stop_after(4))
    assert (stopped.step, stopped.stopped) == (4, True)
    train(recipe, tmp_path / "parts", resume=True)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert rows(tmp_path / "parts", "validation.csv") == rows(tmp_path / "whole", "validation.csv")
    ends = [read_checkpoint(tmp_path / name)["weights"] for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


CHILD = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.recipes.recipe_files import parse_recipe

def show(progress):
    print(progress.done, flush=True)

if __name__ == "__main__":
    train(parse_recipe(json.loads(sys.argv[1])), Path(sys.argv[2]), on_progress=show)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on_as_if_it_had_not_been_killed(small: Maker, tmp_path: Path) -> None:
    recipe = small(training={"steps": 20, "epoch_steps": 5, "workers": 1})
    train(recipe, tmp_path / "whole")
    program = tmp_path / "child.py"
    program.write_text(CHILD)
    arguments = [recipe.model_dump_json(), str(tmp_path / "killed")]
    with subprocess.Popen(
        [sys.executable, str(program), *arguments], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == 12:  # between two checkpoints
                os.kill(child.pid, signal.SIGKILL)
                break
    assert child.returncode == -signal.SIGKILL
    assert 10 <= read_checkpoint(tmp_path / "killed")["step"] < 20
    outcome = train(recipe, tmp_path / "killed", resume=True)
    assert outcome.step == 20
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_a_folder_with_a_run_is_not_trained_over(small: Maker, tmp_path: Path) -> None:
    train(small(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="holds a run already; add --resume"):
        train(small(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_there_must_be_something_to_resume(small: Maker, tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match="no checkpoint"):
        train(small(), tmp_path / "nothing", resume=True)
    assert not (tmp_path / "nothing").exists()


def test_a_finished_run_can_be_given_more_steps(small: Maker, tmp_path: Path) -> None:
    first = train(small(), tmp_path)
    again = train(small(), tmp_path, resume=True)
    assert again.step == 6
    assert again.figures == first.figures
    longer = train(small(training={"steps": 9}), tmp_path, resume=True)
    assert longer.step == 9
    assert len(rows(tmp_path)) == 9


def test_weights_of_another_network_are_refused(small: Maker, tmp_path: Path) -> None:
    train(small(), tmp_path / "run")
    before = (tmp_path / "run" / "last.pt").read_bytes()
    wider = {"kind": "dncnn", "width": 8, "depth": 3, "norm": "none"}
    with pytest.raises(ModelError, match="another network: its width is 4, the recipe's is 8"):
        train(small(network=wider), tmp_path / "run", resume=True)
    with pytest.raises(ModelError, match="another network: its kind is dncnn"):
        train(
            small(network={"kind": "espcn", "width": 4}, init=str(tmp_path / "run")),
            tmp_path / "other",
        )
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_init_starts_from_the_weights_of_another_run(small: Maker, tmp_path: Path) -> None:
    train(small(), tmp_path / "first")
    recipe = small(init=str(tmp_path / "first"), training={"steps": 1, "rate": 1e-12, "ema": 0})
    train(recipe, tmp_path / "second")
    first, second = (read_checkpoint(tmp_path / name)["weights"] for name in ("first", "second"))
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)


@pytest.mark.parametrize("name", ["denoise-camera", "detail", "superres-x4", "foreground"])
def test_a_built_in_network_can_be_the_start(name: str) -> None:
    recipe = load_recipe(name, [f"init={name}"])
    assert recipe.init == name
    description = resolved(recipe.network, inputs=1, outputs=1, scale=recipe.scale)
    network = build(description)
    start_from(network, description, name)
    x = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(5))
    model = load_model(name)
    with torch.no_grad():
        made = network.eval()(x)
    if recipe.task == "foreground":
        made = made.sigmoid()
    content = next(info.path for info in list_models() if info.name == name).read_bytes()
    wanted = Session(content, name=name).run(x.numpy(), model.spec)
    np.testing.assert_allclose(made.numpy(), wanted, atol=1e-4)


def test_a_joined_denoiser_starts_with_its_half_for_white_noise() -> None:
    recipe = load_recipe("denoise", ["init=denoise"])
    description = resolved(recipe.network, inputs=1, outputs=1, scale=recipe.scale)
    network = build(description)
    start_from(network, description, "denoise")
    x = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(5))
    file = onnx.load(load_model("denoise").path)
    file.graph.output[0].name = "white.result"
    with torch.no_grad():
        made = network.eval()(x)
    wanted = ReferenceEvaluator(file).run(None, {file.graph.input[0].name: x.numpy()})[0]
    np.testing.assert_allclose(made.numpy(), wanted, atol=1e-4)


def test_frozen_parts_do_not_learn(small: Maker, tmp_path: Path) -> None:
    network = {"kind": "residual-unet", "widths": [4, 6], "blocks": [1, 1]}
    recipe = small(network=network, training={"frozen": ["head"], "rate": 1e-2})
    train(recipe, tmp_path)
    content = read_checkpoint(tmp_path)
    torch.manual_seed(recipe.training.seed)
    before = build(content["network"]).state_dict()
    after = content["state"]["network"]
    same = {key.partition(".")[0] for key in before if torch.equal(before[key], after[key])}
    changed = {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert same == {"head"}
    assert changed == {"down", "up", "shrink", "grow", "tail"}


def test_targets_of_white_noise_are_partly_what_the_start_makes(
    small: Maker, tmp_path: Path
) -> None:
    start = train(small(), tmp_path / "start").folder
    losses = {}
    for cameras in (0.0001, 1.0):
        for share in (0.0, 0.75):
            recipe = small(init=str(start), data={"cameras": cameras}, loss={"distillation": share})
            folder = train(recipe, tmp_path / f"{cameras} {share}").folder
            losses[cameras, share] = float(rows(folder)[0]["loss"])
    # Before its first step the network still gives what its start gives.
    assert losses[0.0001, 0.75] == pytest.approx(0.25 * losses[0.0001, 0.0], rel=1e-4)
    assert losses[1.0, 0.75] == losses[1.0, 0.0]
    with pytest.raises(OptionsError, match=r"loss\.distillation needs init and data\.cameras"):
        small(loss={"distillation": 0.5})


def test_a_part_that_cannot_be_frozen_is_named(small: Maker, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"training\.frozen names tail, .* its parts are body"):
        train(small(training={"frozen": ["tail"]}), tmp_path)


def test_a_file_of_another_network_is_no_start(small: Maker, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="denoise holds another network"):
        train(small(init="denoise"), tmp_path / "run")
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"no\.onnx cannot be read as an ONNX file"):
        train(small(init=str(tmp_path / "no.onnx")), tmp_path / "other")


@pytest.mark.parametrize("text", [b"", b"not a checkpoint", b"PK\x03\x04 nor this"])
def test_a_damaged_checkpoint_is_one_sentence(small: Maker, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(text)
    with pytest.raises(ModelError, match=r"last\.pt is not a checkpoint, or is damaged"):
        train(small(), tmp_path, resume=True)


def test_a_checkpoint_runs_no_code(small: Maker, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"weights": Trap()}, tmp_path / "last.pt")
    with pytest.raises(ModelError, match="is not a checkpoint"):
        train(small(), tmp_path, resume=True)
    assert not (tmp_path / "sprung").exists()


def test_a_loss_that_is_no_number_stops_the_run(small: Maker, tmp_path: Path) -> None:
    recipe = small(training={"steps": 12, "epoch_steps": 6})
    train(recipe, tmp_path, should_stop=stop_after(4))
    # A rate that sends the weights beyond the range of float32.
    steep = small(training={"steps": 12, "epoch_steps": 100, "rate": 1e30, "decay": "constant"})
    with pytest.raises(ModelError, match=r"is not a number at step \d+; the last good checkpoint"):
        train(steep, tmp_path, resume=True)
    kept = read_checkpoint(tmp_path)
    assert kept["step"] == 4
    assert all(bool(tensor.isfinite().all()) for tensor in kept["weights"].values())
    assert train(recipe, tmp_path, resume=True).step == 12


FULL = """
import json, resource, sys
from pathlib import Path
from napari_microenhance.errors import OutputError
from napari_microenhance.training.learning.fit import train
from napari_microenhance.training.recipes.recipe_files import parse_recipe

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as if the disk ended there
try:
    train(parse_recipe(json.loads(sys.argv[1])), Path(sys.argv[2]), resume=True)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_last_good_checkpoint(small: Maker, tmp_path: Path) -> None:
    recipe = small()
    train(recipe, tmp_path, should_stop=stop_after(2))
    before = (tmp_path / "last.pt").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL, recipe.model_dump_json(), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot be written: File too large." in done.stdout
    assert (tmp_path / "last.pt").read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))
    assert train(recipe, tmp_path, resume=True).step == 6


def test_the_averaged_weights_trail_the_latest(small: Maker, tmp_path: Path) -> None:
    train(small(training={"ema": 0.0}), tmp_path / "none")
    content = read_checkpoint(tmp_path / "none")
    latest = content["state"]["network"]
    assert all(torch.equal(content["weights"][key], latest[key]) for key in latest)
    # The first step keeps 2/11 of the start: the average starts short.
    train(small(training={"ema": 0.999, "steps": 1}), tmp_path / "one")
    content = read_checkpoint(tmp_path / "one")
    torch.manual_seed(0)
    start = build(content["network"]).state_dict()
    latest = content["state"]["network"]
    for key in latest:
        wanted = start[key] * 0.1 + latest[key] * 0.9
        torch.testing.assert_close(content["weights"][key], wanted)


def test_a_discriminator_takes_part_from_its_first_step_on(small: Maker, tmp_path: Path) -> None:
    train(small(loss={"adversarial": {**GAN, "start": 3}}), tmp_path)
    table = rows(tmp_path)
    assert [row["discriminator"] != "" for row in table] == [False] * 3 + [True] * 3
    for row in table[3:]:
        assert math.isclose(
            float(row["loss"]), float(row["l1"]) + float(row["adversarial"]), rel_tol=1e-6
        )


def test_the_best_checkpoint_is_that_of_the_best_validation(small: Maker, tmp_path: Path) -> None:
    # Weights that a large rate throws far away from a good start never come back.
    recipe = small(training={"steps": 6, "epoch_steps": 1, "rate": 1.0, "decay": "constant"})
    train(recipe, tmp_path / "run")
    scores = [float(row["psnr"]) for row in rows(tmp_path / "run", "validation.csv")]
    assert read_checkpoint(tmp_path / "run" / "best.pt")["step"] == 1 + int(np.argmax(scores))
    assert read_checkpoint(tmp_path / "run" / "last.pt")["step"] == 6
    train(small(loss={"adversarial": GAN}), tmp_path / "gan")
    assert not (tmp_path / "gan" / "best.pt").exists()  # figures of pixels do not judge it


def test_the_discriminator_learns_to_tell_and_the_network_leaves_it_alone(
    small: Maker, tmp_path: Path
) -> None:
    plan = {**GAN, "rate": 1e-2}
    # The network hardly moves, so its output stays noisy and is easily told from the target.
    recipe = small(
        loss={"adversarial": plan}, training={"steps": 40, "rate": 1e-9, "epoch_steps": 40}
    )
    train(recipe, tmp_path)
    verdicts = [float(row["discriminator"]) for row in rows(tmp_path)]
    assert min(verdicts) >= 0
    assert np.mean(verdicts[-5:]) < 0.8 * np.mean(verdicts[:5])


def test_masks_are_learnt_by_a_network_of_valid_convolutions(small: Maker, tmp_path: Path) -> None:
    outcome = train(
        small(
            task="foreground",
            network={"kind": "unet", "width": 2, "depth": 1, "padding": False},
            data={"families": ["nuclei"]},
            loss={"l1": 0.0, "weighted_ce": 1.0, "dice": 0.5},
        ),
        tmp_path,
    )
    assert 0 <= outcome.figures["iou"] <= 1


def test_bfloat16_multi_scale_and_growing_patches(small: Maker, tmp_path: Path) -> None:
    growth = [{"step": 2, "patch": 48, "batch": 1}]
    options = {"precision": "bf16", "multi_scale": True, "patch_growth": growth, "workers": 1}
    outcome = train(small(training=options, loss={"ssim": 0.1, "edge": 0.1}), tmp_path)
    assert math.isfinite(outcome.figures["psnr"])
    assert read_checkpoint(tmp_path)["weights"]["body.0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"network": {"kind": "dncn"}}, "network.kind is 'dncn', which is not one of autoencoder"),
        ({"network": {"kind": "dncnn", "widht": 3}}, "network.widht .* nearest is width"),
        ({"network": {"kind": "dncnn", "width": "wide"}}, "The network dncnn cannot be made"),
        ({"network": {"kind": "dncnn", "channels": 3}}, "channels is 3, but the examples have 1"),
        ({"data": {"families": ["unicorns"]}}, "names unicorns, which is not one of"),
        ({"training": {"patch": 64}}, "64 px does not fit into fields of 48 px"),
        (
            {"network": {"kind": "pix2pix-unet", "depth": 3}, "training": {"patch": 30}},
            "does not take patches of 30 x 30 px",
        ),
    ],
)
def test_a_recipe_that_cannot_train_is_one_sentence(
    small: Maker, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises((ModelError, OptionsError), match=sentence) as caught:
        train(small(**changes), tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "last.pt").exists()
