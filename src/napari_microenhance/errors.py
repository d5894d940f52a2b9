"""Everything this package raises on purpose.

Each child has a standard exception as second base, so that callers who know
nothing of us can still catch it. None derives from `RuntimeError`: a napari
generator worker swallows those.
"""

__all__ = [
    "AxesError",
    "Cancelled",
    "FileMissingError",
    "ImageError",
    "MemoryBudgetError",
    "MicroEnhanceError",
    "ModelError",
    "ModelLimitError",
    "OptionsError",
    "OtherRunError",
    "OutputError",
    "RoiError",
    "TilePlanError",
]


class MicroEnhanceError(Exception):
    """Base of all errors of this package; the text is one sentence for the user."""


class FileMissingError(MicroEnhanceError, FileNotFoundError):
    """A file that the user named does not exist."""


class ImageError(MicroEnhanceError, ValueError):
    """The image cannot be read or cannot be enhanced."""


class AxesError(ImageError):
    """The axes are missing, unknown or do not fit the array."""


class RoiError(MicroEnhanceError, ValueError):
    """The region of interest cannot be read or selects nothing."""


class ModelError(MicroEnhanceError, ValueError):
    """The network file cannot be used."""


class ModelLimitError(ModelError):
    """A network takes more time or memory for a small image than any use of it would bear."""


class OptionsError(MicroEnhanceError, ValueError):
    """An option has a value outside its range."""


class TilePlanError(MicroEnhanceError, ValueError):
    """No tile layout satisfies the options and the network's size rule."""


class MemoryBudgetError(MicroEnhanceError, MemoryError):
    """Not even one tile fits in the memory the run may use."""


class OutputError(MicroEnhanceError, OSError):
    """A result cannot be written."""


class OtherRunError(OutputError):
    """An unfinished result belongs to another run, so it cannot be resumed."""


class Cancelled(MicroEnhanceError):  # noqa: N818 - the name is part of the API contract
    """The run was stopped by `should_stop`; nothing of it is kept."""

    def __init__(self, message: str = "The run was cancelled.", *, kept: str = "") -> None:
        super().__init__(f"{message.removesuffix('.')}; {kept}." if kept else message)
        self.kept = kept
        """What of it is kept after all, in words: finished blocks in a store."""
