"""Metadata: what an ONNX file of ours says of itself."""

import math

from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.models.measuring import PREFIX

__all__ = ["DESCRIBING", "metadata"]

DESCRIBING = (
    "name",
    "task",
    "units",
    "intensity",
    "value_range",
    "activation",
    "threshold",
    "licence",
    "citation",
)
"""Fields of `ModelSpec` that no measurement can tell."""


def metadata(spec: ModelSpec) -> dict[str, str]:
    """Return the entries of a file's metadata, as `models.measuring` reads them.

    Parameters
    ----------
    spec : ModelSpec
        Measured on the file.

    Returns
    -------
    dict of str to str
        Without the entries that say nothing.
    """
    low, high = spec.value_range
    before, after = spec.border_loss
    entries = {
        "name": spec.name,
        "task": spec.task,
        "units": spec.units,
        "value_range": f"{low:g},{high:g}",
        "intensity": spec.intensity,
        "precision": spec.precision,
        "radius": str(spec.radius),
        "shift_step": str(spec.shift_step),
        "size_minimum": str(max(rule.minimum for rule in spec.size)),
        "size_step": str(math.lcm(*(rule.step for rule in spec.size))),
        "scale": f"{spec.scale:g}",
        "border_loss": f"{before},{after}",
        # More digits than that are chance.
        "bytes_per_pixel": f"{float(f'{spec.bytes_per_pixel:.2g}'):g}",
        "licence": spec.licence,
        "citation": spec.citation,
    }
    if spec.output_range != spec.value_range:
        entries["output_range"] = ",".join(f"{end:g}" for end in spec.output_range)
    if spec.colour_order == "bgr":
        entries["colour_order"] = spec.colour_order
    if spec.task == "labels":
        entries |= {"activation": spec.activation, "threshold": f"{spec.threshold:g}"}
    return {f"{PREFIX}{key}": value for key, value in entries.items() if value}
