"""What one press of a button asks for: a run, or several one after the other."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from napari_microenhance.api import Model, Options
from napari_microenhance.widgets.layers import RECORD_KEY, read_image
from napari_microenhance.widgets.options_form import read_options
from napari_microenhance.widgets.roi import Roi, read_roi
from napari_microenhance.widgets.worker import Task

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_microenhance.widgets.choosers import LayerChoosers
    from napari_microenhance.widgets.view import View

__all__ = ["FOREGROUND", "Batch", "Run", "foreground_task", "originals", "plan_runs", "read_task"]

FOREGROUND = "foreground"
"""The built-in network that finds an ROI."""


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
    task: Task | None = None
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
    failures : list of str
        A sentence for every run that failed.
    remarks : list of str
        Of the runs so far.
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
        self.failures: list[str] = []
        self.remarks: list[str] = []
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


def read_task(
    fields: "LayerChoosers",
    image: "Image",
    model: Model | str,
    view: "View",
    *,
    preview: bool = False,
) -> Task:
    """Read all that a run needs from fields and layers; main thread only.

    Parameters
    ----------
    fields : LayerChoosers
        Their ROI and options count; the ROI reaches an image through the world.
    image : napari.layers.Image
    model : Model or str
        An open network, or the name of a built-in one.
    view : View
    preview : bool
        Whether only what is in sight is to be computed.

    Raises
    ------
    MicroEnhanceError
        If image, ROI or options cannot be used.
    """
    source = read_image(image)
    plane = view.plane_of(image, source.data.shape)
    number = source.plane_number(plane, depth=not _takes_volumes(model))
    options = read_options(fields, number)
    if preview and number is not None:
        options = dataclasses.replace(options, planes=(number,))
    only = plane if options.planes != "all" else None
    return Task(
        source=source,
        model=model,
        roi=read_roi(fields.roi.value, image, view, plane=only),
        options=options,
        preview=preview,
        window=view.window_of(image, source.spatial_shape) if preview else None,
    )


def foreground_task(
    fields: "LayerChoosers", image: "Image", model: Model | str, view: "View"
) -> Task:
    """Read what it takes to find the foreground of an image with the built-in network.

    Of the options, only those count that say where and how fast it is done.
    """
    task = read_task(fields, image, model, view)
    names = ("planes", "provider", "threads", "memory")
    options = Options(**{name: getattr(task.options, name) for name in names})
    return dataclasses.replace(task, roi=Roi(), options=options)


def plan_runs(
    fields: "LayerChoosers",
    images: Iterable["Image"],
    model: Model | str,
    view: "View",
    *,
    apart: bool,
) -> list[Run]:
    """Read the runs over several images; what is wrong with one of them goes with it.

    Parameters
    ----------
    fields, model, view
        As for `read_task`.
    images : iterable of napari.layers.Image
    apart : bool
        Whether each shape of the ROI gets a result of its own.
    """
    runs = []
    for image in images:
        try:
            task = read_task(fields, image, model, view)
        except Exception as error:  # noqa: BLE001 - told when its turn comes
            runs.append(Run(image, error=error))
            continue
        parts = task.roi.split() if apart else (task.roi,)
        for number, roi in enumerate(parts, start=1):
            name = f"shape {number}" if len(parts) > 1 else ""
            runs.append(Run(image, dataclasses.replace(task, roi=roi, part=name)))
    return runs


def originals(images: Iterable["Image"]) -> list["Image"]:
    """Return the images that are no result of ours."""
    return [image for image in images if RECORD_KEY not in image.metadata]


def _takes_volumes(model: Model | str) -> bool:
    """Return whether a network sees z, y and x at once."""
    return isinstance(model, Model) and "Z" in model.spec.axes_in
