"""Measuring: all that is known of a network, from every source, in order of precedence.

The user's edits come first, then a description, our own keys in the file, the graph, and
the defaults; what can be measured is measured, and goes before all of them.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.probing.levels import Levels, measure_levels
from napari_microenhance.engine.probing.probe import Probed, probe
from napari_microenhance.engine.probing.ranges import RangeHint, range_findings, suggest_range
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.runtime.stages import enter_stage
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.engine.statistics.coupling import find_coupling
from napari_microenhance.errors import ModelError
from napari_microenhance.models import cache
from napari_microenhance.models.bioimageio.descriptions import contradictions
from napari_microenhance.models.bioimageio.package_file import PackagedModel
from napari_microenhance.models.graph import PREFIX, read_graph
from napari_microenhance.models.origin import Origin
from napari_microenhance.models.sidecar import reconciled

__all__ = ["PREFIX", "Measured", "declared_by", "measure"]

FIELDS: Final = tuple(field.name for field in dataclasses.fields(ModelSpec))

TEXT_KEYS: Final = ("name", "licence", "citation", "card", "precision")

WORD_KEYS: Final = {
    name: typing.get_args(kind)
    for name, kind in typing.get_type_hints(ModelSpec).items()
    if name in ("task", "units", "intensity", "activation", "colour_order")
}
"""The words that each of these may say."""

NUMBER_KEYS: Final[Mapping[str, Callable[[str], Any]]] = {
    "radius": lambda text: GLOBAL if text == GLOBAL else int(text),
    "shift_step": int,
    "size_minimum": int,
    "size_step": int,
    "scale": float,
    "threshold": float,
    "bytes_per_pixel": float,
    "value_range": lambda text: _pair(text, float),
    "output_range": lambda text: _pair(text, float),
    "border_loss": lambda text: _pair(text, int),
}

RANGES: Final = ("value_range", "output_range")

BELIEVED: Final = (
    *(*TEXT_KEYS, *WORD_KEYS, *RANGES, "threshold"),
    *(f"{name}_source" for name in RANGES),
)
"""What no measurement can tell; the rest of a file's own keys is measured all the same."""

