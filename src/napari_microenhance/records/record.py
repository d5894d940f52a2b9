"""Record: the report of a run, read back and ready to be run again."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from napari_microenhance.engine.options import CHOICES, Options
from napari_microenhance.engine.reports.report import Report
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.measure.full_range import FullRange
from napari_microenhance.records.recorded import (
    RecordedPatch,
    RecordedReport,
    RecordedSpec,
    RecordError,
    parse_report,
)
from napari_microenhance.records.recorded_roi import RecordedRoi, read_roi

if TYPE_CHECKING:
    from napari_microenhance.measure.trust_maps.trust import TrustMap

__all__ = ["Record", "RecordLike", "RecordedRoi"]

RecordLike: TypeAlias = "Record | Report | Mapping[str, Any] | str | os.PathLike[str]"
"""Wherever a record is kept: see `Record.of`."""

REPORT_BYTES_MOST: Final = 1 << 28

BUILT_IN: Final = "built-in"


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """The report of a run, as a file or a layer carries it; made by `Record.of`.

    Parameters
    ----------
    report : RecordedReport
        What it says.
    kept : mapping
        The same as plain JSON values, with what this version does not know: what is written
        into the next file.
    folder : Path or None
        Of the file that it was read from.
    """

    report: RecordedReport
    kept: Mapping[str, Any]
    folder: Path | None = None

    @classmethod
    def of(
        cls,
        source: "RecordLike",
        *,
        folder: Path | None = None,
    ) -> Self:
        """Read a record from wherever one is kept.

        Parameters
        ----------
        source : Record, Report, mapping, str or path
            A result's report, as a value or a dict; the metadata of a napari layer; the path
            of an image file with a record in it, or of a report in JSON.
        folder : Path, optional
            Where the files lie that it names. Default: beside the file, else the current one.

        Raises
        ------
        FileMissingError
            If there is no such file.
        RecordError
            If it carries no record, or a damaged one.
        """
        if isinstance(source, cls):
            return source
        if isinstance(source, Report):
            return cls._parsed(source.to_dict(), folder)
        if isinstance(source, Mapping):
            return cls._parsed(source.get(RECORD_KEY) or source, folder)
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            return cls._parsed(_read(path), folder or path.parent)
        raise RecordError(f"A {type(source).__name__} has no record of a run.")

    @classmethod
    def found_in(cls, metadata: Mapping[str, Any]) -> "Self | None":
        """Return the record in the metadata of a layer; None without one, or a damaged one."""
        kept = metadata.get(RECORD_KEY)
        try:
            return cls._parsed(kept, None) if kept else None
        except RecordError:
            return None

    @classmethod
    def _parsed(cls, kept: object, folder: Path | None) -> Self:
        """Return the record that JSON values hold."""
        if not isinstance(kept, Mapping):
            raise RecordError("The record is damaged: it is not the report of a run.")
        record = cls(parse_report(kept), kept, folder)
        record.options()
        return record

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values, as a file or a layer keeps it."""
        return dict(self.kept)

    def with_image_name(self, name: str | None) -> Self:
        """Return the record with the name of the image's file; None: as it is."""
        if name is None:
            return self
        return self._changed("image", name=name)

    def with_map(self, found: "TrustMap") -> Self:
        """Return the record with the number of a trust map of the result."""
        return self._changed("trust", **{found.name: found.to_dict()})

    def _changed(self, section: str, /, **entries: Any) -> Self:  # noqa: ANN401 - JSON
        """Return the record with other entries in one of its sections."""
        kept = {**self.kept, section: {**(self.kept.get(section) or {}), **entries}}
        return type(self)(parse_report(kept), kept, self.folder)

    @property
    def axes(self) -> str:
        """Axes of the image."""
        return _present(self.report.image.axes, "image", "axes")

    @property
    def image_name(self) -> str | None:
        """Name of the image's file, without its folder; None where it was none."""
        name = self.report.image.name
        return Path(name).name if name else None

    @property
    def model_name(self) -> str:
        """Name of the network."""
        return _present(self.report.model.name, "model", "name")

    @property
    def model_file(self) -> str | None:
        """Name of the network's file; None for a built-in one."""
        source = _present(self.report.model.source, "model", "source")
        return None if source == BUILT_IN else Path(source).name

    @property
    def spec(self) -> RecordedSpec:
        """What the network was taken for; where the record does not say, a network of planes."""
        return self.report.model.spec or RecordedSpec()

    @property
    def holds_labels(self) -> bool:
        """Whether the result says what is where, and is no image."""
        return self.spec.task == "labels"

    @property
    def spatial(self) -> str:
        """Axes that the network saw at once: those of a plane, or of a volume."""
        return "".join(a for a in "ZYX" if a in "YX" or a in self.spec.axes_in)

    @property
    def scale(self) -> float:
        """Pixels of the result per pixel of the image."""
        return self.report.result.scale if self.report.result else 1.0

    @property
    def full_range(self) -> FullRange | None:
        """Distance between the image values that the run took as black and white.

        Of several channels, from the lowest black to the highest white; None where values met
        the network as they are.
        """
        ends = self.report.intensity.ends
        if self.report.intensity.source == "none" or not ends:
            return None
        span = max(high for _, high in ends) - min(low for low, _ in ends)
        return FullRange(span, "recorded") if 0 < span < math.inf else None

    @property
    def result_sha256(self) -> str | None:
        """Fingerprint of the patch, where one was taken."""
        found = self.report.result
        return found.sha256 if found and found.sha256 else None

    @property
    def window(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The (Y, X) ranges of a preview, px; None for a full run."""
        spans = self.report.plan.window
        if not spans:
            return None
        try:
            (y0, y1), (x0, x1) = spans[-2:]
            return (int(y0), int(y1)), (int(x0), int(x1))
        except (TypeError, ValueError) as error:
            raise RecordError(f"The record is damaged: its window is {spans!r}.") from error

    def patch_under(self, shape: tuple[int, ...]) -> RecordedPatch | None:
        """Return where pixels lie that are only the patch of the run; None: on all of the image.

        Parameters
        ----------
        shape : tuple of int
            Of the pixels.
        """
        found, image = self.report.result, self.report.image
        if found is None or not found.axes or found.shape != tuple(shape):
            return None
        lengths = dict(zip(image.axes or "", image.shape, strict=False))
        for letter, length, start in zip(found.axes, found.shape, found.start, strict=False):
            factor = found.scale if letter in "YX" else 1.0
            if start or length != round(lengths.get(letter, length) * factor):
                return found
        return None

    def options(self) -> Options:
        """Return the options, with what "auto" came to where that depends on the machine.

        The size of tiles depends on the free memory, so the number they were chosen for is
        taken over, and the provider that ran.

        Raises
        ------
        RecordError
            If an option has a value that it cannot have.
        """
        known = {field.name for field in dataclasses.fields(Options)}
        values = {k: v for k, v in self.report.options.items() if k in known}
        try:
            options = Options.from_dict(values)
            memory = self.report.plan.memory_bytes
            if options.memory == "auto" and memory is not None:
                options = dataclasses.replace(options, memory=memory)
        except MicroEnhanceError as error:
            raise RecordError(f"The record is damaged: {error}") from error
        got = self.report.provider.got
        if options.provider == "auto" and got in CHOICES["provider"]:
            options = dataclasses.replace(options, provider=got)
        return options

    def roi(self) -> RecordedRoi:
        """Return the region as `enhance` takes it, before it was dilated.

        Raises
        ------
        RecordError
            If it is damaged.
        """
        return read_roi(self.report.roi, self.axes, self.report.image.shape)


def _present(value: str | None, section: str, key: str) -> str:
    """Return an entry that every record has."""
    if value is None:
        raise RecordError(f'The record is damaged: its "{section}" has no "{key}".')
    return value


def _read(path: Path) -> Mapping[str, Any]:
    """Return the record that a file carries."""
    from napari_microenhance.files import check_reachable, kind_of
    from napari_microenhance.images.image_formats import read_record

    check_reachable(path, error=RecordError)
    if path.is_dir() or kind_of(path, error=RecordError) != "json":
        found = read_record(path)
    else:
        found = _read_json(path)
    if not isinstance(found, Mapping):
        raise RecordError(
            f"{path} has no record of a run; choose a file that microenhance wrote, or its "
            "--report."
        )
    return found


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return what stands in a report that was written as JSON."""
    try:
        if path.stat().st_size > REPORT_BYTES_MOST:
            raise RecordError(f"{path} is too large for the report of a run.")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, MicroEnhanceError):
            raise
        raise RecordError(f"{path} is not valid JSON; write the report again.") from error
