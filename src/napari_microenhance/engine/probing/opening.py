"""Opening: find out what a network's tensors mean, by running it.

Declared shapes are hints only: outputs share symbols with inputs though the scale is 4,
layouts differ between input and output, a batch is called "None". What counts is which
inputs the network takes and what comes out.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from napari_microenhance.engine.probing.attempts import output_shape
from napari_microenhance.engine.probing.scaling import scale_and_loss
from napari_microenhance.engine.runtime.session import Session, Tensor
from napari_microenhance.engine.spec import ModelSpec, Range, SizeRule
from napari_microenhance.errors import ModelError, ModelLimitError

__all__ = ["BASE_SIZES", "Opened", "open_network"]

DTYPES: Final = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
}

NUMBERS: Final = DTYPES | {
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
}

WHOLE_RANGES: Final[Mapping[str, Range]] = {
    "tensor(uint8)": (0.0, 255.0),
    "tensor(uint16)": (0.0, 65535.0),
}
"""Of networks that take whole numbers."""

LAYOUTS: Final = {4: ("NCYX", "NYXC"), 5: ("NCZYX", "NZYXC")}

BASE_SIZES: Final = (32, 64, 96, 128, 16, *range(184, 200), 256, 512, 257)
"""Lengths tried until the network accepts one, px; the run of neighbours meets every
remainder of valid-convolution networks with four levels, such as the original U-Net."""

VOLUME_SIZES: Final = (16, 32, 24, 48, 64, 17, *range(92, 108))
"""The same for volumes, px."""

MOST_CHANNELS: Final = 16
"""A longer axis than this is no channel axis where the layout is in doubt."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """A network that turned one image into another: its spec so far, and the size it took."""

    spec: ModelSpec
    base: tuple[int, ...]


def open_network(session: Session, known: Mapping[str, Any]) -> Opened:
    """Find layout, channels, number types, scale and border loss.

    Parameters
    ----------
    session : Session
    known : mapping
        Fields of `ModelSpec` that the user or a description gave; they are not guessed.

    Returns
    -------
    Opened

    Raises
    ------
    ModelError
        If the network does not turn one image into one image, or takes far more time or memory
        for a small one than any use of it would bear.
    """
    image, constants = _inputs(session, known)
    trial = ModelSpec(
        **{
            "input": image.name,
            "dtype": DTYPES[image.type],
            "constants": constants,
            "value_range": WHOLE_RANGES.get(image.type, (0.0, 1.0)),
            **{field: value for field, value in known.items() if field != "constants"},
        }
    )
    failure: ModelError | None = None
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for spec, base in _candidates(image, session, trial, known):
        try:
            shape = output_shape(session, spec, base)
        except ModelLimitError:
            raise
        except ModelError as error:
            failure = failure or error
            continue
        shapes.append(((spec.channels_in, *base), shape))
        found = _matched(session, spec, base, shape, known)
        if found is not None:
            _check_channels(found)
            return Opened(found, base)
    raise _refusal(session, image, failure, shapes)


def _inputs(
    session: Session, known: Mapping[str, Any]
) -> tuple[Tensor, tuple[tuple[str, float, str, tuple[int, ...]], ...]]:
    """Return the image input, and the further scalar inputs with the value they get."""
    scalars = [t for t in session.inputs if _is_scalar(t)]
    images = [t for t in session.inputs if t not in scalars] or scalars[:1]
    if len(images) > 1:
        names = ", ".join(t.name for t in images)
        raise ModelError(
            f"The model {session.name} has {len(images)} image inputs ({names}); only models "
            "with one are supported."
        )
    image = images[0]
    if len(image.shape) not in LAYOUTS:
        raise ModelError(
            f"The model {session.name} takes an input with {len(image.shape)} dimensions; an "
            "image model takes 4 (batch, channel, y, x), a volume model 5."
        )
    if image.type not in DTYPES:
        raise ModelError(
            f"The model {session.name} takes {image.type}; supported are "
            f"{', '.join(DTYPES.values())}."
        )
    given = {c[0]: float(c[1]) for c in known.get("constants", ())}
    constants = tuple(
        (
            t.name,
            given.get(t.name, 0.0),
            NUMBERS.get(t.type, "float32"),
            tuple(d if isinstance(d, int) else 1 for d in t.shape),
        )
        for t in session.inputs
        if t != image
    )
    return image, constants


def _is_scalar(tensor: Tensor) -> bool:
    """Whether an input holds a few numbers rather than an image."""
    sizes = [d if isinstance(d, int) else 1 for d in tensor.shape]
    declared = all(isinstance(d, int) for d in tensor.shape)
    return (len(tensor.shape) < 3 or declared) and int(np.prod(sizes)) <= MOST_CHANNELS


def _candidates(
    image: Tensor, session: Session, trial: ModelSpec, known: Mapping[str, Any]
) -> Iterator[tuple[ModelSpec, tuple[int, ...]]]:
    """Yield the readings that the declared shape leaves open, the likeliest first."""
    rank = len(image.shape)
    outputs = [known["output"]] if "output" in known else _outputs(session, rank)
    layouts = [known["axes_in"]] if "axes_in" in known else list(LAYOUTS[rank])
    # A declared, small channel count beats a free one.
    layouts.sort(key=lambda axes: not _is_few(image.shape[axes.index("C")]))
    tries = BASE_SIZES if rank == 4 else VOLUME_SIZES
    readings = [
        (axes, channels, fixed, output)
        for axes in layouts
        for channels, fixed in _readings(image, axes, known)
        for output in outputs
    ]
    seen = set()
    for n, (axes, channels, fixed, output) in itertools.product(tries, readings):
        base = tuple(f or n for f in fixed)
        if (base, axes, channels, output) in seen:
            continue
        seen.add((base, axes, channels, output))
        found = dataclasses.replace(
            trial,
            axes_in=axes,
            axes_out=axes,
            channels_in=channels,
            size=tuple(SizeRule(fixed=f) for f in fixed),
            batch=image.shape[0] if isinstance(image.shape[0], int) else None,
            output=output,
            output_channels=(),
        )
        yield found, base


def _readings(
    image: Tensor, axes: str, known: Mapping[str, Any]
) -> Iterator[tuple[int, tuple[int | None, ...]]]:
    """Yield channel counts and fixed lengths that a declared shape allows in one layout."""
    declared = image.shape[axes.index("C")]
    spatial = [image.shape[axes.index(a)] for a in "ZYX" if a in axes]
    fixed = tuple(s if isinstance(s, int) else None for s in spatial)
    if not isinstance(declared, int):
        # Half a fixed size: more likely the channels are in another place.
        if len({f is None for f in fixed}) == 1:
            yield from ((1, fixed), (3, fixed))
    elif declared <= MOST_CHANNELS or "axes_in" in known:
        yield declared, fixed


def _is_few(declared: int | str | None) -> bool:
    """Whether a declared length can be a number of channels."""
    return isinstance(declared, int) and declared <= MOST_CHANNELS


def _outputs(session: Session, rank: int) -> list[str]:
    """Return the names of outputs that can be images, in the file's order."""
    return [t.name for t in session.outputs if len(t.shape) in (rank, 0)] or [
        session.outputs[0].name
    ]