UNCLEAR: Final = RangeHint(None)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of a network.

    Parameters
    ----------
    spec : ModelSpec
    findings : tuple of Finding
    hint : RangeHint
        What values it probably wants.
    beside : tuple of (str, int, int)
        Files beside it with weights: name, bytes, and time of the last change in ns.
    """

    spec: ModelSpec
    findings: tuple[Finding, ...]
    hint: RangeHint = UNCLEAR
    beside: tuple[tuple[str, int, int], ...] = ()


def measure(origin: Origin, edits: Mapping[str, Any]) -> tuple[Measured, Session | None]:
    """Return what is known of a network, from the cache where nothing has changed.

    Parameters
    ----------
    origin : Origin
    edits : mapping
        Fields of `ModelSpec` that the user knows better; checked.

    Returns
    -------
    tuple of Measured and (Session or None)
        The session that it was measured with, on the CPU; None where nothing was measured.

    Raises
    ------
    ModelError
        If the network cannot be used.
    """
    # What was kept by a version that knew other fields says nothing about ours.
    key = cache.key_of("network", origin.sha256, origin.named.stem, dict(edits), FIELDS)
    found = cache.fetch(key, Measured)
    session = None
    if found is None or found.beside != _stamps(origin.path.parent, [b[0] for b in found.beside]):
        found, session = _measure(origin, edits)
        cache.keep(key, found)
    return found, session


def _measure(origin: Origin, edits: Mapping[str, Any]) -> tuple[Measured, Session]:
    """Read the graph, run the network, and put everything together."""
    name = origin.named.stem
    graph = read_graph(origin.path, name)
    # Weights kept beside the file are found only by path.
    session = Session(origin.path, name=name)
    declared = declared_by(graph.metadata, name)
    known = {k: declared[k] for k in declared if k in BELIEVED}
    if graph.colour_order == "bgr":
        known.setdefault("colour_order", "bgr")
    known.setdefault("precision", "int8" if graph.quantised else _float_type(session))
    probed = _probed(session, known, origin, edits)
    if probed.spec.freed:
        session = session.with_free_lengths()
    spec, refuted = reconciled(probed.spec, edits)
    enter_stage(4)
    levels = measure_levels(session, spec)
    spec, contradicted = _with_output(spec, levels)
    enter_stage(5)
    spec = _with_coupling(origin.path, spec)
    hint = suggest_range(
        session,
        spec,
        levels,
        bounds=graph.bounds.get(spec.output or session.outputs[0].name),
        preparation=graph.preparation,
    )
    findings = [f for f in probed.findings if f.name != "seams"]
    findings += [*_coupling(spec), *graph.findings(spec), *refuted, *contradicted]
    findings += _refuted_claims(origin, spec)
    if not spec.preprocessing:
        findings += range_findings(hint, spec, levels)
    beside = _stamps(origin.path.parent, [path.name for path in graph.external])
    return Measured(spec, tuple(dict.fromkeys(findings)), hint, beside), session


def _with_coupling(path: Path, spec: ModelSpec) -> ModelSpec:
    """Return the spec with how a network of global reach couples its pixels."""
    coupling, note = find_coupling(path, spec)
    return dataclasses.replace(spec, coupling=coupling, coupling_note=note)


def _coupling(spec: ModelSpec) -> tuple[Finding, ...]:
    """Return what is to be said of a network whose every pixel depends on all others."""
    if spec.coupling == "numbers":
        sentence = (
            "It normalises over the whole image and is run that way; its tiles show no seams."
        )
        return (Finding("info", sentence, "seams"),)
    if spec.coupling == "pixels":
        sentence = (
            "Every output pixel depends on the whole tile, so neighbouring tiles differ; they are "
            f"blended and the mismatch is reported ({spec.coupling_note})."
        )
        return (Finding("caution", sentence, "seams"),)
    return ()


def _with_output(spec: ModelSpec, levels: Levels) -> tuple[ModelSpec, tuple[Finding, ...]]:
    """Return the spec with the range of the output that was measured, unless the user gave one.

    And a sentence where the file says another.
    """
    spec = dataclasses.replace(spec, measured_ranges=levels.others)
    measured, said = levels.output_for(spec.value_range), spec.output_range
    if measured is None or measured == said or spec.output_range_source == "user":
        return spec, ()
    found = dataclasses.replace(spec, output_range=measured, output_range_source="measured")
    if spec.output_range_source == "default":
        return found, ()
    sentence = (
        f"Its file states an output range of {said[0]:g} to {said[1]:g}, but {measured[0]:g} "
        f"to {measured[1]:g} was measured and is used."
    )
    return found, (Finding("caution", sentence, "output-range"),)


def _probed(
    session: Session, known: dict[str, Any], origin: Origin, edits: Mapping[str, Any]
) -> Probed:
    """Run the network; what its description claims helps where it is right."""
    hints = origin.package.hints(session) if origin.package else {}
    known = {**known, **hints}
    try:
        return probe(session, {**known, **edits})
    except ModelError:
        if not hints:
            raise
        # A wrong claim must not keep a network out that can be measured.
        unclaimed = {k: v for k, v in known.items() if k not in ("axes_in", "axes_out")}
        return probe(session, {**unclaimed, **edits})


def _refuted_claims(origin: Origin, spec: ModelSpec) -> tuple[Finding, ...]:
    """Return a sentence for each claim of a description that was measured otherwise."""
    package = origin.package
    if isinstance(package, PackagedModel):
        return tuple(
            Finding("caution", s, "description") for s in contradictions(package.claims, spec)
        )
    return package.contradictions(spec) if package else ()


def declared_by(metadata: Mapping[str, str], stem: str) -> dict[str, Any]:
    """Return what our own metadata keys say.

    Parameters
    ----------
    metadata : mapping of str to str
        Of the ONNX file.
    stem : str
        Its name where it says none.

    Returns
    -------
    dict
        Fields of `ModelSpec`, and `size_minimum` and `size_step` in place of `size`.

    Raises
    ------
    ModelError
        If one of them says what it cannot.
    """
    ours = {k.removeprefix(PREFIX): v for k, v in metadata.items() if k.startswith(PREFIX)}
    known: dict[str, Any] = {k: ours[k] for k in TEXT_KEYS if k in ours}
    known.setdefault("name", stem)
    try:
        for key, words in WORD_KEYS.items():
            if key in ours:
                known[key] = words[words.index(ours[key])]
        for key, read in NUMBER_KEYS.items():
            if key in ours:
                known[key] = read(ours[key])
    except ValueError as error:
        raise ModelError(
            f"The model {stem} has unreadable metadata: {PREFIX}{key}={ours[key]!r}."
        ) from error
    known |= {f"{name}_source": "metadata" for name in RANGES if name in known}
    return known


def _pair(text: str, kind: type[float]) -> tuple[float, float]:
    """Return two numbers with a comma between them."""
    first, second = text.split(",")
    return kind(first), kind(second)


def _float_type(session: Session) -> str:
    """Return the float type of a network's ends; those of whole numbers compute in float32."""
    kinds = {"tensor(float16)": "float16", "tensor(double)": "float64"}
    return next((kinds[t.type] for t in session.inputs if t.type in kinds), "float32")


def _stamps(folder: Path, names: list[str]) -> tuple[tuple[str, int, int], ...]:
    """Return bytes and time of the last change of files; none of those that are gone."""
    found = []
    for name in names:
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        found.append((name, status.st_size, status.st_mtime_ns))
    return tuple(found)
