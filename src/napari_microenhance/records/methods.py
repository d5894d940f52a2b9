"""Methods: a run in words, for the methods section of an article."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_microenhance.records.record import Record

if TYPE_CHECKING:
    from napari_microenhance.measure.comparison import Comparison

__all__ = ["methods_text"]

RULES: Final = {
    "dtype": "the range of the number type",
    "percentile": "the 0.1 and 99.9 percentiles of the whole image",
    "minmax": "the smallest and largest value of the whole image",
    "given": "set by hand",
    "package": "as the network's package prescribes",
}
"""Where the ends of the intensity map come from, in words."""

OUTSIDE: Final = {
    "original": "all other pixels were left unchanged",
    "white": "all other pixels were set to white",
    "black": "all other pixels were set to black",
    "crop": "the result was cropped to it",
}

DIGITS: Final = 12


def methods_text(
    report: Any,  # noqa: ANN401 - whatever `Record.of` reads
    comparison: "Comparison | None" = None,
) -> str:
    """Return a paragraph on a run for the methods section of an article.

    It names what the checklists for publishing image analysis ask for: software with
    versions, the network with its fingerprint, every setting that decides the result, and
    what was not processed.

    Parameters
    ----------
    report : Report, mapping, Record or path
    comparison : Comparison, optional
        Of the image with the result, inside the region: adds how much was changed.

    Returns
    -------
    str
        English, one paragraph.

    References
    ----------
    .. [1] C. Schmied et al., "Community-developed checklists for publishing images and image
       analyses", Nature Methods 21, 2024. https://doi.org/10.1038/s41592-023-01987-9
    """
    record = Record.of(report)
    return " ".join(" ".join(sentence.split()) for sentence in _sentences(record, comparison))


def _sentences(record: Record, comparison: "Comparison | None") -> Iterator[str]:
    """Yield the sentences, in order."""
    report = record.report
    yield _software(report, record)
    yield _region(report)
    yield _intensity(report)
    yield _tiles(report)
    if comparison is not None:
        total = comparison.total
        yield (
            f"{total.changed:.1%} of the processed pixels changed by more than "
            f"{comparison.beyond:g} times the estimated noise of the original, the largest change "
            f"being {total.largest:g} grey values; the structural similarity with the original "
            f"is {_number(total.ssim)}."
        )
    yield _files(report)


def _software(report: Mapping[str, Any], record: Record) -> str:
    """Return the sentence on software and network."""
    versions, model = report["versions"], report["model"]
    spec = model.get("spec") or {}
    got = str(report["provider"].get("got", "cpu")).upper()
    verb = "segmented" if spec.get("task") == "labels" else "enhanced"
    further = [
        f"file {record.model_file}" if record.model_file else "built-in",
        f"SHA-256 {str(model.get('sha256'))[:DIGITS]}",
        *(f"{name} {spec[name]}" for name in ("licence",) if spec.get(name)),
        *(str(spec[name]).strip().rstrip(".") for name in ("citation",) if spec.get(name)),
    ]
    return (
        f"The image was {verb} with napari-microenhance {versions.get('napari-microenhance')} "
        f"(onnxruntime {versions.get('onnxruntime')} on {got}, NumPy {versions.get('numpy')}, "
        f"Python {versions.get('python')}) and the network {record.model_name} "
        f"({'; '.join(further)})."
    )


def _region(report: Mapping[str, Any]) -> str:
    """Return the sentence on what was processed and what was not."""
    roi, options = report["roi"], report["options"]
    if roi.get("whole_image"):
        return "The whole image was processed."
    outlines = len(roi.get("vertices", ()))
    kind = f"{outlines} outline{'s' * (outlines != 1)}" if outlines else "a mask"
    grown = f", grown by {options['dilate']} px" if options.get("dilate") else ""
    soft = f", with a soft edge of {options['feather']} px" if options.get("feather") else ""
    labels = (report["model"].get("spec") or {}).get("task") == "labels"
    outside = "" if labels else f"; {OUTSIDE.get(str(options.get('background')), '')}"
    return (
        f"Only a region of interest of {roi.get('pixels', 0):,} px ({kind}{grown}{soft}) was "
        f"processed{outside}."
    )


def _intensity(report: Mapping[str, Any]) -> str:
    """Return the sentences on the normalisation and the way back."""
    kept = report["intensity"]
    rule = str(kept.get("source"))
    if rule == "none":
        return f"Pixel values met the network as they are. {_way_back(report, mapped=False)}"
    if rule == "package":
        return f"Pixel values were normalised {RULES[rule]}. {_way_back(report, mapped=False)}"
    low, high = (_all(kept.get(name)) for name in ("low", "high"))
    ends = ", ".join(f"{a:g} to {b:g}" for a, b in zip(low, high, strict=True))
    net_low, net_high = kept.get("network_range", (0, 1))
    each = ", channel by channel," if len(low) > 1 else ""
    return (
        f"Pixel values from {ends} ({RULES.get(rule, rule)}) were mapped linearly{each} to the "
        f"network's range of {net_low:g} to {net_high:g}, once for the whole image. "
        f"{_way_back(report, mapped=True)}"
    )


def _way_back(report: Mapping[str, Any], *, mapped: bool) -> str:
    """Return the sentence on what became of the network's output."""
    dtype = str((report.get("result") or {}).get("dtype") or report["image"].get("dtype"))
    if (report["model"].get("spec") or {}).get("task") == "labels":
        what = "probabilities" if dtype.startswith("float") else "labels"
        return f"Its output was turned into {what}."
    first = "mapped back" if mapped else "taken as it is"
    if dtype.startswith("float"):
        return f"Its output was {first} and kept as {dtype}."
    clipped = report.get("clipped", 0)
    return f"Its output was {first}, rounded and clipped to {dtype} ({clipped:,} values clipped)."


def _tiles(report: Mapping[str, Any]) -> str:
    """Return the sentence on tiles and how well they agree."""
    plan, mismatch = report["plan"], report.get("tile_mismatch")
    count = plan.get("tiles", 1)
    shape = " x ".join(map(str, plan.get("tile_shape", ())))
    if count == 1:
        return f"It ran in one tile of {shape} px."
    blend = "cropped to their valid parts" if plan.get("blend") == "crop" else "blended"
    seams = (
        "" if mismatch is None else f"; where they overlap they differ by at most {mismatch:.2g}"
    )
    unit = "" if mismatch is None else " in units of the network's range"
    return (
        f"It ran in {count} tiles of up to {shape} px with {plan.get('halo')} px of context, "
        f"{blend}{seams}{unit}."
    )


def _files(report: Mapping[str, Any]) -> str:
    """Return the sentence that lets image and result be recognised."""
    image, result = report["image"], report.get("result") or {}
    shape = " x ".join(map(str, image.get("shape", ())))
    words = [f"Original image: {image.get('dtype')}, {shape} ({image.get('axes')})"]
    if image.get("sha256"):
        words.append(f"SHA-256 {image['sha256'][:DIGITS]}")
    if result.get("sha256"):
        words.append(f"processed region: SHA-256 {result['sha256'][:DIGITS]}")
    return f"{'; '.join(words)}."


def _all(value: float | Sequence[float] | None) -> list[float]:
    """Return one number or several as a list."""
    if value is None:
        return []
    return [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]


def _number(value: float | None) -> str:
    """Return a figure that may be missing."""
    return "not defined" if value is None else f"{value:.3f}"
