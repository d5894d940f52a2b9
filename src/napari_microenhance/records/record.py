"""Record: the report of a run, read back and ready to be run again."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.options import CHOICES, Options
from napari_microenhance.engine.region import Region, slices
from napari_microenhance.engine.report import Report
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.records.differences import RecordError

__all__ = ["Record", "Roi"]

Roi = list[npt.NDArray[np.float64]] | npt.NDArray[np.bool_] | None
"""What `enhance` takes as a region: polygons, a mask, or nothing for the whole image."""

SECTIONS: Final = ("model", "provider", "versions", "image", "roi", "options", "plan", "intensity")
"""Parts of a report that are objects, without which a run cannot be told."""

REPORT_BYTES_MOST: Final = 1 << 28

BUILT_IN: Final = "built-in"


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """The report of a run, as a file or a layer carries it.

    Parameters
    ----------
    report : mapping
        As `Report.to_dict` gives it, perhaps by another version.
    folder : Path or None
        Of the file that it was read from.
    """

    report: Mapping[str, Any]
    folder: Path | None = None

    def __post_init__(self) -> None:
        for name in SECTIONS:
            if not isinstance(self.report.get(name), Mapping):
                raise RecordError(
                    f'The record has no "{name}", so it is not, or no longer, that of a run.'
                )

    @classmethod
    def of(cls, source: "Record | Report | Mapping[str, Any] | str | os.PathLike[str]") -> Self:
        """Read a record from wherever one is kept.

        Parameters
        ----------
        source : Record, Report, mapping, str or path
            A result's report, as a value or a dict; the metadata of a napari layer; the path
            of an image file with a record in it, or of a report in JSON.

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
            return cls(source.to_dict())
        if isinstance(source, Mapping):
            return cls(source.get(RECORD_KEY) or source)
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            return cls(_read(path), path.parent)
        raise RecordError(f"A {type(source).__name__} carries no record of a run.")

    @property
    def axes(self) -> str:
        """Axes of the image."""
        return str(self._value("image", "axes"))

    @property
    def image_name(self) -> str | None:
        """Name of the image's file, without its folder; None where it was none."""
        name = self.report["image"].get("name")
        return Path(str(name)).name if name else None

    @property
    def model_name(self) -> str:
        """Name of the network."""
        return str(self._value("model", "name"))

    @property
    def model_file(self) -> str | None:
        """Name of the network's file; None for a built-in one."""
        source = str(self._value("model", "source"))
        return None if source == BUILT_IN else Path(source).name

    @property
    def result_sha256(self) -> str | None:
        """Fingerprint of the patch, where one was taken."""
        found = self.report.get("result")
        digest = found.get("sha256") if isinstance(found, Mapping) else None
        return str(digest) if digest else None

    @property
    def window(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The (Y, X) ranges of a preview, px; None for a full run."""
        spans = self.report["plan"].get("window")
        try:
            (y0, y1), (x0, x1) = spans[-2:] if spans else ((0, 0), (0, 0))
            return ((int(y0), int(y1)), (int(x0), int(x1))) if spans else None
        except (TypeError, ValueError) as error:
            raise RecordError(f"The record is damaged: its window is {spans!r}.") from error

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
        values = {k: v for k, v in self.report["options"].items() if k in known}
        try:
            options = Options.from_dict(values)
            memory = self.report["plan"].get("memory_bytes")
            if options.memory == "auto" and memory is not None:
                options = dataclasses.replace(options, memory=memory)
        except MicroEnhanceError as error:
            raise RecordError(f"The record is damaged: {error}") from error
        got = self.report["provider"].get("got")
        if options.provider == "auto" and got in CHOICES["provider"]:
            options = dataclasses.replace(options, provider=got)
        return options

    def unknown_options(self) -> tuple[str, ...]:
        """Return the options that this version does not know."""
        known = {field.name for field in dataclasses.fields(Options)}
        return tuple(sorted(set(self.report["options"]) - known))

    def roi(self) -> Roi:
        """Return the region as `enhance` takes it, before it was dilated.

        Raises
        ------
        RecordError
            If it is damaged.
        """
        kept = self.report["roi"]
        try:
            if "vertices" in kept:
                return [np.asarray(v, np.float64).reshape(-1, 2) for v in kept["vertices"]]
            if kept.get("whole_image"):
                return None
            mask = self._mask(kept)
            again = Region.from_mask(mask).to_dict()
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RecordError("The record is damaged: its ROI cannot be read.") from error
        if again.get("runs_sha256") != kept.get("runs_sha256"):
            raise RecordError("The record is damaged: the mask of its ROI is not the one it had.")
        return mask

    def _mask(self, kept: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
        """Return the mask that was kept as runs over its box."""
        box = tuple((int(a), int(b)) for a, b in kept["box"])
        letters = "ZYX"[-len(box) :]
        shape = self._value("image", "shape")
        mask = np.zeros([int(shape[self.axes.index(letter)]) for letter in letters], bool)
        inner = np.zeros([b - a for a, b in box], bool)
        flat = inner.reshape(-1)
        for start, length in kept.get("runs", [(0, flat.size)]):
            flat[start : start + length] = True
        mask[slices(box)] = inner
        return mask

    def _value(self, section: str, key: str) -> Any:  # noqa: ANN401 - JSON
        """Return an entry that every record has."""
        if key not in self.report[section]:
            raise RecordError(f'The record is damaged: its "{section}" says no "{key}".')
        return self.report[section][key]


def _read(path: Path) -> Mapping[str, Any]:
    """Return the record that a file carries."""
    from napari_microenhance.files import kind_of
    from napari_microenhance.images.image_formats import read_record

    if path.is_dir() or kind_of(path, error=RecordError) != "json":
        found = read_record(path)
    else:
        found = _read_json(path)
    if not isinstance(found, Mapping):
        raise RecordError(
            f"{path} carries no record of a run; take a file that microenhance wrote, or its "
            "--report."
        )
    return found


def _read_json(path: Path) -> Any:  # noqa: ANN401 - JSON
    """Return what stands in a report that was written as JSON."""
    try:
        if path.stat().st_size > REPORT_BYTES_MOST:
            raise RecordError(f"{path} is too long for the report of a run.")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, MicroEnhanceError):
            raise
        raise RecordError(f"{path} is not valid JSON; write the report again.") from error
