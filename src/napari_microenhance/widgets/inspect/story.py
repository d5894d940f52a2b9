"""A record in words, for whoever looks at a result; no Qt."""

from collections.abc import Iterator, Mapping
from typing import Any

from napari_microenhance.api import Options, Record

__all__ = ["rows_of"]

_DIGITS = 12
"""Of a fingerprint that is shown."""

_RULES = {
    "dtype": "range of the number type",
    "percentile": "0.1 and 99.9 percentiles",
    "minmax": "smallest and largest value",
    "given": "set by hand",
}


def rows_of(record: Record) -> tuple[tuple[str, str], ...]:
    """Return pairs of a heading and what the record says about it.

    Parameters
    ----------
    record : Record
        Of any version: what it does not say is left out.
    """
    report = record.report
    pairs = (
        ("Network", _network(report, record)),
        ("Image", _array(report["image"])),
        ("Region", _region(report["roi"])),
        ("Intensity", _intensity(report["intensity"])),
        ("Tiles", _tiles(report["plan"], report.get("tile_mismatch"))),
        ("Options", _options(report["options"])),
        ("Result", _array(report.get("result") or {})),
        ("Clipped", _clipped(report.get("clipped"))),
        ("Run by", _software(report)),
        ("Again", _again(report.get("rerun"))),
        *_trust(report.get("trust")),
    )
    return tuple((head, text) for head, text in pairs if text)


def _network(report: Mapping[str, Any], record: Record) -> str:
    """Return the network with its fingerprint."""
    where = f"file {record.model_file}" if record.model_file else "built-in"
    return f"{record.model_name} ({where}), SHA-256 {str(report['model'].get('sha256'))[:_DIGITS]}"


def _array(about: Mapping[str, Any]) -> str:
    """Return shape, number type and fingerprint of an image."""
    if not about.get("shape"):
        return ""
    words = [" x ".join(map(str, about["shape"])), str(about.get("axes", "")), str(about["dtype"])]
    digest = f", SHA-256 {str(about['sha256'])[:_DIGITS]}" if about.get("sha256") else ""
    name = f"{about['name']}, " if about.get("name") else ""
    return f"{name}{' '.join(word for word in words if word)}{digest}"


def _region(roi: Mapping[str, Any]) -> str:
    """Return how much was enhanced."""
    if roi.get("whole_image"):
        return "the whole image"
    count = len(roi.get("vertices", ()))
    kind = f"{count} outline{'s' * (count != 1)}" if count else "a mask"
    return f"{roi.get('pixels', 0):,} px, {kind}"


def _intensity(kept: Mapping[str, Any]) -> str:
    """Return what was mapped to what."""
    rule = str(kept.get("source", ""))
    if rule == "none":
        return "as it is"
    if kept.get("low") is None or kept.get("high") is None:
        return rule
    low, high = (
        ", ".join(f"{v:g}" for v in (ends if isinstance(ends, list) else [ends]))
        for ends in (kept["low"], kept["high"])
    )
    first, last = kept.get("network_range", (0, 1))
    return f"{low} to {high} ({_RULES.get(rule, rule)}) as {first:g} to {last:g}"


def _tiles(plan: Mapping[str, Any], mismatch: float | None) -> str:
    """Return how the image was cut."""
    shape = " x ".join(map(str, plan.get("tile_shape", ())))
    count = plan.get("tiles", 0)
    seams = "" if mismatch is None else f", mismatch {mismatch:.2g}"
    blend = f", {plan['blend']}" if count > 1 and plan.get("blend") else ""
    halo = f", halo {plan['halo']} px" if plan.get("halo") is not None else ""
    return f"{count} of up to {shape} px{halo}{blend}{seams}" if count else ""


def _options(options: Mapping[str, Any]) -> str:
    """Return the options that are not the default."""
    usual = Options().to_dict()
    other = [f"{k}={v}" for k, v in options.items() if k not in usual or v != usual[k]]
    return ", ".join(other) or "all default"


def _clipped(count: object) -> str:
    """Return how many values did not fit the number type."""
    return f"{count:,} values" if isinstance(count, int) and count else ""


def _software(report: Mapping[str, Any]) -> str:
    """Return what ran and how long it took."""
    versions, provider = report["versions"], report["provider"]
    seconds = (report.get("seconds") or {}).get("total")
    took = f" in {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    return (
        f"napari-microenhance {versions.get('napari-microenhance', 'unknown')}, onnxruntime "
        f"{versions.get('onnxruntime', 'unknown')} on {provider.get('got', 'unknown')}{took}"
    )


def _again(rerun: object) -> str:
    """Return what came of a repetition."""
    if not isinstance(rerun, Mapping):
        return ""
    words = {True: "a repetition, identical pixels", False: "a repetition, other pixels"}
    return words.get(rerun.get("identical"), "a repetition")  # type: ignore[arg-type]


def _trust(maps: object) -> Iterator[tuple[str, str]]:
    """Yield the number of each trust map."""
    for name, kept in maps.items() if isinstance(maps, Mapping) else ():
        value = kept.get("summary")
        yield name.capitalize(), "none" if value is None else f"{value:.3g} {kept.get('unit', '')}"
