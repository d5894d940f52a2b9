"""Enhance a drawn region of a microscope image with any ONNX network."""

from importlib import import_module

_HOME = {
    "Cancelled": "errors",
    "MicroEnhanceError": "errors",
    "Model": "models",
    "Options": "engine.options",
    "Progress": "engine.run",
    "Report": "engine.report",
    "Result": "engine.run",
    "enhance": "api",
    "list_models": "models",
    "load_model": "models",
    "load_preset": "presets",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("napari-microenhance")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
