"""Summary: what a network wants, gives, and how it tiles, as plain values."""

from typing import Any

from napari_microenhance.engine.runtime.session import available_providers, runtime_version
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.engine.tiles.sizing import tiling_of
from napari_microenhance.errors import MemoryBudgetError, TilePlanError
from napari_microenhance.models.catalogue import twin_of
from napari_microenhance.models.loading import Model

__all__ = ["summarise"]


def summarise(model: Model, provider: str = "auto") -> dict[str, Any]:
    """Return everything that is known of a network as plain JSON values.

    Parameters
    ----------
    model : Model
    provider : str
        Of which to tell whether it works.

    Returns
    -------
    dict
        Lengths are px of the network's input, `tile` is what a large image gets, and
        `useful` the share of its pixels that is kept.
    """
    spec, graph = model.spec, model.graph
    choice = model.choice(provider)
    outputs = [t.name for t in choice.session.outputs]
    output = spec.output or outputs[0]
    letters = [a for a in "ZYX" if a in spec.axes_in]
    low, high = spec.value_range
    return {
        "name": model.name,
        "source": model.source,
        "sha256": model.sha256,
        "task": spec.task,
        "input": {
            "name": spec.input or choice.session.inputs[0].name,
            "axes": spec.axes_in,
            "channels": spec.channels_in,
            "dtype": spec.dtype,
            "value_range": [low, high],
            "value_range_source": spec.value_range_source,
            "intensity": spec.intensity or None,
            "further": {name: value for name, value, *_ in spec.constants},
            "batch": spec.batch,
        },
        "output": {
            "name": output,
            "axes": spec.axes_out,
            "channels": spec.channels_out,
            "units": spec.units,
            "value_range": list(spec.output_range),
            "value_range_source": spec.output_range_source,
            "threshold": spec.threshold if spec.task == "labels" else None,
            "others": [name for name in outputs if name != output],
        },
        "suggested_range": {
            "values": list(model.hint.values) if model.hint.values else None,
            "output": list(model.hint.output) if model.hint.output else None,
            "any_scale": model.hint.any_scale,
            "evidence": model.hint.evidence,
        },
        "size": [
            {"axis": letter, "minimum": r.minimum, "step": r.step, "fixed": r.fixed, "rule": str(r)}
            for letter, r in zip(letters, spec.size, strict=True)
        ],
        "freed": spec.freed,
        "colour_order": spec.colour_order,
        "extra_channels": spec.extra_channels,
        "scale": spec.scale,
        "border_loss": list(spec.border_loss),
        "radius": spec.radius,
        "coupling": spec.coupling,
        "shift_step": spec.shift_step,
        **_tiles(spec),
        "findings": [
            {"severity": f.severity, "name": f.name, "sentence": f.sentence} for f in model.details
        ],
        "licence": spec.licence,
        "citation": spec.citation,
        "provider": {
            "asked": provider,
            "got": choice.session.got,
            "parity": choice.parity(),
            "available": list(available_providers()),
            "remarks": list(choice.remarks),
        },
        "runtime": f"onnxruntime {runtime_version()}",
        "parameters": graph.parameters,
        "opset": graph.opset,
        "bytes_per_pixel": spec.bytes_per_pixel,
        "precision": spec.precision,
        "int8_twin": twin_of(model.path) is not None,
        "probe_seconds": model.probe_seconds,
    }


def _tiles(spec: ModelSpec) -> dict[str, Any]:
    """Return halo, tile and the useful share of a tile on a large image."""
    try:
        tiling = tiling_of(spec)
    except (MemoryBudgetError, TilePlanError) as error:
        return {"halo": None, "tile": None, "useful": None, "no_tile": str(error)}
    return {"halo": tiling.halo, "tile": list(tiling.tile), "useful": tiling.useful}
