"""summary.csv: a row for each image of a folder run, up to date at every moment."""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from napari_microenhance.errors import OutputError
from napari_microenhance.files import reason, replacing

if TYPE_CHECKING:
    from napari_microenhance.records.record import Record

__all__ = [
    "COLUMNS",
    "Figures",
    "FileOutcome",
    "Status",
    "Summary",
    "figures_of",
    "listed_results",
    "read_rows",
]

Status = Literal["done", "skipped", "failed"]

Figures = Mapping[str, str | int | float | None]
"""By the names of columns."""

COLUMNS: Final = (
    *("name", "status", "sentence", "result", "roi", "model", "provider"),
    *("seconds", "tiles", "pixels_roi", "pixels_computed", "intensity_low", "intensity_high"),
    *("clipped", "tile_mismatch", "peak_bytes", "image_sha256", "result_sha256", "warnings"),
)
"""Of summary.csv; those of several channels have as many numbers, with spaces between them."""

_BYTES_MOST: Final = 1 << 28


@dataclasses.dataclass(frozen=True)
class FileOutcome:
    """What became of one image.

    Parameters
    ----------
    name : str
        Of its file.
    status : {"done", "skipped", "failed"}
    sentence : str
        What ran, why it was skipped, or what went wrong.
    figures : mapping
        Of the report, by the names of `COLUMNS`.
    traceback : str
        Of a failure that nobody expected.
    """

    name: str
    status: Status
    sentence: str
    figures: Figures = dataclasses.field(default_factory=dict)
    traceback: str = ""


class Summary:
    """The rows of a folder run, written again whenever one is added.

    Parameters
    ----------
    path : Path
        Of the file.
    names : sequence of str
        Of the images, in the order of their rows.
    kept : sequence of mapping
        Rows of other images, which stay at the top.
    """

    def __init__(
        self, path: Path, names: Sequence[str], kept: Sequence[Mapping[str, str]] = ()
    ) -> None:
        self._path = path
        self._order = {name: number for number, name in enumerate(names)}
        self._head = _lines([dict(zip(COLUMNS, COLUMNS, strict=True)), *kept])
        self._rows: dict[int, str] = {}
        self._problem: OutputError | None = None

    def begin(self) -> None:
        """Write the file without a row.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self._write()

    def add(self, outcome: FileOutcome) -> None:
        """Add a row; where the file cannot be written now, `finish` tries once more.

        Parameters
        ----------
        outcome : FileOutcome
        """
        row = {**outcome.figures}
        row |= {"name": outcome.name, "status": outcome.status, "sentence": outcome.sentence}
        self._rows[self._order[outcome.name]] = _lines([row])
        self._problem = None
        try:
            self._write()
        except OutputError as problem:  # a full disk may be emptied while others are enhanced
            self._problem = problem

    def finish(self) -> None:
        """Write what could not be written before.

        Raises
        ------
        OutputError
            If it still cannot.
        """
        if self._problem is not None:
            self._write()

    def _write(self) -> None:
        """Write all rows; the file is whole at every moment."""
        text = self._head + "".join(self._rows[number] for number in sorted(self._rows))
        with replacing(self._path) as file:
            file.write(text.encode("utf-8", "backslashreplace"))


def read_rows(path: Path) -> tuple[dict[str, str], ...] | None:
    """Return the rows of an earlier summary; None where a file is another one.

    Parameters
    ----------
    path : Path
        It need not exist.

    Raises
    ------
    OutputError
        If it cannot be read.
    """
    try:
        if path.stat().st_size > _BYTES_MOST:
            return None
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ())[:3] != COLUMNS[:3]:
                return None
            return tuple({k: v or "" for k, v in row.items() if k in COLUMNS} for row in rows)
    except FileNotFoundError:
        return ()
    except (UnicodeDecodeError, csv.Error):
        return None
    except OSError as problem:
        raise OutputError(f"{path} cannot be read: {reason(problem)}.") from problem


def listed_results(rows: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """Return the names of the results that an earlier summary lists.

    Parameters
    ----------
    rows : sequence of mapping
        As `read_rows` gives them.
    """
    return frozenset(name for row in rows if (name := row.get("result")))


def figures_of(record: "Record", result: str) -> Figures:
    """Return the figures of a run.

    Parameters
    ----------
    record : Record
    result : str
        Name of the result's file.

    Returns
    -------
    mapping
        By the names of `COLUMNS`.
    """
    report = record.report
    lows, highs = zip(*report.intensity.ends, strict=True) if report.intensity.ends else ((), ())
    return {
        "result": result,
        "model": report.model.name,
        "provider": report.provider.got,
        "seconds": _rounded(report.seconds.total if report.seconds else None),
        "tiles": report.plan.tiles,
        "pixels_roi": report.plan.pixels_roi,
        "pixels_computed": report.plan.pixels_computed,
        "intensity_low": _several(lows),
        "intensity_high": _several(highs),
        "clipped": report.clipped,
        "tile_mismatch": report.tile_mismatch,
        "peak_bytes": report.peak_bytes,
        "image_sha256": report.image.sha256,
        "result_sha256": record.result_sha256,
        "warnings": " ".join(report.warnings),
    }


def _rounded(seconds: float | None) -> float | None:
    """Return seconds to the millisecond."""
    return None if seconds is None else round(seconds, 3)


def _several(numbers: Sequence[float]) -> str:
    """Return the numbers of all channels."""
    return " ".join(f"{number:.9g}" for number in numbers)


def _lines(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writerows(rows)
    return text.getvalue()
