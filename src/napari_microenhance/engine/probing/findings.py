"""Finding: a remark on a network, with how much it matters."""

import dataclasses
from typing import Literal

from napari_microenhance.engine.cautions import Caution

__all__ = ["Finding", "Severity"]

Severity = Literal["info", "caution", "stop"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence about a network that a microscopist understands.

    Parameters
    ----------
    severity : {"info", "caution", "stop"}
        "caution" goes into the record of every run; a network with a "stop" is refused.
    sentence : str
    name : str
        Of the caution that it is; "value-range" is answered by the option value_range.
    """

    severity: Severity
    sentence: str
    name: str = "network"

    @property
    def caution(self) -> Caution:
        """The sentence as what is said before a run, with the name that silences it."""
        return Caution(self.name, self.sentence)

    def __str__(self) -> str:
        return self.sentence
