"""What groups leave for later ones, given back as soon as nobody reads it any more."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_microenhance.engine.statistics.activations import Activation, InMemory, OnDisk, Pool
from napari_microenhance.engine.statistics.group_tiles import Box, GroupTile
from napari_microenhance.engine.statistics.grouped import GroupedNetwork

__all__ = ["Activations"]

Array = npt.NDArray[Any]


class Activations:
    """The tensors that groups leave, given back as soon as no later group reads them.

    Parameters
    ----------
    network : GroupedNetwork
    on_disk : set of str
        Tensors that do not fit in memory.
    folder : Path
        For those.
    """

    def __init__(
        self, network: GroupedNetwork, on_disk: frozenset[str], folder: Path | None
    ) -> None:
        self._network = network
        self._on_disk = on_disk
        self._folder = folder
        self._kept: dict[str, Activation] = {}
        self._pool = Pool()
        self._last_read = {
            name: index for index, group in enumerate(network.groups) for name in group.reads
        }

    def begin(self, names: Iterable[str]) -> None:
        """Make room for what a group is going to leave."""
        for name in names:
            shape, tensor = self._network.full_shape(name), self._network.tensor(name)
            if name in self._on_disk and self._folder is not None:
                rows = tensor.spans[0]
                assert rows is not None
                self._kept[name] = OnDisk(shape, tensor.dtype, rows=rows.axis, folder=self._folder)
            else:
                self._kept[name] = InMemory(shape, tensor.dtype, self._pool)

    def write(self, name: str, tile: GroupTile, values: Array) -> None:
        """Keep what a group leaves of a tile; in any thread."""
        self._kept[name].write(self._network.box_of(name, tile), values)

    def read(self, name: str, elements: Box) -> Array:
        """Return a box of a tensor."""
        return self._kept[name].read(self._network.elements_box(name, elements))

    def done(self, index: int) -> None:
        """Give back what no group after this one reads."""
        for name in [n for n in self._kept if self._last_read.get(n, -1) <= index]:
            self._kept.pop(name).close()

    def close(self) -> None:
        """Give back everything."""
        for activation in self._kept.values():
            activation.close()
        self._kept.clear()
