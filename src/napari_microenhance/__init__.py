"""Enhance a drawn region of a microscope image with any ONNX network."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_microenhance.api import compare, enhance, rerun
    from napari_microenhance.engine.options import Options
    from napari_microenhance.engine.reports.report import Report
    from napari_microenhance.engine.result import Result
    from napari_microenhance.engine.run import Progress
    from napari_microenhance.errors import Cancelled, MicroEnhanceError
    from napari_microenhance.models import Model, list_models, load_model
    from napari_microenhance.presets import load_preset
    from napari_microenhance.rois.region_of_interest import Roi

_HOME = {
    "Cancelled": "errors",
    "MicroEnhanceError": "errors",
    "Model": "models",
    "Options": "engine.options",
    "Progress": "engine.run",
    "Report": "engine.reports.report",
    "Result": "engine.result",
    "Roi": "rois.region_of_interest",
    "compare": "api",
    "enhance": "api",
    "list_models": "models",
    "load_model": "models",
    "load_preset": "presets",
    "rerun": "api",
}
__all__ = [
    "Cancelled",
    "MicroEnhanceError",
    "Model",
    "Options",
    "Progress",
    "Report",
    "Result",
    "Roi",
    "compare",
    "enhance",
    "list_models",
    "load_model",
    "load_preset",
    "rerun",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("napari-microenhance")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
