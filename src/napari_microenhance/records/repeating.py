"""Repeating: from a record to everything that the same run needs, and what came of it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from napari_microenhance.engine.options import Options
from napari_microenhance.engine.reports.report_sections import RerunSection
from napari_microenhance.engine.result import Result
from napari_microenhance.engine.runtime.session import runtime_version
from napari_microenhance.engine.source import Source
from napari_microenhance.errors import FileMissingError
from napari_microenhance.models import Model, list_models, load_model
from napari_microenhance.records.differences import (
    check,
    image_difference,
    known_better,
    model_difference,
    other_spec,
    unknown_options,
    version_remarks,
)
from napari_microenhance.records.inputs import open_image
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import RecordError
from napari_microenhance.records.recorded_roi import RecordedRoi
from napari_microenhance.types import ImageLike, PathLike

__all__ = ["Repetition", "find_model", "prepare"]


@dataclasses.dataclass(frozen=True, eq=False)
class Repetition:
    """A recorded run, ready to be run again.

    Parameters
    ----------
    record : Record
    source : Source
        The image.
    model : Model
    roi : list of ndarray, ndarray of bool, or None
    options : Options
    remarks : tuple of str
        What may make the result another one.
    """

    record: Record
    source: Source
    model: Model
    roi: RecordedRoi
    options: Options
    remarks: tuple[str, ...]

    def compared(self, result: Result) -> Result:
        """Return the result with whether it is identical to the recorded one in its report."""
        recorded = self.record.result_sha256
        found = result.report.result.sha256
        identical = recorded == found if recorded and found else None
        remarks = list(self.remarks)
        if identical is None:
            remarks.append("It could not be checked whether the pixels are the recorded ones.")
        elif not identical:
            remarks.append("The pixels differ from the recorded ones.")
        report = dataclasses.replace(
            result.report,
            warnings=[*result.report.warnings, *remarks],
            rerun=RerunSection(recorded_sha256=recorded, identical=identical),
        )
        return dataclasses.replace(result, report=report)


def prepare(
    record: Record,
    image: ImageLike | Source | None = None,
    model: Model | PathLike | None = None,
    *,
    allow_other: bool = False,
) -> Repetition:
    """Find and check what a recorded run needs.

    Parameters
    ----------
    record : Record
    image : array-like, str, path or Source, optional
        Default: the file that the record names, beside the file with the record.
    model : Model, str or path, optional
        Default: the network that the record names.
    allow_other : bool
        Whether image and network may differ from the recorded ones.

    Raises
    ------
    RecordMismatchError
        If they do, and may not.
    MicroEnhanceError
        If one of them is missing or cannot be used.
    """
    options, roi = record.options(), record.roi()
    source = open_image(find_image(record) if image is None else image, record.axes)
    chosen = find_model(record, _own_networks()) if model is None else model
    network = load_model(chosen)
    better = known_better(record, network.at(options.precision).spec)
    if better and not isinstance(chosen, Model):
        network = load_model(chosen, **better)
    now = network.at(options.precision)
    differs = (
        image_difference(record, source),
        model_difference(record, now.sha256),
    )
    remarks = check(tuple(d for d in differs if d), allow_other=allow_other)
    if unknown := unknown_options(record):
        remarks += (f"This version does not support the recorded options {', '.join(unknown)}.",)
    remarks += version_remarks(record, runtime_version())
    remarks += other_spec(record, now.spec)
    return Repetition(record, source, network, roi, options, remarks)


def find_image(record: Record) -> Path:
    """Return the path of the recorded image, which lies beside the file with the record.

    Raises
    ------
    RecordError
        If the record names none.
    FileMissingError
        If it is not there.
    """
    if record.image_name is None:
        raise RecordError("The record names no image file; specify the image (--image).")
    path = (record.folder or Path.cwd()) / record.image_name
    if not path.exists():
        raise FileMissingError(
            f"The image {record.image_name} of the record is not in {path.parent}; specify it "
            "(--image)."
        )
    return path


def find_model(record: Record, known: Sequence[Path] = ()) -> str | Path:
    """Return the name of the recorded network, or the path of its file.

    Parameters
    ----------
    record : Record
    known : sequence of Path
        Files of the user's own networks.

    Raises
    ------
    FileMissingError
        If its file is neither beside the file with the record nor one of these.
    """
    name = record.model_file
    if name is None:
        return record.model_name
    beside = (record.folder or Path.cwd()) / name
    found = next((path for path in (beside, *known) if path.name == name and path.exists()), None)
    if found is None:
        raise FileMissingError(
            f"The model {name} of the record is not in {beside.parent}; specify it (--model)."
        )
    return found


def _own_networks() -> tuple[Path, ...]:
    """Return the files in the user's own folder of networks."""
    return tuple(info.path for info in list_models() if info.source == "user")
