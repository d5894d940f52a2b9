"""Where networks come from: built-in ones and ONNX files."""

from napari_microenhance.models.catalogue import ModelInfo, list_models
from napari_microenhance.models.loading import Model, load_model

__all__ = ["Model", "ModelInfo", "list_models", "load_model"]
