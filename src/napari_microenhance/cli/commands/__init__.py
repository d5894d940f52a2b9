"""The commands by name, one module each."""

from collections.abc import Callable
from typing import Final

from napari_microenhance.cli.commands.batch import enhance_batch
from napari_microenhance.cli.commands.clean import clean_up
from napari_microenhance.cli.commands.compare import compare_files
from napari_microenhance.cli.commands.demo import show_demo
from napari_microenhance.cli.commands.enhance import enhance_file
from napari_microenhance.cli.commands.evaluate import evaluate_networks
from napari_microenhance.cli.commands.export import export_file
from napari_microenhance.cli.commands.export_package import export_package_file
from napari_microenhance.cli.commands.inspect import inspect_model
from napari_microenhance.cli.commands.models import show_models
from napari_microenhance.cli.commands.quantize import quantize_file
from napari_microenhance.cli.commands.rerun import rerun_file
from napari_microenhance.cli.commands.train import train_network
from napari_microenhance.cli.commands.verify import verify_package

__all__ = ["COMMANDS"]

COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "enhance": enhance_file,
    "batch": enhance_batch,
    "rerun": rerun_file,
    "compare": compare_files,
    "inspect": inspect_model,
    "models": show_models,
    "clean": clean_up,
    "demo": show_demo,
    "export-package": export_package_file,
    "verify": verify_package,
    "train": train_network,
    "export": export_file,
    "quantize": quantize_file,
    "evaluate": evaluate_networks,
}
