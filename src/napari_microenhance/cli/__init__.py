"""The command line: the only room that prints."""

from collections.abc import Callable

from napari_microenhance.cli.commands import app, main, run
from napari_microenhance.cli.comparing import compare_files, rerun_file
from napari_microenhance.cli.evaluating import evaluate_networks
from napari_microenhance.cli.exporting import export_file, quantize_file
from napari_microenhance.cli.inspecting import inspect_model
from napari_microenhance.cli.training import train_network

__all__ = ["app", "main", "run"]

_COMMANDS: dict[str, Callable[..., None]] = {
    "rerun": rerun_file,
    "compare": compare_files,
    "inspect": inspect_model,
    "train": train_network,
    "export": export_file,
    "quantize": quantize_file,
    "evaluate": evaluate_networks,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
