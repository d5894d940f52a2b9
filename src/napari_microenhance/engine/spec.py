"""ModelSpec: what a network wants and what it gives."""

import dataclasses
from fractions import Fraction
from typing import Any, Literal

from napari_microenhance.engine.steps.processing import AnyStep

__all__ = ["GLOBAL", "ModelSpec", "Radius", "Range", "SizeRule"]

GLOBAL: Literal["global"] = "global"
"""The radius of a network whose every output depends on the whole tile."""

Radius = int | Literal["global"]

Range = tuple[float, float]
"""Of values: (low, high)."""

AS_INPUT: Any = ()
"""Stands for the range of the input until a spec is made."""


@dataclasses.dataclass(frozen=True)
class SizeRule:
    """The lengths a network accepts along one axis: `fixed`, or ``minimum + n * step``."""

    minimum: int = 1
    step: int = 1
    fixed: int | None = None

    def round_up(self, length: int) -> int:
        """Return the smallest accepted length that holds `length`, or `fixed`.

        Parameters
        ----------
        length : int
            px.

        Returns
        -------
        int
        """
        if self.fixed is not None:
            return self.fixed
        return self.minimum + -(-max(0, length - self.minimum) // self.step) * self.step

    def round_down(self, length: int) -> int:
        """Return the largest accepted length within `length`, or the least accepted one.

        Parameters
        ----------
        length : int
            px.

        Returns
        -------
        int
        """
        if self.fixed is not None:
            return self.fixed
        return self.minimum + max(0, length - self.minimum) // self.step * self.step

    def __str__(self) -> str:
        if self.fixed is not None:
            return f"{self.fixed}"
        return "any" if self.minimum == self.step == 1 else f"{self.minimum} + n x {self.step}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything the engine needs to know about a network; a value, not an object.

    Parameters
    ----------
    name : str
        Shown to the user and used in layer names.
    task : {"image", "labels"}
        What the output is.
    axes_in, axes_out : str
        Letters of the network's tensors in order, of "N", "C", "Z", "Y", "X".
    channels_in, channels_out : int
    extra_channels : int
        How many of the input's channels, its last ones, are no image, such as a noise map.
    colour_order : {"rgb", "bgr"}
        Of three channels, of the input and of the output.
    value_range : tuple of float
        (low, high) of the input that the network was trained on.
    output_range : tuple of float
        (low, high) that the output gives those two back as; not given: the same.
    measured_ranges : tuple of (tuple of float, tuple of float)
        Ranges of input and output that were measured to belong together.
    units : {"input", "relative"}
        "relative": the output is not in the input's units but fills the range of its number
        type; that of a float image the range that was fitted to it.
    intensity : {"", "dtype", "percentile"}
        What ``Options.intensity="auto"`` means for this network; empty: the usual rule.
    dtype : str
        NumPy name of the tensor type.
    precision : str
        Type of the numbers that it computes with: "float32", "float16", "int8".
    size : tuple of SizeRule
        One per spatial axis.
    freed : bool
        Whether its file declares fixed lengths that it does not need, which are left free.
    shift_step : int
        Tile starts that are multiples of it leave a result unchanged, px.
    scale : float
        Output pixels per input pixel.
    border_loss : tuple of int
        Pixels lost before and after by valid convolutions, input px.
    radius : int or "global"
        How far an input pixel reaches, px, the maximum over all phases and axes.
    activation : {"none", "sigmoid", "softmax"}
        What turns the output of a segmentation network into probabilities.
    threshold : float
        Probability from which on a pixel of a one-channel segmentation is foreground.
    batch : int or None
        Tiles per call the file prescribes; None: any.
    input, output : str
        Names of the image tensors; empty: the only ones.
    output_channels : tuple of int
        Which channels of a wider output are the image; empty: all.
    constants : tuple of (str, float, str, tuple of int)
        Name, value, dtype and shape of further scalar inputs.
    preprocessing, postprocessing : tuple of Step
        What a package prescribes in place of `Options.intensity`; empty: nothing.
    coupling : {"", "numbers", "pixels"}
        How a network of radius "global" couples its pixels: by a few numbers over the whole image,
        so that tiles can be exact, or otherwise; empty for finite networks.
    coupling_note : str
        Why it is "pixels".
    bytes_per_pixel : float
        Working memory of the network per input pixel, measured.
    """

    name: str
    task: Literal["image", "labels"] = "image"
    axes_in: str = "NCYX"
    axes_out: str = "NCYX"
    channels_in: int = 1
    channels_out: int = 1
    extra_channels: int = 0
    colour_order: Literal["rgb", "bgr"] = "rgb"
    value_range: Range = (0.0, 1.0)
    value_range_source: str = "default"
    output_range: Range = AS_INPUT
    output_range_source: str = "default"
    measured_ranges: tuple[tuple[Range, Range], ...] = ()
    units: Literal["input", "relative"] = "input"
    intensity: Literal["", "dtype", "percentile"] = ""
    dtype: str = "float32"
    precision: str = "float32"
    size: tuple[SizeRule, ...] = (SizeRule(), SizeRule())
    freed: bool = False
    shift_step: int = 1
    scale: float = 1.0
    border_loss: tuple[int, int] = (0, 0)
    radius: Radius = GLOBAL
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    threshold: float = 0.5
    batch: int | None = None
    input: str = ""
    output: str = ""
    output_channels: tuple[int, ...] = ()
    constants: tuple[tuple[str, float, str, tuple[int, ...]], ...] = ()
    preprocessing: tuple[AnyStep, ...] = ()
    postprocessing: tuple[AnyStep, ...] = ()
    bytes_per_pixel: float = 0.0
    coupling: Literal["", "numbers", "pixels"] = ""
    coupling_note: str = ""
    licence: str = ""
    citation: str = ""
    card: str = ""

    @property
    def spatial(self) -> str:
        """Axes that the network sees at once: "YX" or "ZYX"."""
        return "".join(letter for letter in "ZYX" if letter in self.axes_in)

    @property
    def ratio(self) -> Fraction:
        """The scale as a whole number or one over a whole number."""
        return Fraction(self.scale).limit_denominator(64)

    def __post_init__(self) -> None:
        if self.output_range == AS_INPUT:
            object.__setattr__(self, "output_range", self.value_range)

    def output_for(self, value_range: Range) -> Range:
        """Return the range of the output that belongs to a range of the input.

        Parameters
        ----------
        value_range : tuple of float
            (low, high) of the input.

        Returns
        -------
        tuple of float
            Known, measured, or else the same.
        """
        if value_range == self.value_range:
            return self.output_range
        return dict(self.measured_ranges).get(value_range, value_range)

    def ordered(self, colour_order: str) -> "ModelSpec":
        """Return the spec with the order of colours that the user gives.

        Parameters
        ----------
        colour_order : {"auto", "rgb", "bgr"}

        Returns
        -------
        ModelSpec
            The same for "auto".
        """
        if colour_order not in ("rgb", "bgr"):
            return self
        return dataclasses.replace(self, colour_order="bgr" if colour_order == "bgr" else "rgb")

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as plain JSON values."""
        return dataclasses.asdict(self)
