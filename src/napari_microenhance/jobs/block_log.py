"""BlockLog: which blocks of a store are done, a line each, in the order that they were finished."""

import errno
import math
import os
import re
from collections import defaultdict
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

__all__ = ["BlockLog", "Name"]

Index = tuple[int, ...]

Name = tuple[str, int]
"""Of a pyramid, and which of its levels."""

_LINE: Final = re.compile(rb"(\w+)/(\d+) ([\d.]+) (\d+) (-|[\d.e+-]+|inf) ok\n")


class BlockLog:
    """The log of a store. Its last line may be torn; then its block is not done.

    Parameters
    ----------
    path : Path
        Read, and appended to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.clipped = 0
        self.mismatch: float | None = None
        self._done: defaultdict[Name, set[Index]] = defaultdict(set)
        text = path.read_bytes() if path.exists() else b""
        whole = text.rfind(b"\n") + 1
        for line in text[:whole].splitlines(keepends=True):
            self._read(line)
        self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(self._handle, whole)
        os.lseek(self._handle, 0, os.SEEK_END)

    def done(self, name: Name) -> AbstractSet[Index]:
        """Return the places of the blocks of a level that are done."""
        return self._done[name]

    def add(self, name: Name, at: Index, *, clipped: int, mismatch: float | None) -> None:
        """Write down that a block is done.

        Parameters
        ----------
        name : Name
        at : tuple of int
        clipped : int
            Values clipped in it.
        mismatch : float or None
            Largest difference between tiles until now.
        """
        place = ".".join(map(str, at))
        shown = "-" if mismatch is None else repr(float(mismatch))
        line = f"{name[0]}/{name[1]} {place} {clipped} {shown} ok\n".encode("ascii")
        assert self._handle is not None
        if os.write(self._handle, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._handle)
        self._read(line)

    def check(self) -> None:
        """Raise where the file is not there any more: then nothing else of the store is.

        What writes chunks would make their folders again, and nobody would see the difference.
        """
        assert self._handle is not None
        try:
            is_there = os.path.samestat(self._path.stat(), os.fstat(self._handle))
        except OSError:
            is_there = False
        if not is_there:
            raise OSError(errno.ENOENT, "its folder no longer exists")

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _read(self, line: bytes) -> None:
        """Take in a line; one that is not whole says nothing."""
        found = _LINE.fullmatch(line)
        if found is None:
            return
        kind, level, place, clipped, mismatch = (part.decode("ascii") for part in found.groups())
        self._done[kind, int(level)].add(tuple(map(int, place.split("."))))
        self.clipped += int(clipped)
        if mismatch != "-" and not math.isnan(float(mismatch)):
            self.mismatch = max(self.mismatch or 0.0, float(mismatch))
