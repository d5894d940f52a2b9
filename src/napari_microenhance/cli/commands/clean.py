"""`clean`: what killed runs left."""

from napari_microenhance.cli.terminal import say
from napari_microenhance.unfinished import remove_left

__all__ = ["clean_up"]


def clean_up() -> None:
    """Remove what killed runs left behind."""
    removed = remove_left()
    for path in removed:
        say(f"removed {path}")
    if not removed:
        say("Nothing to remove.")
