"""The figures of a comparison as a table, and as text for a spreadsheet; no Qt."""

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_microenhance.api import Comparison
    from napari_microenhance.measure.comparison import Figures

__all__ = ["cells"]

ROWS: Final = {
    "pixels": ("Pixels", "{:,}"),
    "mean": ("Mean", "{:.5g} → {:.5g}"),
    "contrast": ("Contrast", "{:.4g} → {:.4g}"),
    "sharpness": ("Sharpness", "{:.3f} → {:.3f}"),
    "psnr": ("PSNR, dB", "{:.2f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "nrmse": ("NRMSE", "{:.4f}"),
    "changed": ("Changed beyond noise", "{:.2%}"),
    "largest": ("Largest change", "{:.5g}"),
    "clipped": ("Clipped px", "{:,}"),
}
"""Figure: its name and how it is written, before → after where there are two."""


def cells(found: "Comparison") -> tuple[tuple[str, ...], tuple[str, ...], list[list[str]]]:
    """Return the heads of the rows, those of the columns, and the texts row by row.

    Parameters
    ----------
    found : Comparison
    """
    heads = {"total": "Total", "part": "Part", "plane": ""}
    columns = [(f"{heads[kind]} {name}".strip(), figures) for kind, name, figures in found.rows()]
    table = [[_cell(figures, key) for _, figures in columns] for key in ROWS]
    return tuple(name for name, _ in ROWS.values()), tuple(head for head, _ in columns), table


def remarks(found: "Comparison") -> tuple[str, ...]:
    """Return what the numbers rest on, one sentence each."""
    noise = ", ".join(f"{value:.3g}" for value in found.noise[:3])
    more = ", …" if len(found.noise) > 3 else ""
    lines = [
        f"Noise of the original: {noise}{more} grey values; data range of PSNR and SSIM: "
        f"{found.full_range}."
    ]
    if found.different_outside:
        lines.append(f"Outside the ROI, {found.different_outside:,} px differ.")
    elif found.different_outside == 0:
        lines.append("Outside the ROI, no pixel differs.")
    return (*lines, *found.notes)


def tab_separated(found: "Comparison") -> str:
    """Return all figures to the last digit, as a spreadsheet takes them from the clipboard."""
    rows = csv.reader(io.StringIO(found.to_csv()))
    return "".join("\t".join(row) + "\n" for row in rows)


def _cell(figures: "Figures", key: str) -> str:
    """Return a figure, or the one before and after, as it is shown."""
    _, form = ROWS[key]
    names = [key] if hasattr(figures, key) else [f"{key}_before", f"{key}_after"]
    values = [getattr(figures, name) for name in names]
    return "-" if None in values else form.format(*values).replace("inf", "∞")
