"""The headless front: enhance a region, repeat a run, and see what it changed."""

from napari_microenhance.api.enhancing import check_domain, enhance, foresee, noise_in
from napari_microenhance.api.folder import FilesProgress, enhance_files
from napari_microenhance.api.judging import compare, raw_consistency, variability
from napari_microenhance.api.rerunning import repeat, rerun
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Progress
from napari_microenhance.jobs.outcomes import FileOutcome
from napari_microenhance.measure.comparison import Comparison
from napari_microenhance.measure.trust_maps.trust import TrustMap, mismatch_map, noted
from napari_microenhance.models import Model, ModelInfo, list_models, load_model
from napari_microenhance.models.sidecar import load_edits, save_edits
from napari_microenhance.presets import list_presets, load_preset, save_preset
from napari_microenhance.records import (
    Record,
    RecordError,
    RecordMismatchError,
    command_line,
    methods_text,
    python_code,
)

__all__ = [
    "Comparison",
    "FileOutcome",
    "FilesProgress",
    "Model",
    "ModelInfo",
    "Options",
    "Progress",
    "Record",
    "RecordError",
    "RecordMismatchError",
    "Report",
    "Result",
    "TrustMap",
    "check_domain",
    "command_line",
    "compare",
    "enhance",
    "enhance_files",
    "foresee",
    "list_models",
    "list_presets",
    "load_edits",
    "load_model",
    "load_preset",
    "methods_text",
    "mismatch_map",
    "noise_in",
    "noted",
    "python_code",
    "raw_consistency",
    "repeat",
    "rerun",
    "save_edits",
    "save_preset",
    "variability",
]
