"""The command line: the only package that prints."""

from napari_microenhance.cli.program import app, main, run

__all__ = ["app", "main", "run"]
