"""What a network takes, gives and costs, in words; no Qt."""

from collections.abc import Iterable

from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.tiles.sizing import Tiling, tiling_of
from napari_microenhance.errors import MicroEnhanceError

__all__ = ["describe"]


def usual_tiling(spec: ModelSpec) -> Tiling | None:
    """Return how a network tiles; None where one tile is more than this machine holds."""
    try:
        return tiling_of(spec)
    except MicroEnhanceError:
        return None


def describe(spec: ModelSpec) -> tuple[tuple[str, str], ...]:
    """Return pairs of a heading and what there is to say.

    Parameters
    ----------
    spec : ModelSpec
    """
    low, high = spec.value_range
    pairs = [
        ("Input", f"{_input(spec)}, {spec.dtype}, {'x'.join(_spatial(spec))}"),
        ("Output", _output(spec)),
        ("Size", _size(spec)),
        ("Scale", f"{spec.ratio} output px per input px" if spec.ratio != 1 else "1"),
        ("Value range", f"{low:g} to {high:g} ({spec.value_range_source})"),
    ]
    if spec.output_range != spec.value_range and spec.task == "image":
        bottom, top = spec.output_range
        pairs.append(("Output range", f"{bottom:g} to {top:g} ({spec.output_range_source})"))
    if spec.colour_order == "bgr":
        pairs.append(("Colours", "blue, green, red"))
    if any(spec.border_loss):
        pairs.append(("Border", f"cropped by {max(spec.border_loss)} px on every side"))
    tiling = usual_tiling(spec)
    pairs.append(("Receptive field", _reach(spec, tiling)))
    if tiling is not None and spec.coupling != "numbers":
        shape = " x ".join(map(str, tiling.tile))
        pairs.append(("Tile efficiency", f"{tiling.useful:.0%} (tile of {shape} px)"))
    if spec.shift_step > 1:
        pairs.append(("Shift step", f"tiles start at multiples of {spec.shift_step} px"))
    for name, value, *_ in spec.constants:
        pairs.append(("Additional input", f"{name} = {value:g}"))
    for heading, text in (("Licence", spec.licence), ("Citation", spec.citation)):
        if text:
            pairs.append((heading, text))
    return tuple(pairs)


def _reach(spec: ModelSpec, tiling: Tiling | None) -> str:
    """Return what a pixel sees, and what tiles make of it."""
    if spec.coupling == "numbers":
        return "the whole image; seam-free (whole-image statistics)"
    if spec.radius == GLOBAL:
        blended = f", neighbouring tiles are blended over {2 * tiling.halo} px" if tiling else ""
        return f"the whole tile{blended}"
    return f"{spec.radius} px" + (f", halo {tiling.halo} px" if tiling else "")


def _size(spec: ModelSpec) -> str:
    """Return the lengths that the network takes."""
    rules = " by ".join(_unique(str(rule) for rule in spec.size))
    return rules if rules == "any" else f"{rules} px"


def _output(spec: ModelSpec) -> str:
    """Return what comes out."""
    if spec.task == "labels":
        classes = max(2, len(spec.output_channels) or spec.channels_out)
        return f"labels, {classes} classes"
    units = "" if spec.units == "input" else ", brightness not comparable with the image's"
    picked = ""
    if spec.output_channels:
        picked = f" (output channels {', '.join(map(str, spec.output_channels))})"
    return _images(spec.channels_out) + picked + units


def _input(spec: ModelSpec) -> str:
    """Return what goes in."""
    image = _images(spec.channels_in - spec.extra_channels)
    return f"{image} and a constant, such as a noise level" if spec.extra_channels else image


def _images(channels: int) -> str:
    """Return a number of channels in words."""
    return {1: "greyscale", 3: "colour"}.get(channels, f"{channels} channels")


def _spatial(spec: ModelSpec) -> str:
    """Return the axes that the network sees at once."""
    return "".join(a for a in spec.axes_in if a in "ZYX")


def _unique(texts: Iterable[str]) -> list[str]:
    """Return all texts, or one where they are equal."""
    found = list(texts)
    return found[:1] if len(set(found)) == 1 else found
