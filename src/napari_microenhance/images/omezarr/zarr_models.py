"""What an OME-Zarr image of ours says about itself, built of yaozarrs' models of version 0.5.

References
----------
.. [1] OME-NGFF specification 0.5. https://ngff.openmicroscopy.org/0.5/
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_microenhance.images.imagefile import PixelSize
from napari_microenhance.images.omezarr.zarr_metadata import CHANGED_LABEL, RGB

if TYPE_CHECKING:
    from yaozarrs import v05

__all__ = ["channels", "image_attributes", "label_list"]

_COLOURS: Final = ("00FFFF", "FF00FF", "FFFF00", "00FF00", "FF0000", "0000FF", "FFFFFF")
_UNITS: Final = {
    "Å": "angstrom", "pm": "picometer", "nm": "nanometer", "µm": "micrometer",
    "mm": "millimeter", "cm": "centimeter", "m": "meter", "in": "inch",
    "ns": "nanosecond", "µs": "microsecond", "ms": "millisecond", "s": "second",
    "min": "minute", "h": "hour", "d": "day",
}  # fmt: skip


def image_attributes(
    axes: str,
    levels: Sequence[float],
    *,
    pixel_size: PixelSize,
    centred: bool,
    omero: "v05.Omero | None" = None,
) -> dict[str, Any]:
    """Return the "ome" attributes of an image.

    Parameters
    ----------
    axes : str
        Letters in the order of "TCZYX".
    levels : sequence of float
        Pixels of the full resolution per pixel of each level, y and x alike.
    pixel_size : mapping of str to (float, str)
    centred : bool
        Whether a pixel lies in the middle of those that it stands for.
    omero : yaozarrs.v05.Omero, optional
        How channels are called and shown.

    Returns
    -------
    dict
        Plain JSON.
    """
    from yaozarrs import v05

    scales = [_multiscale(axes, levels, pixel_size, centred=centred)]
    return _plain(v05.Image(multiscales=scales, omero=omero))


def mask_attributes(axes: str, levels: Sequence[float], *, pixel_size: PixelSize) -> dict[str, Any]:
    """Return the "ome" attributes of a label image that is 1 over the image above it.

    Parameters as for `image_attributes`.
    """
    from yaozarrs import v05

    label = {
        "colors": [{"label-value": 1, "rgba": [255, 0, 255, 255]}],
        "source": {"image": "../../"},
    }
    scales = [_multiscale(axes, levels, pixel_size, centred=True)]
    plain = _plain(v05.LabelImage.model_validate({"multiscales": scales, "image-label": label}))
    for colour in plain["image-label"]["colors"]:
        colour["label-value"] = int(colour["label-value"])  # ome-zarr's reader refuses 1.0
    return plain


def label_list() -> dict[str, Any]:
    """Return the "ome" attributes of the group of label images."""
    from yaozarrs import v05

    return _plain(v05.LabelsGroup(labels=[CHANGED_LABEL]))


def channels(
    names: Sequence[str], window: tuple[float, float], shown: tuple[float, float]
) -> "v05.Omero":
    """Return how channels are called and shown.

    Parameters
    ----------
    names : sequence of str
        One per channel; those of `RGB` get their colours.
    window : tuple of float
        (low, high) that values can have.
    shown : tuple of float
        (low, high) that values do have.
    """
    from yaozarrs import v05

    colours = [RGB.get(name, _COLOURS[i % len(_COLOURS)]) for i, name in enumerate(names)]
    if len(names) == 1:
        colours = ["FFFFFF"]
    ends = v05.OmeroWindow(min=window[0], max=window[1], start=shown[0], end=shown[1])
    return v05.Omero(
        channels=[
            v05.OmeroChannel(label=name, color=colour, active=True, window=ends)
            for name, colour in zip(names, colours, strict=True)
        ]
    )


def _multiscale(
    axes: str, levels: Sequence[float], pixel_size: PixelSize, *, centred: bool
) -> "v05.Multiscale":
    """Return axes and resolutions."""
    from yaozarrs import v05

    steps = {axis: pixel_size.get(axis, (1.0, ""))[0] for axis in axes}
    described: list[Any] = []
    for axis in axes:
        unit = _UNITS.get(pixel_size.get(axis, (1.0, ""))[1])
        if axis == "C":
            described.append(v05.ChannelAxis(name="c"))
        else:
            kind = v05.TimeAxis if axis == "T" else v05.SpaceAxis
            described.append(kind(name=axis.lower(), unit=unit))
    datasets = []
    for number, level in enumerate(levels):
        spread = {axis: level if axis in "YX" else 1.0 for axis in axes}
        shift = [steps[axis] * (spread[axis] - 1) / 2 for axis in axes]
        transforms: list[Any] = [
            v05.ScaleTransformation(scale=[steps[axis] * spread[axis] for axis in axes])
        ]
        if centred and any(shift):
            transforms.append(v05.TranslationTransformation(translation=shift))
        datasets.append(v05.Dataset(path=str(number), coordinateTransformations=transforms))
    return v05.Multiscale(axes=described, datasets=datasets)


def _plain(model: Any) -> dict[str, Any]:  # noqa: ANN401 - models without a public base
    """Return a model as plain JSON."""
    plain: dict[str, Any] = model.model_dump(mode="json", exclude_none=True)
    return plain
