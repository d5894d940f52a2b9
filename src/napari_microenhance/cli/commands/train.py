"""`train`: a recipe becomes a network."""

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.failures import EXIT_CANCELLED
from napari_microenhance.cli.terminal import Bar, say, stopping


def train_network(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="Name of a built-in recipe, or a YAML file.")
    ] = "own-camera",
    init: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Model, run folder or checkpoint to start from.",
            show_default=False,
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Your noisy images.", show_default=False),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="What they should be, under the same names.", show_default=False
        ),
    ] = None,
    repeats: Annotated[
        Path | None,
        typer.Option(
            metavar="STACK|FOLDER",
            help="In place of these: repeated exposures of one field, or a folder of such stacks.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the run; without it runs/NAME.", show_default=False),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Total number of steps.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Random seed.", show_default=False)] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads.", show_default=False)
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the recipe, such as training.batch=8; repeatable.",
        ),
    ] = None,
) -> None:
    """Train a model from a recipe (extra "train")."""
    from napari_microenhance.cli.extras import extra

    with extra("train"):
        from napari_microenhance.training.learning.fit import train
        from napari_microenhance.training.recipes.recipe_files import load_recipe

        changed = _own_images(inputs, targets, repeats)
        changed += [] if init is None else [f"init={json.dumps(init)}"]
        changed += list(changes or [])
        changed += [] if steps is None else [f"training.steps={steps}"]
        changed += [] if seed is None else [f"training.seed={seed}"]
        plan = load_recipe(recipe, changed)
        folder = out or Path("runs") / plan.name
        with stopping() as stop, Bar("steps") as bar:
            outcome = train(
                plan,
                folder,
                on_progress=bar.show,
                should_stop=stop.is_set,
                resume=resume,
                threads=threads,
            )
    if outcome.stopped:
        typer.echo(f"Stopped after step {outcome.step}; continue with --resume.", err=True)
        raise typer.Exit(EXIT_CANCELLED)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in outcome.figures.items())
    say(f"{plan.name}: {outcome.step} steps, {figures} -> {folder}")


def _own_images(inputs: Path | None, targets: Path | None, repeats: Path | None) -> list[str]:
    """Return the changes of a recipe that name a user's own images."""
    if inputs is None and targets is None and repeats is None:
        return []
    given = {"inputs": inputs, "targets": targets, "repeats": repeats}
    return [
        f"data.pairs.{name}={json.dumps(None if path is None else str(path))}"
        for name, path in given.items()
    ]
