"""What a run needs, and what it hands back, as values."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from napari_microenhance.api import Model, Options
from napari_microenhance.widgets.roi.drawn_roi import DrawnRoi
from napari_microenhance.widgets.viewer.layer_values import ImageSource

if TYPE_CHECKING:
    from napari_microenhance.engine.reports.report_sections import ProviderSection
    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["Outcome", "Task"]


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Everything a run needs, read from the viewer beforehand.

    Parameters
    ----------
    source : ImageSource
    model : Model, str or Path
        An open network, or what `load_model` takes.
    roi : DrawnRoi
    options : Options
    preview : bool
    window : tuple of (start, stop) for y and x, or None
        The part that a preview computes, px.
    part : str
        What the ROI is called where it is one of several; the result is its patch alone.
    """

    source: ImageSource
    model: Model | str | Path
    roi: DrawnRoi
    options: Options
    preview: bool = False
    window: tuple[tuple[int, int], tuple[int, int]] | None = None
    part: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What a finished run hands to the window."""

    plan: "LayerPlan"
    model: Model
    summary: str
    remarks: tuple[str, ...]
    provider: "ProviderSection"
