"""RoiDocument: a file that may hold regions of interest, read once and in any encoding."""

import codecs
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.errors import RoiError
from napari_microenhance.files import LARGEST_ROI, Kind, kind_of, reason

__all__ = ["RoiDocument"]

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", None),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_HEAD: Final = 512  # bytes, which tell text of two bytes per character from other files


class RoiDocument:
    """A file that may hold regions of interest.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileMissingError
        If nothing is there.
    RoiError
        If it is a folder, empty or not readable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind: Kind = kind_of(path, error=RoiError)
        if self.kind in ("binary", "text") and self._wide:
            self.kind = "json" if self.text.lstrip().startswith(("{", "[")) else "text"

    @property
    def is_text(self) -> bool:
        """Whether it can be read as text."""
        return self.kind in ("json", "text")

    @property
    def is_json(self) -> bool:
        """Whether it is meant to be JSON, damaged or not."""
        named = self.path.suffix.lower() in (".json", ".geojson")
        return self.kind == "json" or (self.kind == "text" and named)

    @property
    def notes(self) -> tuple[Caution, ...]:
        """What to say about the encoding of its text; nothing about UTF-8."""
        _, name = self._decoded
        if name is None:
            return ()
        return (Caution("encoding", f"{self.path.name} is not UTF-8; it was read as {name}."),)

    @property
    def text(self) -> str:
        """The text.

        Raises
        ------
        RoiError
            If it is far too large or in another encoding.
        """
        return self._decoded[0]

    @cached_property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Parsed JSON.

        Raises
        ------
        RoiError
            If it is none.
        """
        text = self.text
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise RoiError(
                f"{self.path} is not valid JSON ({reason(problem)}); save it again."
            ) from problem

    @cached_property
    def _wide(self) -> str | None:
        """The encoding of a text of two or four bytes per character, or None."""
        with self.path.open("rb") as handle:
            head = handle.read(_HEAD)
        for mark, encoding, name in _MARKS:
            if name and head.startswith(mark):
                return encoding
        # Without a mark it is told by reading it: most characters of such files are ASCII.
        encoding = "utf-16-be" if head[:1] == b"\x00" else "utf-16-le"
        if b"\x00" not in head or len(head) % 2:
            return None
        text = head.decode(encoding, errors="replace")
        readable = sum(c.isprintable() or c.isspace() for c in text)
        plain = sum(c.isascii() for c in text)
        return encoding if readable == len(text) and 2 * plain > len(text) else None

    @cached_property
    def _decoded(self) -> tuple[str, str | None]:
        """The text, and the encoding it was read in where that is not UTF-8."""
        try:
            if (size := self.path.stat().st_size) > LARGEST_ROI:
                raise RoiError(f"{self.path} is too large: {size / 2**20:.0f} MiB of text.")
            content = self.path.read_bytes()
        except OSError as problem:
            raise RoiError(f"{self.path} cannot be opened: {reason(problem)}.") from problem
        if self._wide:
            try:
                return content.decode(self._wide), self._wide.upper()[:6]
            except UnicodeDecodeError as problem:
                raise RoiError(
                    f"{self.path} is damaged: it starts as {self._wide.upper()[:6]} text but "
                    "does not continue so; save it as UTF-8."
                ) from problem
        for encoding, name in (("utf-8-sig", None), ("gb18030", "GB18030 (GBK)")):
            try:
                return content.decode(encoding), name
            except UnicodeDecodeError:
                continue
        meant = "not valid JSON" if self.is_json else "not readable as text"
        raise RoiError(
            f"{self.path} is {meant}: its characters are neither UTF-8, UTF-16 nor GBK; save it "
            "as UTF-8."
        )
