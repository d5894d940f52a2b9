"""Finding: a remark on a network, with how much it matters."""

import dataclasses
from typing import Literal

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
    topic : str
        The option that answers it, if there is one.
    """

    severity: Severity
    sentence: str
    topic: str = ""

    def __str__(self) -> str:
        return self.sentence
