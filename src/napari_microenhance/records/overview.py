"""Overview: a record as pairs of a heading and what it says, for whoever looks at a result."""

from collections.abc import Iterator, Mapping
from typing import Final

from napari_microenhance.engine.options import Options
from napari_microenhance.records.record import Record
from napari_microenhance.records.recorded import (
    RecordedArray,
    RecordedIntensity,
    RecordedMap,
    RecordedPatch,
    RecordedPlan,
    RecordedRegion,
    RecordedRepetition,
)

__all__ = ["overview"]

DIGITS: Final = 12
"""Of a fingerprint that is shown."""

RULES: Final = {
    "dtype": "range of the data type",
    "percentile": "0.1 and 99.9 percentiles",
    "minmax": "smallest and largest value",
    "given": "set by hand",
}


def overview(record: Record) -> tuple[tuple[str, str], ...]:
    """Return pairs of a heading and what the record says about it.

    Parameters
    ----------
    record : Record
        Of any version: what it does not say is left out.

    Returns
    -------
    tuple of (str, str)
    """
    report = record.report
    pairs = (
        ("Model", _network(record)),
        ("Image", _array(report.image, report.image.name)),
        ("ROI", _region(report.roi)),
        ("Intensity", _intensity(report.intensity)),
        ("Noise", "; ".join(str(noise).removeprefix("Noise: ") for noise in report.noise)),
        ("Tiles", _tiles(report.plan, report.tile_mismatch)),
        ("Options", _options(report.options)),
        ("Result", _array(report.result)),
        ("Clipped", f"{report.clipped:,} values" if report.clipped else ""),
        ("Software", _software(record)),
        ("Repetition", _again(report.rerun)),
        *_trust(report.trust or {}),
    )
    return tuple((head, text) for head, text in pairs if text)


def _network(record: Record) -> str:
    """Return the network with its fingerprint."""
    where = f"file {record.model_file}" if record.model_file else "built-in"
    digest = str(record.report.model.sha256)[:DIGITS]
    return f"{record.model_name} ({where}), SHA-256 {digest}"


def _array(about: RecordedArray | RecordedPatch | None, name: str | None = None) -> str:
    """Return shape, number type and fingerprint of an image."""
    if about is None or not about.shape:
        return ""
    words = [" x ".join(map(str, about.shape)), about.axes or "", str(about.dtype)]
    digest = f", SHA-256 {about.sha256[:DIGITS]}" if about.sha256 else ""
    return f"{f'{name}, ' if name else ''}{' '.join(word for word in words if word)}{digest}"


def _region(roi: RecordedRegion) -> str:
    """Return how much was enhanced."""
    if roi.whole_image:
        return "the whole image"
    return f"{roi.pixels:,} px, {roi.kind}"


def _intensity(kept: RecordedIntensity) -> str:
    """Return what was mapped to what."""
    if kept.source == "none":
        return "as it is"
    if not kept.ends:
        return kept.source
    low, high = (", ".join(f"{v:g}" for v in ends) for ends in zip(*kept.ends, strict=True))
    first, last = kept.network_range
    rule = RULES.get(kept.source, kept.source)
    return f"{low} to {high} ({rule}) mapped to {first:g} to {last:g}"


def _tiles(plan: RecordedPlan, mismatch: float | None) -> str:
    """Return how the image was cut."""
    shape = " x ".join(map(str, plan.tile_shape))
    seams = "" if mismatch is None else f", mismatch {mismatch:.2g}"
    blend = f", {plan.blend}" if plan.tiles > 1 and plan.blend else ""
    halo = "" if plan.halo is None else f", halo {plan.halo} px"
    size = f"{'up to ' if plan.tiles > 1 else ''}{shape} px"
    return f"{plan.tiles} of {size}{halo}{blend}{seams}" if plan.tiles else ""


def _options(options: Mapping[str, object]) -> str:
    """Return the options that are not the default."""
    usual = Options().to_dict()
    other = [f"{k}={v}" for k, v in options.items() if k not in usual or v != usual[k]]
    return ", ".join(other) or "all default"


def _software(record: Record) -> str:
    """Return what ran and how long it took."""
    report = record.report
    total = report.seconds.total if report.seconds else None
    own, runtime = (
        report.versions.get(name, "unknown") for name in ("napari-microenhance", "onnxruntime")
    )
    took = "" if total is None else f" in {total:.1f} s"
    got = report.provider.got or "unknown"
    return f"napari-microenhance {own}, onnxruntime {runtime} on {got}{took}"


def _again(rerun: RecordedRepetition | None) -> str:
    """Return what came of a repetition."""
    if rerun is None:
        return ""
    words = {True: "identical pixels", False: "different pixels"}
    return "pixels not compared" if rerun.identical is None else words[rerun.identical]


def _trust(maps: Mapping[str, RecordedMap]) -> Iterator[tuple[str, str]]:
    """Yield the number of each trust map."""
    for name, kept in maps.items():
        number = "none" if kept.summary is None else f"{kept.summary:.3g} {kept.unit}"
        yield name.capitalize(), number
