"""Scripts: the recorded run as a command line, and as Python."""

import dataclasses
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.engine.options import Options
from napari_microenhance.records.record import Record, RecordedRoi, RecordLike
from napari_microenhance.records.recorded import RecordError
from napari_microenhance.rois.napari_csv import napari_table
from napari_microenhance.rois.outlines import mask_outline
from napari_microenhance.rois.region_of_interest import Roi
from napari_microenhance.rois.shapes import Shape

__all__ = ["command_line", "python_code"]

EVIDENT_AXES = ("YX", "YXC")
"""What an image is taken for where nobody says."""


def command_line(
    report: RecordLike,
    *,
    image: str | None = None,
    model: str | None = None,
    out: str = "result.ome.tif",
    roi: str = "roi.csv",
) -> str:
    """Return the commands that repeat a run, for a POSIX shell.

    Parameters
    ----------
    report : Report, mapping, Record or path
    image, model : str, optional
        Paths of the image and of a network that is not built in. Default: the names in the
        record, to be run in the folder where those files are.
    out : str
        File for the result.
    roi : str
        File that is written for the region, where there is one.

    Returns
    -------
    str
        One line, after those that write the region.

    Raises
    ------
    RecordError
        If the run was a preview, or its region one of a volume, which no ROI file holds.
    """
    record = Record.of(report)
    if record.window is not None:
        raise RecordError("A preview is a part of a run and has no command; press Run first.")
    table = _csv(record)
    words = ["microenhance", "enhance", image or _image_name(record), out]
    words += ["--model", model or record.model_file or record.model_name]
    if table:
        words += ["--roi", roi]
    if record.axes not in EVIDENT_AXES:
        words += ["--axes", record.axes]
    # With "=", since a value may begin with a minus.
    words += [f"--{name.replace('_', '-')}={_typed(value)}" for name, value in _chosen(record)]
    line = shlex.join(words)
    return f"cat > {shlex.quote(roi)} <<'END'\n{table}END\n{line}" if table else line


def python_code(
    report: RecordLike,
    *,
    image: str | None = None,
    model: str | None = None,
) -> str:
    """Return a Python script that repeats a run and checks that the pixels are the same.

    Parameters
    ----------
    report : Report, mapping, Record or path
    image, model : str, optional
        Paths, as in `command_line`.

    Returns
    -------
    str
    """
    record = Record.of(report)
    roi = record.roi()
    network = model or record.model_file or record.model_name
    better = _better(record)
    digest = record.result_sha256
    window = f", window={record.window!r}" if record.window else ""
    lines = [
        *(["import hashlib", ""] if digest else []),
        *(["import numpy as np", ""] if roi is not None else []),
        f"from napari_microenhance import {', '.join(_names(roi, better))}",
        "from napari_microenhance.images.image_formats import read_image",
        "",
        f"image = read_image({image or _image_name(record)!r}, axes={record.axes!r}).pixels",
        f"model = load_model({network!r}, {better})" if better else f"model = {network!r}",
        *_roi_lines(record, roi),
        f"options = Options({', '.join(f'{name}={value!r}' for name, value in _chosen(record))})",
        f"how = dict(roi=roi, axes={record.axes!r}, options=options{window})",
        "result = enhance(image, model, **how)",
    ]
    if digest:
        lines += [
            "digest = hashlib.sha256(result.patch.tobytes()).hexdigest()",
            f"assert digest == {digest!r}",
        ]
    return "\n".join(lines) + "\n"


def _names(roi: RecordedRoi, better: str) -> list[str]:
    """Return what the script imports."""
    placed = isinstance(roi, list) and any(isinstance(one, Roi) for one in roi)
    names = ["Options", *["Roi"] * placed, "enhance", *["load_model"] * bool(better)]
    return sorted(names, key=lambda name: (name.islower(), name))


def _image_name(record: Record) -> str:
    """Return the name of the image's file, or one to be replaced."""
    return record.image_name or "image.tif"


def _chosen(record: Record) -> Iterator[tuple[str, Any]]:
    """Yield the options that are not the default, in order."""
    options, usual = record.options(), Options()
    for field in dataclasses.fields(Options):
        value = getattr(options, field.name)
        if value != getattr(usual, field.name):
            yield field.name, value


def _typed(value: object) -> str:
    """Return an option's value as it is typed, to the last digit."""
    if isinstance(value, tuple):
        return ",".join(part if isinstance(part, str) else repr(part) for part in value)
    return str(value)


def _better(record: Record) -> str:
    """Return the ranges of values that the user gave a network, as arguments."""
    spec = record.spec
    ranges = {
        "value_range": (spec.value_range, spec.value_range_source),
        "output_range": (spec.output_range, spec.output_range_source),
    }
    given = (f"{name}={pair!r}" for name, (pair, source) in ranges.items() if source == "user")
    return ", ".join(given)


def _csv(record: Record) -> str:
    """Return a region as the table that napari saves shapes as; empty for the whole image."""
    roi = record.roi()
    if roi is None:
        return ""
    rois = [Roi(roi)] if isinstance(roi, np.ndarray) else roi
    shapes = [_polygon(one if isinstance(one, Roi) else Roi(one)) for one in rois]
    named = {axis for shape in shapes for axis in shape.planes}
    known = dict(zip(record.axes, record.report.image.shape, strict=True))
    # A table without the axis of channels is one of a layer for each of them.
    planes = {a: n for a, n in known.items() if a not in "YX" and (a != "C" or "C" in named)}
    return napari_table(shapes, planes if named else {}).replace("\r\n", "\n")


def _polygon(roi: Roi) -> Shape:
    """Return the outline of a region of a plane."""
    if roi.vertices is not None:
        return Shape("polygon", roi.vertices, planes=roi.planes)
    if roi.shape.ndim != 2:
        raise RecordError(
            "The ROI of a volume cannot be stored in an ROI file; use the Python code, or "
            "microenhance rerun on the saved result."
        )
    return Shape("polygon", mask_outline(roi.shape), planes=roi.planes)


def _literal(one: Roi | npt.NDArray[np.float64]) -> str:
    """Return the expression that makes one region of several."""
    if not isinstance(one, Roi):
        return f"np.array({one.tolist()!r})"
    outline = one.shape if one.vertices is not None else _polygon(one).points
    planes = {axis: list(indices) for axis, indices in one.planes.items()}
    return f"Roi(np.array({outline.tolist()!r}), planes={planes!r})"


def _roi_lines(record: Record, roi: RecordedRoi) -> list[str]:
    """Return the lines that make the region."""
    if roi is None:
        return ["roi = None"]
    if isinstance(roi, list):
        return ["roi = [", *(f"    {_literal(one)}," for one in roi), "]"]
    kept = record.report.roi
    box = ", ".join(f"{a}:{b}" for a, b in kept.box)
    lines = [f"roi = np.zeros({roi.shape!r}, bool)"]
    if kept.runs is None:
        return [*lines, f"roi[{box}] = True"]
    return [
        *lines,
        f"inside = np.zeros(roi[{box}].shape, bool)",
        f"for start, length in {kept.runs!r}:",
        "    inside.flat[start : start + length] = True",
        f"roi[{box}] = inside",
    ]
