"""Methods: a run in words, for the methods section of an article."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from napari_microenhance.records.record import Record, RecordLike

if TYPE_CHECKING:
    from napari_microenhance.measure.comparison import Comparison

__all__ = ["methods_text"]

RULES: Final = {
    "dtype": "the range of the data type",
    "percentile": "the 0.1 and 99.9 percentiles of the whole image",
    "minmax": "the smallest and largest value of the whole image",
    "given": "set by hand",
    "package": "as prescribed by the model's package",
}
"""Where the ends of the intensity map come from, in words."""

OUTSIDE: Final = {
    "original": "all other pixels were left unchanged",
    "white": "all other pixels were set to white",
    "black": "all other pixels were set to black",
    "crop": "the result was cropped to it",
}

STATISTICS: Final = {
    "image": "the whole image",
    "roi": "the bounding box of the region of interest with its surroundings",
    "tile": "each tile separately",
}
"""What a network that couples the whole image took its means and deviations over."""

DIGITS: Final = 12


def methods_text(
    report: RecordLike,
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
    sentences = (" ".join(sentence.split()) for sentence in _sentences(record, comparison))
    return " ".join(filter(None, sentences))


def _sentences(record: Record, comparison: "Comparison | None") -> Iterator[str]:
    """Yield the sentences, in order."""
    yield _software(record)
    yield _region(record)
    yield _intensity(record)
    yield _noise(record)
    yield _tiles(record)
    if comparison is not None:
        total = comparison.total
        yield (
            f"{total.changed:.1%} of the processed pixels changed by more than "
            f"{comparison.beyond:g} times the estimated noise of the original, the largest "
            f"change being {total.largest:g} grey values; the structural similarity (SSIM) to "
            f"the original is {_number(total.ssim)}, for a data range of "
            f"{comparison.full_range}."
        )
    yield _files(record)


def _software(record: Record) -> str:
    """Return the sentence on software and network."""
    report, spec = record.report, record.spec
    known = report.versions.get
    got = (report.provider.got or "cpu").upper()
    verb = "segmented" if record.holds_labels else "enhanced"
    further = [
        f"file {record.model_file}" if record.model_file else "built-in",
        f"SHA-256 {str(report.model.sha256)[:DIGITS]}",
        *([f"licence {spec.licence}"] if spec.licence else []),
        *([spec.citation.strip().rstrip(".")] if spec.citation else []),
    ]
    return (
        f"The image was {verb} with napari-microenhance {known('napari-microenhance')} "
        f"(onnxruntime {known('onnxruntime')} on {got}, NumPy {known('numpy')}, Python "
        f"{known('python')}) and the model {record.model_name} ({'; '.join(further)})."
    )


def _region(record: Record) -> str:
    """Return the sentence on what was processed and what was not."""
    roi, options = record.report.roi, record.options()
    if roi.whole_image:
        return "The whole image was processed."
    grown = f", dilated by {options.dilate} px" if options.dilate else ""
    soft = f", with a soft edge of {options.feather} px" if options.feather else ""
    outside = "" if record.holds_labels else f"; {OUTSIDE.get(options.background, '')}"
    return (
        f"Only a region of interest of {roi.pixels:,} px ({roi.kind}{grown}{soft}) was "
        f"processed{outside}."
    )


def _intensity(record: Record) -> str:
    """Return the sentences on the normalisation and the way back."""
    kept = record.report.intensity
    if kept.source == "none":
        return f"Pixel values were passed to the model unchanged. {_way_back(record, mapped=False)}"
    if kept.source == "package":
        rule = RULES[kept.source]
        return f"Pixel values were normalised {rule}. {_way_back(record, mapped=False)}"
    ends = ", ".join(f"{a:g} to {b:g}" for a, b in kept.ends)
    net_low, net_high = kept.network_range
    each = ", channel by channel," if len(kept.ends) > 1 else ""
    return (
        f"Pixel values from {ends} ({RULES.get(kept.source, kept.source)}) were mapped "
        f"linearly{each} to the model's input range of {net_low:g} to {net_high:g}, once for "
        f"the whole image. {_way_back(record, mapped=True)}"
    )


def _noise(record: Record) -> str:
    """Return the sentence on the noise that was found in the image."""
    found = [str(noise).removeprefix("Noise: ") for noise in record.report.noise]
    if not found:
        return ""
    each = "channels" if len(found) > 1 else "image"
    return f"Estimated noise of the {each} (standard deviation): {'; '.join(found)}."


def _way_back(record: Record, *, mapped: bool) -> str:
    """Return the sentence on what became of the network's output."""
    report = record.report
    dtype = str((report.result and report.result.dtype) or report.image.dtype)
    if record.holds_labels:
        what = "probabilities" if dtype.startswith("float") else "labels"
        return f"Its output was converted to {what}."
    first = "mapped back" if mapped else "kept in its own range"
    if dtype.startswith("float"):
        return f"Its output was {first} and stored as {dtype}."
    return (
        f"Its output was {first}, rounded and clipped to {dtype} "
        f"({report.clipped or 0:,} values clipped)."
    )


def _tiles(record: Record) -> str:
    """Return the sentences on tiles, and on what spans them."""
    plan, mismatch = record.report.plan, record.report.tile_mismatch
    shape = " x ".join(map(str, plan.tile_shape))
    over = STATISTICS.get(plan.statistics or "", "")
    spans = (
        (f" Statistics inside the model, such as means and variances, were computed over {over}.")
        if over
        else ""
    )
    if plan.tiles <= 1:
        return f"The model was run in one tile of {shape} px.{spans}"
    blend = "cropped to their valid parts" if plan.blend == "crop" else "blended"
    seams = (
        ""
        if mismatch is None
        else f"; where they overlap they differ by at most {mismatch:.2g} in units of the "
        "model's range"
    )
    return (
        f"The model was run in {plan.tiles} tiles of up to {shape} px with {plan.halo} px of "
        f"context, {blend}{seams}.{spans}"
    )


def _files(record: Record) -> str:
    """Return the sentence that lets image and result be recognised."""
    image, digest = record.report.image, record.result_sha256
    shape = " x ".join(map(str, image.shape))
    words = [f"Original image: {image.dtype}, {shape} ({image.axes})"]
    if image.sha256:
        words.append(f"SHA-256 {image.sha256[:DIGITS]}")
    if digest:
        words.append(f"processed region: SHA-256 {digest[:DIGITS]}")
    return f"{'; '.join(words)}."


def _number(value: float | None) -> str:
    """Return a figure that may be missing."""
    return "not defined" if value is None else f"{value:.3f}"
