"""The command line: the only room that prints."""

from napari_microenhance.cli.commands import app, main, run
from napari_microenhance.cli.inspecting import inspect_model

__all__ = ["app", "main", "run"]

app.command("inspect")(inspect_model)
