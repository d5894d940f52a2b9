"""Measuring: all that is known of a network, from every source, in order of precedence.

The user's edits come first, then a description, our own keys in the file, the graph, and
the defaults; what can be measured is measured, and goes before all of them.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from napari_microenhance.engine.findings import Finding
from napari_microenhance.engine.probe import Findings, probe
from napari_microenhance.engine.ranges import RangeHint, range_finding, suggest_range
from napari_microenhance.engine.session import Session
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.models import cache
from napari_microenhance.models.bioimageio import PackagedModel
from napari_microenhance.models.descriptions import contradictions
from napari_microenhance.models.graph import read_graph
from napari_microenhance.models.origin import Origin
from napari_microenhance.models.sidecar import reconciled

__all__ = ["Measured", "declared_by", "measure"]

PREFIX: Final = "microenhance."
"""Of our keys in the ONNX metadata."""

TEXT_KEYS: Final = ("name", "task", "units", "licence", "citation", "card")

RANGE_KEYS: Final = ("value_range", "value_range_source")


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
    key = cache.key_of("network", origin.sha256, origin.named.stem, dict(edits))
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
    known = {k: declared[k] for k in declared if k in (*TEXT_KEYS, *RANGE_KEYS)}
    probed = _probed(session, known, origin, edits)
    spec, refuted = reconciled(probed.spec, edits)
    hint = suggest_range(
        session,
        spec,
        bounds=graph.bounds.get(spec.output or session.outputs[0].name),
        preparation=graph.preparation,
    )
    findings = [Finding("caution", sentence) for sentence in probed.sentences]
    findings += [*graph.findings(spec), *refuted, *_refuted_claims(origin, spec)]
    if not spec.preprocessing:
        findings.append(range_finding(hint, spec))
    beside = _stamps(origin.path.parent, [path.name for path in graph.external])
    return Measured(spec, tuple(dict.fromkeys(findings)), hint, beside), session


def _probed(
    session: Session, known: dict[str, Any], origin: Origin, edits: Mapping[str, Any]
) -> Findings:
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
        return tuple(Finding("caution", s) for s in contradictions(package.claims, spec))
    return package.contradictions(spec) if package else ()


def declared_by(metadata: Mapping[str, str], stem: str) -> dict[str, Any]:
    """Return what our own metadata keys say.

    Parameters
    ----------
    metadata : mapping of str to str
        Of the ONNX file.
    stem : str
        Its name where it says none.
    """
    ours = {k.removeprefix(PREFIX): v for k, v in metadata.items() if k.startswith(PREFIX)}
    known: dict[str, Any] = {k: ours[k] for k in TEXT_KEYS if k in ours}
    known.setdefault("name", stem)
    try:
        if "value_range" in ours:
            low, high = (float(v) for v in ours["value_range"].split(","))
            known["value_range"], known["value_range_source"] = (low, high), "metadata"
        for key in ("radius", "shift_step", "size_minimum", "size_step"):
            if key in ours:
                known[key] = int(ours[key])
        known["bytes_per_pixel"] = float(ours.get("bytes_per_pixel", 0))
    except ValueError as error:
        raise ModelError(f"The network {stem} has unreadable metadata: {error}.") from error
    return known


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
