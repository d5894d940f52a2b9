"""Order of colours: what a network's file says of it in words, RGB or BGR."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

__all__ = ["Order", "named_order", "stated_order"]

Order = Literal["rgb", "bgr", "unclear", ""]
"""What was found: an order, both of them, or none."""

WORDS: Final = {
    "rgb": re.compile(r"(?<![a-z])rgb(?![a-z])|\bred\W+green\W+(and\W+)?blue\b|\br ?, ?g ?, ?b\b"),
    "bgr": re.compile(r"(?<![a-z])bgr(?![a-z])|\bblue\W+green\W+(and\W+)?red\b|\bb ?, ?g ?, ?r\b"),
}

NOT_MEANT: Final = re.compile(
    r"(bgr|rgb)\W*(2|to|->|→)\W*(bgr|rgb)|\b(not|instead of|rather than|never)\W+(in\W+)?(bgr|rgb)"
)
"""A conversion, or what it is said not to be."""

FALSE: Final = frozenset({"0", "false", "no", "off", "none"})

COLOURS: Final[Mapping[tuple[str, ...], str]] = {
    ("red", "green", "blue"): "rgb",
    ("r", "g", "b"): "rgb",
    ("blue", "green", "red"): "bgr",
    ("b", "g", "r"): "bgr",
}


def stated_order(texts: Iterable[str], entries: Iterable[tuple[str, str]] = ()) -> Order:
    """Return which order of colours a description says.

    Parameters
    ----------
    texts : iterable of str
        Descriptions, and the names of inputs and outputs.
    entries : iterable of (str, str)
        Names and values of metadata; ``is_bgr: false`` says RGB.

    Returns
    -------
    {"rgb", "bgr", "unclear", ""}
        "unclear" where both are named, nothing where none is.
    """
    found: set[str] = set()
    for key, value in entries:
        named = _named(key)
        if len(named) == 1 and value.strip().lower() in FALSE:
            named = {"rgb", "bgr"} - named
        found |= named or _named(value)
    for text in texts:
        found |= _named(text)
    if len(found) > 1:
        return "unclear"
    return "bgr" if "bgr" in found else "rgb" if found else ""


def named_order(channels: Sequence[str]) -> Order:
    """Return the order of colours that three channels are named in.

    Parameters
    ----------
    channels : sequence of str
        Their names, such as "red" or "r".

    Returns
    -------
    {"rgb", "bgr", ""}
    """
    order = COLOURS.get(tuple(name.strip().lower() for name in channels))
    return "bgr" if order == "bgr" else "rgb" if order else ""


def _named(text: str) -> set[str]:
    """Return the orders that a text names."""
    plain = NOT_MEANT.sub(" ", text.lower())
    return {order for order, words in WORDS.items() if words.search(plain)}
