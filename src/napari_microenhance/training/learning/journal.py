"""What a run writes down: the terms of the loss at every step, and each validation."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path

from napari_microenhance.errors import OutputError
from napari_microenhance.files import replacing

__all__ = ["Journal", "read_table"]


class Journal:
    """A table in a CSV file that grows line by line and can go back to a step.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        After "step".
    after : int
        Lines of later steps are dropped: they were written after the checkpoint that a
        run goes on from.
    """

    def __init__(self, path: Path, columns: Sequence[str], after: int = 0) -> None:
        self.path = path
        self.columns = ("step", *columns)
        kept = [row for row in read_table(path) if row["step"] <= after] if after else []
        with replacing(path) as handle:
            handle.write(self._lines([self.columns, *map(self._cells, kept)]).encode())
        try:
            self._file = path.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Finish the file.

        Raises
        ------
        OutputError
            If there is no room for its last lines.
        """
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, row: Mapping[str, float]) -> None:
        """Write one line; columns that the row lacks stay empty.

        Raises
        ------
        OutputError
            If there is no room for it.
        """
        try:
            self._file.write(self._lines([self._cells(row)]))
        except OSError as error:
            raise self._unwritable(error) from error

    def flush(self) -> None:
        """Bring all lines to the disk.

        Raises
        ------
        OutputError
            If there is no room for them.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error

    def _cells(self, row: Mapping[str, float]) -> list[str]:
        """Return a row's texts, in the order of the columns; floats to the last bit."""
        values = [row.get(name, math.nan) for name in self.columns]
        return [str(int(values[0])), *("" if math.isnan(v) else repr(v) for v in values[1:])]

    @staticmethod
    def _lines(rows: Iterable[Sequence[str]]) -> str:
        """Return rows as CSV."""
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()

    def _unwritable(self, error: OSError) -> OutputError:
        """Return the sentence for a file that cannot grow."""
        return OutputError(f"{self.path} cannot be written: {error.strerror or error}.")


def read_table(path: Path) -> list[dict[str, float]]:
    """Read a table that a `Journal` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of dict
        Empty cells are NaN; a line that a killed run left unfinished is dropped.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        lines = [line for line in handle if line.endswith("\n")]
    return [
        {name: float(text) if text else math.nan for name, text in row.items()}
        for row in csv.DictReader(lines)
        if None not in row and None not in row.values()
    ]
