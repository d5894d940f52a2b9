"""What a group leaves for later ones: tensors over the whole image, in memory or on disk."""

import math
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import OutputError

__all__ = ["Activation", "InMemory", "OnDisk", "Pool"]

Array = npt.NDArray[Any]
Slices = tuple[slice, ...]


class Activation(Protocol):
    """A tensor that is written and read box by box."""

    def read(self, box: Slices) -> Array:
        """Return a part of it."""

    def write(self, box: Slices, values: Array) -> None:
        """Fill a part of it."""

    def close(self) -> None:
        """Give back what it takes."""


class Pool:
    """Memory that is used again: pages that were touched once cost nothing the next time."""

    def __init__(self) -> None:
        self._free: list[npt.NDArray[np.uint8]] = []

    def take(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Return an array with any values."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        fitting = [i for i, block in enumerate(self._free) if block.size >= size]
        if fitting:
            block = self._free.pop(min(fitting, key=lambda i: self._free[i].size))
        else:
            # The smaller ones would lie about beside it.
            self._free.clear()
            block = np.empty(size, np.uint8)
        return block[:size].view(dtype).reshape(shape)

    def give(self, values: Array) -> None:
        """Take an array back, which nobody may use any more."""
        block = values
        while isinstance(block.base, np.ndarray):
            block = block.base
        self._free.append(block)


class InMemory:
    """A tensor in memory; what is not written takes none.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy dtype
    pool : Pool
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike, pool: Pool) -> None:
        self._pool = pool
        self._values: Array | None = pool.take(shape, dtype)

    def read(self, box: Slices) -> Array:
        """Return a view of a part of it."""
        assert self._values is not None
        return self._values[box]

    def write(self, box: Slices, values: Array) -> None:
        """Fill a part of it."""
        assert self._values is not None
        self._values[box] = values

    def close(self) -> None:
        """Give its memory back."""
        if self._values is not None:
            self._pool.give(self._values)
        self._values = None


class OnDisk:
    """A tensor in a file without a name, which is gone when the process is.

    Rows come first in the file, so that a stripe of them is one plain read: pages of a mapped
    file would count as memory.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy dtype
    rows : int
        The axis of rows.
    folder : Path
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, *, rows: int, folder: Path
    ) -> None:
        self._lock = threading.Lock()
        self._dtype = np.dtype(dtype)
        self._rows = rows
        self._moved = (shape[rows], *shape[:rows], *shape[rows + 1 :])
        self._row_bytes = int(np.prod(self._moved[1:])) * self._dtype.itemsize
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, prefix="activations-")  # noqa: SIM115 - see `close`
        except OSError as error:
            raise _no_room(error) from error

    def read(self, box: Slices) -> Array:
        """Return a part of it, copied."""
        start, stop, _ = box[self._rows].indices(self._moved[0])
        stripe = np.empty((stop - start, *self._moved[1:]), self._dtype)
        view = stripe.data.cast("B")
        done = 0
        while done < len(view):
            got = os.preadv(self._file.fileno(), [view[done:]], start * self._row_bytes + done)
            if not got:
                break
            done += got
        rest = (slice(None), *box[: self._rows], *box[self._rows + 1 :])
        return np.moveaxis(stripe[rest], 0, self._rows)

    def write(self, box: Slices, values: Array) -> None:
        """Fill whole rows, or a part of them."""
        # A part of rows is read, changed and written, in one thread at a time.
        with self._lock:
            self._write(box, values)

    def _write(self, box: Slices, values: Array) -> None:
        moved = np.moveaxis(values, self._rows, 0)
        rest = (*box[: self._rows], *box[self._rows + 1 :])
        start = int(box[self._rows].start)
        if moved.shape[1:] != self._moved[1:]:
            everything = tuple(slice(None) for _ in rest)
            before = (*everything[: self._rows], box[self._rows], *everything[self._rows :])
            stripe = np.moveaxis(self.read(before), self._rows, 0).copy()
            stripe[(slice(None), *rest)] = moved
            moved = stripe
        data = np.ascontiguousarray(moved, self._dtype).data.cast("B")
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._file.fileno(), data[done:], start * self._row_bytes + done)
        except OSError as error:
            raise _no_room(error) from error

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def _no_room(error: OSError) -> OutputError:
    """Return the sentence for a disk that takes no more."""
    return OutputError(
        f"Intermediate results of the model could not be written to disk ({error.strerror}); "
        "free some space, raise memory, or use statistics=roi."
    )
