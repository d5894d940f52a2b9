"""The command line: the only room that prints."""

from napari_microenhance.cli.commands import app, main, run

__all__ = ["app", "main", "run"]
