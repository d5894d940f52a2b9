"""What a run adds to this process's memory."""

import psutil

from napari_microenhance.engine.cautions import Caution

__all__ = ["MemoryWatch"]


class MemoryWatch:
    """The growth of this process's memory, looked at now and then."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.grown = 0

    def look(self) -> None:
        """Note the growth so far, bytes."""
        self.grown = max(self.grown, self._process.memory_info().rss - self._before)

    def over(self, allowed: int | str) -> tuple[Caution, ...]:
        """Say it where a run took more than it may, bytes; "auto" allows all."""
        if isinstance(allowed, str) or self.grown <= allowed:
            return ()
        said = (
            f"The run used {self.grown / 1e6:.0f} MB, more than the {allowed / 1e6:.0f} MB that "
            "memory allows; use a smaller tile, or a model with a smaller receptive field."
        )
        return (Caution("memory", said),)
