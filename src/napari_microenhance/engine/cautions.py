"""Caution: what a user should know before a run, with a name to silence it by."""

import dataclasses
from collections.abc import Collection, Iterable

__all__ = ["Caution", "gather"]


@dataclasses.dataclass(frozen=True)
class Caution:
    """One plain sentence about a file, an ROI, a network, an image or a run.

    Parameters
    ----------
    name : str
        What `Options.no_caution` silences it by: a few lower-case words with hyphens, the same
        for every sentence of its kind.
    text : str
        The sentence, with its numbers.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return self.text


def gather(
    cautions: Iterable[Caution | str], *, silenced: Collection[str] = ()
) -> tuple[Caution | str, ...]:
    """Return what is to be said, in order, every sentence once.

    Parameters
    ----------
    cautions : iterable of Caution or str
        From the file, the ROI, the network, the domain check and the run. A plain sentence has
        no name, so that nothing silences it.
    silenced : collection of str
        Names of cautions to leave out, as in `Options.no_caution`; one that fits none of them
        does nothing.

    Returns
    -------
    tuple of Caution or str
    """
    told: dict[str, Caution | str] = {}
    for caution in cautions:
        if isinstance(caution, str) or caution.name not in silenced:
            told.setdefault(str(caution), caution)
    return tuple(told.values())
