"""What one press of a button asks for: a run, or several one after the other."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_microenhance.widgets.running.task import Task

__all__ = ["Batch", "Run"]


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One run, read from the viewer beforehand.

    Parameters
    ----------
    image : napari.layers.Image
    task : Task or None
    error : Exception or None
        Why there is no task.
    """

    image: "Image"
    task: "Task | None" = None
    error: Exception | None = None


class Batch:
    """Runs one after the other, and what came of them; main thread only.

    Parameters
    ----------
    runs : sequence of Run
    key : str
        Of the network.
    preview : bool
    as_roi : bool
        Whether the result becomes the ROI.
    keeps : bool
        Whether the others go on after one that failed, and what is finished stays after a
        cancel.

    Attributes
    ----------
    layers : list of napari.layers.Layer
        Results so far.
    removed : list of (napari.layers.Layer, int)
        Layers that these took the place of, with their place in the list.
    failures : list of str
        A sentence for every run that failed.
    remarks : list of str
        Of the runs so far.
    roi_before : napari.layers.Layer or None
        What was the ROI before a result became it.
    stopped : bool
        Whether the user cancelled between two runs.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        key: str,
        *,
        preview: bool = False,
        as_roi: bool = False,
        keeps: bool = False,
    ) -> None:
        self._runs = tuple(runs)
        self._begun = 0
        self.key = key
        self.preview = preview
        self.as_roi = as_roi
        self.keeps = keeps
        self.layers: list[Layer] = []
        self.removed: list[tuple[Layer, int]] = []
        self.failures: list[str] = []
        self.remarks: list[str] = []
        self.roi_before: Layer | None = None
        self.stopped = False

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def number(self) -> int:
        """Of the run that was begun last, from 1 on."""
        return self._begun

    @property
    def run(self) -> Run:
        """The run that was begun last."""
        return self._runs[self._begun - 1]

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to begin."""
        return self.stopped or self._begun >= len(self._runs)

    def begin(self) -> Run:
        """Go on to the next run."""
        self._begun += 1
        return self.run

    def fail(self, text: str) -> str:
        """Note why the run failed that was begun last; return it as a sentence that names it."""
        sentence = f"{self.run.image.name}: {text}"
        self.failures.append(sentence)
        return sentence

    def summary(self, last: str) -> tuple[str, list[str]]:
        """Return the line that says what ran, `last` being that of one run, and remarks."""
        if len(self) == 1 and not self.failures:
            return last, self.remarks
        done = f"{len(self.layers)} of {len(self)} results"
        return f"{done}; the last: {last}" if last else f"{done}.", [*self.failures, *self.remarks]
