"""FollowingBlocks: what is made of the blocks of a result once they are done.

Lower resolutions, and the label image of changed pixels with its own. Each of their blocks is
made once all that it is made of is there, from stored pixels, so that it is always the same.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.blocks.block_canvas import Prepared
from napari_microenhance.engine.blocks.block_grid import Block
from napari_microenhance.engine.region import intersect, slices
from napari_microenhance.images.lazy import LazyPixels
from napari_microenhance.images.omezarr.zarr_pyramid import ZarrPyramid, sync
from napari_microenhance.jobs.block_log import BlockLog, Name

__all__ = ["IMAGE", "MASK", "FollowingBlocks"]

IMAGE: Final = "image"
MASK: Final = "changed"

Index = tuple[int, ...]


@dataclasses.dataclass(kw_only=True, eq=False)
class FollowingBlocks:
    """Makes what finished blocks complete.

    Parameters
    ----------
    folder : Path
        Of the store.
    log : BlockLog
    prepared : Prepared
    axes : str
        Of the store.
    image : ZarrPyramid
    mask : ZarrPyramid or None
        Of changed pixels.
    pixels : callable
        Returns the stored result with the axes of the result.
    """

    folder: Path
    log: BlockLog
    prepared: Prepared
    axes: str
    image: ZarrPyramid
    mask: ZarrPyramid | None
    pixels: Callable[[], LazyPixels]

    def add(self, at: Index, *, clipped: int, mismatch: float | None) -> None:
        """Write down that a block of the full resolution is done, and make what it completes.

        Parameters
        ----------
        at : tuple of int
            Its place, in the order of the store's axes.
        clipped : int
        mismatch : float or None
        """
        self._note((IMAGE, 0), at, clipped=clipped, mismatch=mismatch)
        self._complete((IMAGE, 0), at)
        if self.mask is not None:
            self._mark(at)

    def _pyramid(self, name: Name) -> ZarrPyramid:
        """Return the pyramid that a name in the log is of."""
        if name[0] == IMAGE:
            return self.image
        assert self.mask is not None
        return self.mask

    def _note(
        self, name: Name, at: Index, *, clipped: int = 0, mismatch: float | None = None
    ) -> None:
        """Write down that a block is done, once it is on the disk."""
        sync(self._pyramid(name).files(name[1], at, self.folder))
        self.log.add(name, at, clipped=clipped, mismatch=mismatch)

    def _complete(self, name: Name, at: Index) -> None:
        """Make the blocks of lower resolutions of which a block was the last part."""
        pyramid = self._pyramid(name)
        below = pyramid.below(name[1], at)
        while below is not None:
            level, at = below
            done = self.log.done((name[0], level - 1))
            own = (name[0], level)
            if at in self.log.done(own) or not all(
                part in done for part in pyramid.above(level, at)
            ):
                return
            pyramid.make(level, at)
            self._note(own, at)
            below = pyramid.below(level, at)

    def _mark(self, at: Index) -> None:
        """Mark the changed pixels of a block once all its channels are done."""
        assert self.mask is not None
        channel = self.axes.find("C")
        places = [at]
        if channel >= 0:
            count = self.image.counts(0)[channel]
            places = [(*at[:channel], c, *at[channel + 1 :]) for c in range(count)]
        done = self.log.done((IMAGE, 0))
        own = places[0]
        if own in self.log.done((MASK, 0)) or not all(place in done for place in places):
            return
        changed = self._changed(
            [self.prepared.grid.block(self._in_grid(place)) for place in places]
        )
        if changed is not None:
            self.mask.write(own, changed)
        self._note((MASK, 0), own)
        self._complete((MASK, 0), own)

    def _changed(self, blocks: list[Block]) -> npt.NDArray[np.uint8] | None:
        """Return where the pixels of blocks differ from the original in any channel.

        None where no pixel can: outside the regions' box the page is the image.
        """
        page, place = self.prepared.page, self.prepared.place.box
        if page.value is None and not any(intersect(block.box, place) for block in blocks):
            return None
        found: npt.NDArray[np.bool_] | None = None
        for block in blocks:
            own = dict(zip(page.axes, block.box, strict=True))
            source = zip(page.source.axes, page.source.shape, strict=True)
            original = dataclasses.replace(page, value=None).cut(
                tuple(own.get(letter, (0, n)) for letter, n in source)
            )
            pixels = self.pixels().read(slices(self.prepared.grid.local(block)))
            differ = pixels != original
            if pixels.dtype.kind == "f":
                differ &= ~(np.isnan(pixels) & np.isnan(original))
            if "C" in page.axes:
                differ = differ.any(axis=page.axes.index("C"), keepdims=True)
            found = differ if found is None else found | differ
        assert found is not None
        return found.transpose(
            [self.prepared.page.axes.index(letter) for letter in self.axes]
        ).astype(np.uint8)

    def catch_up(self) -> None:
        """Make what a process that was killed had not made of blocks that are done."""
        for at in sorted(self.log.done((IMAGE, 0))):
            self._complete((IMAGE, 0), at)
            if self.mask is not None:
                self._mark(at)
        kinds = ((IMAGE, self.image), (MASK, self.mask))
        for kind, pyramid in kinds:
            for level in range(len(pyramid.levels) if pyramid else 0):
                for at in sorted(self.log.done((kind, level))):
                    self._complete((kind, level), at)

    def _in_grid(self, at: Index) -> Index:
        """Return a place in the order of the result's axes."""
        return tuple(at[self.axes.index(letter)] for letter in self.prepared.page.axes)
