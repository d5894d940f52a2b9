"""Colours of a dock: napari's theme, moved as far as it takes to be read."""

import colorsys
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.compat import isalive
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["LEAST_CONTRAST", "DockColours", "ThemeFollower", "contrast", "legible"]

Rgb = tuple[int, int, int]

LEAST_CONTRAST = 4.5
"""Of text and icons, WCAG 2.2 level AA."""

_LEAST_SHAPE_CONTRAST = 3.0
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_STEPS = 50


@dataclasses.dataclass(frozen=True)
class DockColours:
    """What a dock is painted with, each (red, green, blue), 0 to 255.

    Parameters
    ----------
    ground, text : tuple of int
        As in the theme.
    caution, error : tuple of int
        Of texts and icons on the ground; contrast of at least 4.5 : 1.
    primary, on_primary : tuple of int
        Of the button that matters most, and of its text.
    raised : tuple of int
        Of other buttons; the theme's text stands on it.
    """

    ground: Rgb
    text: Rgb
    caution: Rgb
    error: Rgb
    primary: Rgb
    on_primary: Rgb
    raised: Rgb

    @classmethod
    def of_theme(cls, name: str) -> "DockColours":
        """Return the colours for a theme of napari."""
        theme = get_theme(name)
        ground, text = _rgb(theme.background), _rgb(theme.text)
        primary = _filling(_rgb(theme.current), ground)
        return cls(
            ground=ground,
            text=text,
            caution=legible(_rgb(theme.warning), ground),
            error=legible(_rgb(theme.error), ground),
            primary=primary,
            on_primary=max(_WHITE, _BLACK, key=lambda on: contrast(on, primary)),
            raised=_rgb(theme.primary),
        )


def contrast(first: Rgb, second: Rgb) -> float:
    """Return the contrast ratio of two colours, 1 to 21.

    Parameters
    ----------
    first, second : tuple of int
        (red, green, blue), 0 to 255.

    References
    ----------
    .. [1] W3C, "Web Content Accessibility Guidelines (WCAG) 2.2", 2023, contrast ratio.
       https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def legible(colour: Rgb, ground: Rgb, least: float = LEAST_CONTRAST) -> Rgb:
    """Return the shade next to a colour that has enough contrast to a ground.

    Parameters
    ----------
    colour, ground : tuple of int
        (red, green, blue), 0 to 255.
    least : float
        Contrast ratio; at most 4.58 can be had on every ground.
    """
    return _nearest(colour, lambda shade: contrast(shade, ground) >= least)


def css(colour: Rgb) -> str:
    """Return a colour as style sheets and HTML write it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


class ThemeFollower:
    """Paints now, and whenever the viewer gets another theme, for as long as it is kept.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    owner : QWidget
        Nothing is painted once Qt has deleted it.
    paint : callable
        Gets a `DockColours`.
    """

    def __init__(
        self, viewer: "ViewerModel", owner: QWidget, paint: Callable[[DockColours], None]
    ) -> None:
        self._viewer, self._owner, self._paint = viewer, owner, paint
        # napari keeps no reference to the owner of a method.
        viewer.events.theme.connect(self._repaint)
        self._repaint()

    def _repaint(self, _: object = None) -> None:
        """Paint in the colours of the theme as it is now."""
        if isalive(self._owner):  # type: ignore[no-untyped-call]
            self._paint(DockColours.of_theme(self._viewer.theme))


def _filling(colour: Rgb, ground: Rgb) -> Rgb:
    """Return the shade of a colour that stands out and carries white text, if there is one."""

    def fits(shade: Rgb) -> bool:
        stands_out = contrast(shade, ground) >= _LEAST_SHAPE_CONTRAST
        return stands_out and contrast(shade, _WHITE) >= LEAST_CONTRAST

    found = _nearest(colour, fits)
    return found if fits(found) else legible(colour, ground, _LEAST_SHAPE_CONTRAST)


def _nearest(colour: Rgb, fits: Callable[[Rgb], bool]) -> Rgb:
    """Return the first shade towards black or white that fits; the last one where none does."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(c / 255 for c in colour))
    shade = colour
    for step in range(1, _STEPS + 1):
        if fits(shade):
            return shade
        for end in (0, 1):
            level = lightness + (end - lightness) * step / _STEPS
            red, green, blue = colorsys.hls_to_rgb(hue, level, saturation)
            shade = (round(255 * red), round(255 * green), round(255 * blue))
            if fits(shade):
                return shade
    return shade


def _luminance(colour: Rgb) -> float:
    """Return the relative luminance of a colour, 0 to 1."""
    parts = [c / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _rgb(colour: "object") -> Rgb:
    """Return a colour of napari's theme."""
    red, green, blue = colour.as_rgb_tuple()[:3]  # type: ignore[attr-defined]
    return int(red), int(green), int(blue)
