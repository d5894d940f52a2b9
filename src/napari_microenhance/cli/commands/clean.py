"""`clean`: what killed runs left."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from napari_microenhance.cli.terminal import say
from napari_microenhance.errors import OutputError
from napari_microenhance.files import reason
from napari_microenhance.outputs import STATE_FOLDER, unfinished_words
from napari_microenhance.unfinished import drop_store, locked, noted_stores, remove_left


def clean_up(
    stores: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[STORE]...", help="Only these unfinished .ome.zarr results."),
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option(
            "--unfinished", help="Also remove unfinished .ome.zarr results that could be resumed."
        ),
    ] = False,
) -> None:
    """Remove what killed runs left behind."""
    named = [Path(store) for store in stores or ()]
    for store in named:
        if not unfinished_words(store):
            raise OutputError(f"{store} is not an unfinished result, so it is never removed.")
    removed = remove_left()
    for path in removed:
        say(f"removed {path}")
    left = named or [store for store in noted_stores() if unfinished_words(store)]
    for store in left:
        words = unfinished_words(store)
        if not unfinished:
            say(f"{store} is unfinished ({words}); --resume continues it, --unfinished removes it")
        elif _remove(store):
            say(f"removed {store} ({words})")
        else:
            say(f"{store} is being written by another process; it was not removed ({words})")
    if not removed and not left:
        say("Nothing to remove.")


def _remove(store: Path) -> bool:
    """Remove an unfinished store unless somebody writes it."""
    try:
        with locked(store / STATE_FOLDER / "lock") as is_free:
            if not is_free:
                return False
            shutil.rmtree(store)
    except OSError as error:
        raise OutputError(f"{store} cannot be removed: {reason(error)}.") from error
    drop_store(store)
    return True