def _matched(
    session: Session,
    spec: ModelSpec,
    base: tuple[int, ...],
    shape: tuple[int, ...],
    known: Mapping[str, Any],
) -> ModelSpec | None:
    """Return the spec with the output's layout, scale and loss, if the output is an image."""
    layouts = [known["axes_out"]] if "axes_out" in known else list(LAYOUTS[len(shape) + 1])
    layouts.sort(key=lambda axes: axes != spec.axes_in)
    for axes in layouts:
        order = axes.replace("N", "")
        channels = shape[order.index("C")]
        spatial = tuple(shape[order.index(a)] for a in "ZYX" if a in axes)
        chosen = tuple(known.get("output_channels", ()))
        if channels > MOST_CHANNELS and not chosen:
            continue
        found = dataclasses.replace(
            spec,
            axes_out=axes,
            output_channels=chosen,
            channels_out=len(chosen) or channels,
        )
        explained = scale_and_loss(session, found, base, spatial)
        if explained is not None:
            scale, lost = explained
            return dataclasses.replace(
                found,
                scale=float(scale),
                border_loss=(lost // 2, lost - lost // 2),
                extra_channels=_extra_channels(found, known),
            )
    return None


def _extra_channels(spec: ModelSpec, known: Mapping[str, Any]) -> int:
    """Return how many channels of the input are no image: one where one less comes out."""
    if "extra_channels" in known:
        return int(known["extra_channels"])
    one_more = spec.channels_in == spec.channels_out + 1 and spec.channels_out in (1, 3)
    return int(one_more and spec.task == "image")


def _check_channels(spec: ModelSpec) -> None:
    """Raise where the user must say which channels are the image."""
    given, got = spec.channels_in - spec.extra_channels, spec.channels_out
    if spec.task == "labels" or got in (given, 1):
        return
    if got > given:
        raise ModelError(
            f"The model {spec.name} outputs {got} channels for {given}; say which of them are "
            f"the image (output_channels, {given} of 0 to {got - 1}), or that they are "
            'classes (task="labels").'
        )
    raise ModelError(
        f"The model {spec.name} outputs {got} channels for {given}; it can be used only if "
        f"the last {given - got} input channels are not part of the image but hold a "
        f"constant, such as a noise map (extra_channels={given - got})."
    )


def _refusal(
    session: Session,
    image: Tensor,
    failure: ModelError | None,
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]],
) -> ModelError:
    """Return the sentence for a network that does not turn an image into an image."""
    name = session.name
    if shapes:
        given, got = shapes[0]
        return ModelError(
            f"The model {name} turns an input of {given} into {got}; only models that output "
            "an image of a matching size are supported."
        )
    if failure is not None:
        return failure
    return ModelError(
        f"The model {name} takes an input of shape {image.shape}; none of its axes can hold 1 "
        f"to {MOST_CHANNELS} channels."
    )
