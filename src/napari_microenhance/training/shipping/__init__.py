"""From a checkpoint to a network file and its int8 twin."""

# Before `quantizing` imports onnxruntime: it keeps that from telling its maker.
import napari_microenhance.engine.runtime  # noqa: F401
