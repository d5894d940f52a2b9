"""Comparison: what changed, as a value that can be shown, kept and tabulated."""

import csv
import dataclasses
import io
import math
from typing import Any

from napari_microenhance.measure.full_range import FullRange, RangeOrigin
from napari_microenhance.measure.histograms import Histogram

__all__ = ["Comparison", "Figures", "Named"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of one region; means over its pixels and, in colour, its channels.

    Parameters
    ----------
    pixels : int
        Of the result.
    mean_before, mean_after : float
        Image units.
    contrast_before, contrast_after : float
        Standard deviation of the pixel values, image units.
    sharpness_before, sharpness_after : float or None
        One less the perceptual blur of the region's box, each image on its own grid: 0 is
        blurred, 1 is sharp. Noise counts as sharpness. None for boxes under 11 px.
    psnr : float
        Peak signal-to-noise ratio of the result against the image, dB; infinite where
        nothing changed.
    ssim : float or None
        Mean structural similarity, over the pixels whose window lies in the image; None
        where there is none.
    nrmse : float
        Root mean squared difference over the root mean square of the image.
    changed : float
        Share of pixels that changed by more than so many times the noise of the image.
    largest : float
        Largest difference, image units.
    clipped : int
        Pixels that came to lie at an end of the result's number type.
    """

    pixels: int
    mean_before: float
    mean_after: float
    contrast_before: float
    contrast_after: float
    sharpness_before: float | None
    sharpness_after: float | None
    psnr: float
    ssim: float | None
    nrmse: float
    changed: float
    largest: float
    clipped: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain JSON values; what is infinite is null."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


@dataclasses.dataclass(frozen=True)
class Named:
    """The figures of a part or a plane."""

    name: str
    figures: Figures

    def to_dict(self) -> dict[str, Any]:
        """Return them as plain JSON values."""
        return {"name": self.name, **self.figures.to_dict()}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What changed from an image to its result.

    Parameters
    ----------
    shape_before, shape_after : tuple of int
    dtype_before, dtype_after : str
    axes : str
        Of the result.
    scale : float
        Pixels of the result per pixel of the image.
    data_range : float
        What counts as full range for PSNR and SSIM, image units.
    range_origin : {"given", "recorded", "number type", "values"}
        Where that comes from: the caller, the record of the run, uint8, or the image's smallest
        and largest value.
    noise : tuple of float
        Standard deviation of the noise of the image, image units, one per plane and channel.
    beyond : float
        Changes of more than so many times the noise are counted.
    total : Figures
        Over the whole region and all planes.
    parts : tuple of Named
        Over all planes, one per part of the region.
    planes : tuple of Named
        Over the whole region, one per plane; empty where there is only one.
    histogram : Histogram
        Of the whole region and all planes.
    different_outside : int or None
        Pixels outside the region that differ at all; None where that was not looked at.
    notes : tuple of str
        Remarks on what was compared.
    """

    shape_before: tuple[int, ...]
    shape_after: tuple[int, ...]
    dtype_before: str
    dtype_after: str
    axes: str
    scale: float
    data_range: float
    range_origin: RangeOrigin
    noise: tuple[float, ...]
    beyond: float
    total: Figures
    parts: tuple[Named, ...]
    planes: tuple[Named, ...]
    histogram: Histogram
    different_outside: int | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values; what is infinite is null."""
        return {
            "before": {"shape": list(self.shape_before), "dtype": self.dtype_before},
            "after": {"shape": list(self.shape_after), "dtype": self.dtype_after},
            "axes": self.axes,
            "scale": self.scale,
            "data_range": self.data_range,
            "range_origin": self.range_origin,
            "noise": list(self.noise),
            "beyond": self.beyond,
            "total": self.total.to_dict(),
            "parts": [part.to_dict() for part in self.parts],
            "planes": [plane.to_dict() for plane in self.planes],
            "histogram": self.histogram.to_dict(),
            "different_outside": self.different_outside,
            "notes": list(self.notes),
        }

    @property
    def full_range(self) -> FullRange:
        """What PSNR and SSIM take as full range, and why."""
        return FullRange(self.data_range, self.range_origin)

    def rows(self) -> tuple[tuple[str, str, Figures], ...]:
        """Return what a table shows: kind, name and figures of each row."""
        return (
            ("total", "", self.total),
            *(("part", part.name, part.figures) for part in self.parts),
            *(("plane", plane.name, plane.figures) for plane in self.planes),
        )

    def to_csv(self) -> str:
        """Return the figures as a table of comma-separated values with a head."""
        names = [field.name for field in dataclasses.fields(Figures)]
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["region", "name", *names])
        for kind, name, figures in self.rows():
            values = (getattr(figures, n) for n in names)
            table.writerow([kind, name, *("" if v is None else v for v in values)])
        return text.getvalue()


def _plain(value: float | None) -> float | None:
    """Return a number that JSON can hold, or None."""
    return value if value is None or math.isfinite(value) else None
