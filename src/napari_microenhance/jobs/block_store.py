"""BlockStore: an OME-Zarr store that a run fills block by block, and that outlasts the run.

Its group gets its "ome" attributes last: until then it is no image for any reader. What decides
the pixels stands in an attribute of our own; which blocks are done, in a log beside the arrays,
a line each, written after the block itself is on the disk. So what a process that was killed
left can be gone on with, and ends with the same bytes.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.blocks.block_canvas import Prepared
from napari_microenhance.engine.blocks.block_grid import Block
from napari_microenhance.engine.feed import Lane
from napari_microenhance.engine.run import Job
from napari_microenhance.errors import Cancelled, MicroEnhanceError, OtherRunError, OutputError
from napari_microenhance.files import reason
from napari_microenhance.images.halving import every_second, is_classes, largest, mean
from napari_microenhance.images.imagefile import RECORD_KEY
from napari_microenhance.images.lazy import LazyPixels, WindowPixels
from napari_microenhance.images.omezarr.zarr_metadata import CHANGED_LABEL, RGB
from napari_microenhance.images.omezarr.zarr_pyramid import ZarrPyramid
from napari_microenhance.images.omezarr.zarr_reading import ZarrPixels
from napari_microenhance.images.omezarr.zarr_writing import Described, check_zarr, describe
from napari_microenhance.jobs.block_log import BlockLog
from napari_microenhance.jobs.decisions import decisions, differences, identity_of, of_job
from napari_microenhance.jobs.following_blocks import IMAGE, FollowingBlocks
from napari_microenhance.outputs import JOB_KEY, STATE_FOLDER, job_of
from napari_microenhance.records.image_input import ImageInput
from napari_microenhance.types import Box, JsonObject, LazyArray
from napari_microenhance.unfinished import (
    drop_store,
    locked,
    name_aside,
    name_beside,
    note_store,
    noted,
)

if TYPE_CHECKING:
    from napari_microenhance.engine.statistics.coupled import Numbers

__all__ = ["BlockStore"]

Index = tuple[int, ...]


class BlockStore:
    """A store that a run fills; what `BlockTarget` wants.

    Use it as a context manager: on leaving, the store is nobody's again.

    Parameters
    ----------
    path : Path
        Guarded already: nothing is there, a store of ours that goes on, or one to replace.
    resume : bool
        Go on with what is there.
    overwrite : bool
        Replace what is there.
    """

    def __init__(
        self,
        path: Path,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        check_zarr(path)
        self.path = Path(os.path.realpath(path))
        self._overwrite = overwrite
        self._kept = job_of(path) if resume else None
        self._lock = contextlib.ExitStack()
        self._log: BlockLog | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._log is not None:
            done = len(self._log.done((IMAGE, 0)))
            self._log.close()
        self._lock.close()
        if isinstance(error, Cancelled) and self._log is not None:
            words = f"{done} of {self._grid.total} blocks are kept in {self.path}"
            raise Cancelled(kept=f"{words}, resume continues with them") from error

    @property
    def is_finished(self) -> bool:
        """Whether all was done before this run."""
        return self._kept is not None and bool(self._kept.get("finished"))

    @property
    def memory(self) -> int | None:
        """Bytes that the earlier run planned with."""
        memory = (self._kept or {}).get("memory")
        return memory if isinstance(memory, int) else None

    @property
    def provider(self) -> str | None:
        """What ran the network in the earlier run."""
        known = (self._kept or {}).get("decided")
        provider = known.get("provider") if isinstance(known, dict) else None
        return provider if isinstance(provider, str) else None

    @property
    def done(self) -> frozenset[Index]:
        """Places of the blocks that are there."""
        if self.is_finished:
            return frozenset(np.ndindex(*self._grid.counts))
        return frozenset(self._unsorted(at) for at in self._logged.done((IMAGE, 0)))

    @property
    def clipped(self) -> int:
        """Values that were clipped in these."""
        return self._recorded("clipped", 0) if self.is_finished else self._logged.clipped

    @property
    def mismatch(self) -> float | None:
        """Largest difference between tiles until then."""
        return self._recorded("tile_mismatch", None) if self.is_finished else self._logged.mismatch

    def about(self, job: Job, image: ImageInput) -> None:
        """Take what is known of the run and its image beside what is planned.

        Parameters
        ----------
        job : Job
        image : ImageInput
        """
        self._decided = {"image": identity_of(job.source), **of_job(job)}
        self._given = image

    def begin(self, prepared: Prepared) -> None:
        """Create the store, or go on with it.

        Raises
        ------
        OutputError
            If it cannot be written, another process writes it, or it holds another run.
        """
        self._page, self._grid = prepared.page, prepared.grid
        self._prepared = prepared
        axes = prepared.page.axes
        self._axes = "".join(sorted(axes, key="TCZYX".index))
        self._order = tuple(axes.index(letter) for letter in self._axes)
        decided = decisions(prepared, self._decided)
        if self._kept is not None:
            known = self._kept.get("decided")
            said = differences(known if isinstance(known, dict) else {}, decided)
            if said:
                raise OtherRunError(
                    f"{self.path} holds another run, so it cannot be resumed: {said}; name "
                    "another file, or replace it with overwrite."
                )
        with self._kept_when_it_fails():
            self._open_store(decided, prepared.plan.memory_bytes)

    def write(
        self, block: Block, pixels: npt.NDArray[Any], *, clipped: int, mismatch: float | None
    ) -> None:
        """Keep the pixels of a block, and make what it completes.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        at = self._sorted(block.index)
        with self._kept_when_it_fails():
            self._logged.check()
            self._image.write(at, pixels.transpose(self._order))
            self._following.add(at, clipped=clipped, mismatch=mismatch)

    def numbers(self, lane: Lane) -> "Numbers | None":
        """Return the numbers over the whole image that are known of a lane."""
        path = self._numbers_file(lane)
        try:
            with np.load(path, allow_pickle=False) as kept:
                return dict(kept)
        except (OSError, ValueError, EOFError):
            return None

    def keep_numbers(self, lane: Lane, numbers: "Numbers") -> None:
        """Keep them."""
        path = self._numbers_file(lane)
        if path.exists() or self.is_finished:
            return
        with self._kept_when_it_fails():
            part = path.with_suffix(".part")
            with part.open("wb") as handle:
                np.savez(handle, **numbers)  # type: ignore[arg-type]
            part.replace(path)

    def view(self, box: Box) -> LazyArray:
        """Return a box of the result, read where it is sliced."""
        whole = self._pixels()
        return whole if box == tuple((0, n) for n in whole.shape) else WindowPixels(whole, box)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the attributes that make an image of the store.

        Parameters
        ----------
        record : mapping
            Of the run, plain JSON.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self.is_finished:
            return
        with self._kept_when_it_fails():
            self._logged.check()
            self._following.catch_up()
            ratio = float(self._page.ratio)
            size = {
                axis: (step / ratio if axis in self._page.source.spatial else step, unit)
                for axis, (step, unit) in self._given.pixel_size.items()
            }
            described = Described(
                self._axes, self._image, size, self._names(), centred=not self._labels
            )
            mask_axes = None if self._mask is None else self._axes
            job = {**self._job, "finished": True}
            describe(self._root, described, mask_axes=mask_axes, own=record, **{JOB_KEY: job})
        if self._log is not None:
            self._log.close()
        self._lock.close()
        shutil.rmtree(self.path / STATE_FOLDER, ignore_errors=True)
        drop_store(self.path)

    def _open_store(self, decided: JsonObject, memory: int) -> None:
        """Create folder and arrays, or open those that are there."""
        import zarr

        if self.is_finished:
            self._root = zarr.open_group(zarr.storage.LocalStore(self.path), mode="r")
            self._lay_out()
            self._image.open()
            return
        if self._kept is None:
            self._job: JsonObject = {
                "finished": False,
                "blocks": self._grid.total,
                "memory": memory,
                "decided": decided,
            }
            self._create()
        self._take()
        self._root = zarr.open_group(zarr.storage.LocalStore(self.path), mode="r+")
        self._lay_out()
        for pyramid in (self._image, self._mask):
            if pyramid is not None:
                pyramid.open()
        self._following = FollowingBlocks(
            folder=self.path,
            log=self._logged,
            prepared=self._prepared,
            axes=self._axes,
            image=self._image,
            mask=self._mask,
            pixels=self._pixels,
        )
        if self._kept is not None:
            self._job = dict(self._kept)
            for left in self.path.rglob("*.partial"):  # of a write that was cut short
                left.unlink(missing_ok=True)
            self._following.catch_up()

    def _create(self) -> None:
        """Put a store without pixels in place: all of it or nothing, so that it can be resumed."""
        import zarr

        part = name_beside(self.path)
        old = name_aside(part)
        try:
            part.mkdir()
            with noted(part, self.path):
                (part / STATE_FOLDER).mkdir()
                store = zarr.storage.LocalStore(part)
                self._root = zarr.create_group(
                    store, zarr_format=3, attributes={JOB_KEY: self._job}
                )
                self._lay_out()
                for pyramid in (self._image, self._mask):
                    if pyramid is not None:
                        pyramid.create()
                if self._overwrite and self.path.exists():
                    self._check_free()
                    self.path.rename(old)
                part.rename(self.path)
        finally:
            if old.exists() and not self.path.exists():
                old.rename(self.path)
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def _take(self) -> None:
        """Lock the store, and read which blocks are done."""
        state = self.path / STATE_FOLDER
        state.mkdir(exist_ok=True)
        if not self._lock.enter_context(locked(state / "lock")):
            raise OutputError(_in_use(self.path))
        note_store(self.path)
        self._log = BlockLog(state / "done")

    def _check_free(self) -> None:
        """Raise where another process writes the store that is to be replaced."""
        lock = self.path / STATE_FOLDER / "lock"
        if lock.is_file():
            with locked(lock) as is_ours:
                if not is_ours:
                    raise OutputError(_in_use(self.path))

    def _lay_out(self) -> None:
        """Lay out the pyramids of the image and of the mask of its changed pixels."""
        shape = tuple(self._grid.shape[i] for i in self._order)
        lengths = tuple(self._grid.lengths[i] for i in self._order)
        dtype = self._page.dtype
        self._labels = self._prepared.labels
        classes = is_classes(dtype, labels=self._labels)
        self._image = ZarrPyramid(
            self._root,
            axes=self._axes,
            shape=shape,
            dtype=dtype,
            lengths=lengths,
            reduce=every_second if classes else mean,
        )
        self._labels = classes
        self._mask: ZarrPyramid | None = None
        if self._prepared.labels:
            return
        one = tuple(1 if letter == "C" else n for letter, n in zip(self._axes, shape, strict=True))
        group = (
            self._root if self.is_finished else self._root.require_group(f"labels/{CHANGED_LABEL}")
        )
        self._mask = ZarrPyramid(
            group,
            axes=self._axes,
            shape=one,
            dtype=np.dtype(np.uint8),
            lengths=tuple(
                1 if letter == "C" else n for letter, n in zip(self._axes, lengths, strict=True)
            ),
            reduce=largest,
        )

    def _pixels(self) -> LazyPixels:
        """Return the result as it lies in the store, with the axes of the result."""
        order = [self._axes.index(letter) for letter in self._page.axes]
        return ZarrPixels(self.path, self._image.arrays[0], order)

    def _names(self) -> tuple[str, ...]:
        """Return the names of the channels, those of colours for an image of colours."""
        if "C" not in self._axes:
            return ()
        count = self._grid.shape[self._page.axes.index("C")]
        if self._page.source.is_colour:
            return tuple(RGB)[:count]
        names = self._given.channel_names
        return names if len(names) == count else ()

    def _sorted(self, at: Index) -> Index:
        """Return a place in the grid in the order of the store's axes."""
        return tuple(at[i] for i in self._order)

    def _unsorted(self, at: Index) -> Index:
        """Return a place in the store in the order of the result's axes."""
        return tuple(at[self._order.index(i)] for i in range(len(at)))

    @property
    def _logged(self) -> BlockLog:
        """What is done."""
        assert self._log is not None, "BlockStore.begin comes first"
        return self._log

    def _recorded(self, name: str, otherwise: Any) -> Any:  # noqa: ANN401 - JSON
        """Return an entry of the record of a finished run."""
        record = self._root.attrs.get(RECORD_KEY)
        return record.get(name, otherwise) if isinstance(record, Mapping) else otherwise

    def _numbers_file(self, lane: Lane) -> Path:
        """Return where the numbers of a lane are kept."""
        name = "-".join(map(str, (*lane.plane, "c", *lane.palette.channels)))
        return self.path / STATE_FOLDER / f"numbers-{name}.npz"

    @contextlib.contextmanager
    def _kept_when_it_fails(self) -> Iterator[None]:
        """Turn what the disk says into one sentence; what is done stays."""
        try:
            yield
        except MicroEnhanceError:
            raise
        except (OSError, KeyError, ValueError) as problem:
            kept = "" if self._log is None else "; the finished blocks are kept, resume continues"
            raise OutputError(
                f"{self.path} cannot be written: {reason(problem)}{kept}."
            ) from problem


def _in_use(path: Path) -> str:
    """Return the sentence for a store that somebody writes."""
    return (
        f"{path} is being written by another process; wait until it is done, or choose another "
        "name."
    )
