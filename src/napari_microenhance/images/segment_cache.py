"""Decoded strips and tiles, kept while neighbouring boxes are read."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

import numpy.typing as npt

__all__ = ["DECODED", "SegmentCache"]

KEPT_BYTES: Final = 24_000_000
"""Of all files together."""


class SegmentCache:
    """The parts of files that were decoded last, of bounded size; safe between threads.

    Parameters
    ----------
    most : int
        Bytes that are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._parts: OrderedDict[Hashable, npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    def get(self, key: Hashable, decode: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Return a part, decoded where it is not kept.

        Parameters
        ----------
        key : hashable
        decode : callable
            Makes the part; what it raises is passed on.

        Returns
        -------
        ndarray
            Not to be changed.
        """
        with self._lock:
            if key in self._parts:
                self._parts.move_to_end(key)
                return self._parts[key]
        part = decode()
        # What a codec gives can be a view of something larger.
        kept = part if part.base is None else part.copy()
        with self._lock:
            if key not in self._parts and kept.nbytes <= self._most:
                self._parts[key] = kept
                self._bytes += kept.nbytes
            while self._bytes > self._most:
                _, oldest = self._parts.popitem(last=False)
                self._bytes -= oldest.nbytes
        return kept

    def peek(self, key: Hashable) -> npt.NDArray[Any] | None:
        """Return a part that is kept, or None.

        Parameters
        ----------
        key : hashable
        """
        with self._lock:
            return self._parts.get(key)

    def drop(self, owner: object) -> None:
        """Forget the parts whose key begins with an owner.

        Parameters
        ----------
        owner : object
        """
        with self._lock:
            for key in [k for k in self._parts if isinstance(k, tuple) and k[0] is owner]:
                self._bytes -= self._parts.pop(key).nbytes


DECODED: Final = SegmentCache(KEPT_BYTES)
"""Of this process."""
