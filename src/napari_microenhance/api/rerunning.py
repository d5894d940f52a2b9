"""rerun(): a recorded run again."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from napari_microenhance.engine.reports.report import Report
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.run import Progress
from napari_microenhance.engine.source import Source
from napari_microenhance.models import Model
from napari_microenhance.records import (
    Record,
)
from napari_microenhance.types import ImageLike, PathLike, ShouldStop

if TYPE_CHECKING:
    from napari_microenhance.records.repeating import Repetition
from napari_microenhance.api.enhancing import enhance

__all__ = ["repeat", "rerun"]


def rerun(
    record: Record | Report | Mapping[str, object] | PathLike,
    image: ImageLike | Source | None = None,
    model: Model | PathLike | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
    allow_other: bool = False,
) -> Result:
    """Repeat a recorded run, and say whether the pixels are the same.

    Parameters
    ----------
    record : Record, Report, mapping, str or path
        A result file, a report in JSON, the report of a result, or the metadata of a layer.
    image : array-like, str or path, optional
        Default: the file that the record names, beside the file with the record.
    model : Model, str or path, optional
        Default: the network that the record names; a file of its name beside the record, or
        in the user's own folder of networks.
    on_progress, should_stop : callable, optional
        As for `enhance`.
    allow_other : bool
        Run even if image or network is not the recorded one.

    Returns
    -------
    Result
        Its report's ``rerun`` says whether the pixels are identical to the recorded ones; its
        warnings, what may be the reason where they are not.

    Raises
    ------
    RecordMismatchError
        If image or network is not the recorded one and `allow_other` is false.
    RecordError
        If there is no record, or a damaged one.
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible any more.
    """
    from napari_microenhance.records.repeating import prepare

    again = prepare(Record.of(record), image, model, allow_other=allow_other)
    return repeat(again, on_progress=on_progress, should_stop=should_stop)


def repeat(
    again: "Repetition",
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: ShouldStop | None = None,
) -> Result:
    """Run a repetition that is prepared, and say whether the pixels are the same.

    Parameters
    ----------
    again : Repetition
        What `rerun` prepares from a record, image and network.
    on_progress, should_stop : callable, optional
        As for `enhance`.

    Returns
    -------
    Result
        As `rerun` gives it.

    Raises
    ------
    Cancelled
        If `should_stop` returned true.
    MicroEnhanceError
        If the run is not possible any more.
    """
    result = enhance(
        again.source,
        again.model,
        again.roi,
        options=again.options,
        on_progress=on_progress,
        should_stop=should_stop,
        window=again.record.window,
    )
    return again.compared(result)
