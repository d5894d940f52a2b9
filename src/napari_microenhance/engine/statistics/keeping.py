"""Where groups leave their tensors: in memory, on disk, or nowhere."""

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from napari_microenhance.engine.statistics.cutting import Cut
from napari_microenhance.errors import MemoryBudgetError

__all__ = ["Keeping", "keeping_for"]

TILE_BYTES: Final = 8_000_000
"""All tensors of a group over one tile, aimed at: what caches hold."""

LEAST_TILE_BYTES: Final = 1_000_000

TILES_AT_ONCE: Final = 10
"""Tiles that are being read, run and written, with what onnxruntime keeps of their memory."""

FIXED_BYTES: Final = 16_000_000
"""What a session takes beside that."""

Place = Literal["memory", "disk", "nowhere"]


@dataclasses.dataclass(frozen=True)
class Keeping:
    """Where groups leave their tensors.

    Parameters
    ----------
    place : {"memory", "disk", "nowhere"}
        "nowhere": every group begins with the image again.
    on_disk : frozenset of str
        Tensors that lie on disk.
    memory_bytes, disk_bytes : int
        The most that tensors take at a time.
    tile_bytes : int
        What a tile may take.
    core : tuple of int or None
        Rows, columns that every tile keeps, px; None: by its bytes.
    """

    place: Place
    on_disk: frozenset[str]
    memory_bytes: int
    disk_bytes: int
    tile_bytes: int
    core: tuple[int, int] | None = None


def keeping_for(cut: Cut, image: tuple[int, int], *, budget: int, folder: Path | None) -> Keeping:
    """Choose where groups leave their tensors: memory, then disk, then nowhere.

    Parameters
    ----------
    cut : Cut
    image : tuple of int
        Rows, columns, px.
    budget : int
        Bytes that tensors and tiles may take together.
    folder : Path or None
        For what does not fit in memory; None: there is no disk.

    Raises
    ------
    MemoryBudgetError
        If not even a tile fits.
    """
    if budget < TILES_AT_ONCE * LEAST_TILE_BYTES + FIXED_BYTES:
        raise MemoryBudgetError(
            f"The run may use only {budget / 1e6:.0f} MB besides its result, too little for a "
            "model that looks at the whole image; raise memory or use statistics=roi."
        )
    tile_bytes = int(min(TILE_BYTES, max(LEAST_TILE_BYTES, budget // 20)))
    sizes = {
        name: math.prod(cut.axes[name].full(image)) * cut.axes[name].dtype.itemsize
        for group in cut.groups
        for name in group.leaves
        if name != cut.graph.output
    }
    alive = _alive(cut)
    room = budget - TILES_AT_ONCE * tile_bytes - FIXED_BYTES
    on_disk: set[str] = set()

    def peak(of: Callable[[str], bool]) -> int:
        return max((sum(sizes[n] for n in names if of(n)) for names in alive), default=0)

    for name in sorted(sizes, key=lambda n: -sizes[n]):
        if peak(lambda n: n not in on_disk) <= room:
            break
        on_disk.add(name)
    memory, disk = peak(lambda n: n not in on_disk), peak(lambda n: n in on_disk)
    if not on_disk:
        return Keeping("memory", frozenset(), memory, 0, tile_bytes)
    if folder is not None and _free(folder) > 1.1 * disk:
        return Keeping("disk", frozenset(on_disk), memory, disk, tile_bytes)
    return Keeping("nowhere", frozenset(), 0, 0, tile_bytes)


def _alive(cut: Cut) -> list[set[str]]:
    """Return which tensors are there while each group runs."""
    last_read = {name: index for index, g in enumerate(cut.groups) for name in g.reads}
    alive = []
    there: set[str] = set()
    for index, group in enumerate(cut.groups[:-1]):
        there |= {name for name in group.leaves if name != cut.graph.output}
        alive.append(set(there))
        there = {name for name in there if last_read.get(name, -1) > index}
    return [*alive, set(there)]


def _free(folder: Path) -> int:
    """Return the bytes that are free where a folder is, or would be."""
    there = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    return shutil.disk_usage(there).free
