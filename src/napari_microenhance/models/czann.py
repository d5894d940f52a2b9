"""ZEISS .czann: a zip with a manifest, model.json, and a network in ONNX format.

The manifest is a claim: what it says is compared with what is measured.

References
----------
.. [1] CZANN model specification 2.1, the czmodel package
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Final

from napari_microenhance.engine.probing.findings import Finding
from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.spec import GLOBAL, ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.models.packages import Package, open_package

__all__ = ["CzannModel", "is_czann", "read_czann"]

MANIFEST: Final = "model.json"
MANIFEST_BYTES: Final = 1 << 20
NAME_MOST: Final = 120

TASKS: Final = {
    "Regression": "image",
    "SingleClassSemanticSegmentation": "labels",
    "MultiClassSemanticSegmentation": "labels",
}

OTHER_TYPES: Final = {
    "SingleClassInstanceSegmentation": "detects single objects",
    "MultiClassInstanceSegmentation": "detects single objects",
    "SingleClassClassification": "classifies whole images",
    "MultiClassClassification": "classifies whole images",
    "ObjectDetection": "detects boxes around objects",
}
"""What networks of the other types do instead of giving an image."""


@dataclasses.dataclass(frozen=True)
class CzannModel:
    """What a .czann gives.

    Parameters
    ----------
    onnx_path : Path
        In the cache.
    sha256 : str
        Of the .czann.
    known : dict
        Fields of `ModelSpec`.
    kind : str
        The manifest's type of problem.
    shape_in, shape_out : tuple of int
        Spatial lengths and channels, without the batch, as the manifest says.
    overlap : tuple of int
        Least overlap of tiles along each axis, px; empty where it is not said.
    classes : tuple of str
    card : str
        Markdown.
    """

    onnx_path: Path
    sha256: str
    known: dict[str, Any]
    kind: str
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    overlap: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    card: str = ""

    def hints(self, session: Session) -> dict[str, Any]:
        """Return the fields of `ModelSpec` that need no measuring.

        Parameters
        ----------
        session : Session
            The network, loaded.

        Returns
        -------
        dict
        """
        return self.known

    def contradictions(self, spec: ModelSpec) -> tuple[Finding, ...]:
        """Return a sentence for each claim that the measurements refute.

        Parameters
        ----------
        spec : ModelSpec
            Measured.
        """
        shape_in = _channels_last(self.shape_in, spec.channels_in)
        shape_out = _channels_last(self.shape_out, spec.channels_out)
        pairs: list[tuple[str, float | None, float]] = [
            ("number of axes", len(shape_in) - 1, len(spec.size)),
            ("input channels", shape_in[-1], spec.channels_in),
            ("output channels", shape_out[-1], spec.channels_out),
            ("scale", _ratio(shape_out, shape_in), spec.scale),
        ]
        if self.classes:
            pairs.append(("number of classes", len(self.classes), spec.channels_out))
        letters = "ZYX"[-len(spec.size) :]
        pairs += [
            (f"length along {letter}", said, rule.fixed)
            for letter, said, rule in zip(letters, shape_in, spec.size, strict=False)
            if rule.fixed
        ]
        found = [
            (
                f"Its manifest states {said:g} for the {what}, but {measured:g} was measured "
                "and is used."
            )
            for what, said, measured in pairs
            if said is not None and not math.isclose(said, measured)
        ]
        border = min(self.overlap, default=0) // 2
        if border and (spec.radius == GLOBAL or border < int(spec.radius)):
            far = "the whole tile" if spec.radius == GLOBAL else f"{spec.radius} px"
            found.append(
                f"Its manifest states that {border} px of border are enough, but the "
                f"receptive field is {far}, which is used."
            )
        if self.kind == "MultiClassSemanticSegmentation":
            found.append(
                "A pixel may belong to several of its classes; only the most likely one is shown."
            )
        return tuple(Finding("caution", sentence, "description") for sentence in found)


def is_czann(path: Path) -> bool:
    """Whether a path looks like a .czann; nothing is opened.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    return path.suffix.lower() == ".czann"


def read_czann(path: Path) -> CzannModel:
    """Read a .czann; only its manifest, its network and its licence are extracted.

    Parameters
    ----------
    path : Path

    Returns
    -------
    CzannModel

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If it cannot be used; the text says why.
    """
    package = open_package(path)
    label = path.name
    raw = _manifest(package, label)
    kind = str(raw["Type"])
    if kind not in TASKS:
        does = OTHER_TYPES.get(kind, "does something unknown")
        raise ModelError(
            f"The model {label} is of the type {kind[:40]!r}: it {does} and returns no image, "
            "so it cannot be used."
        )
    shape_in, shape_out = (_lengths(raw, key, label) for key in ("InputShape", "OutputShape"))
    classes = raw.get("Classes") or []
    classes = tuple(str(c)[:NAME_MOST] for c in classes) if isinstance(classes, list) else ()
    name = str(raw.get("ModelName") or "")[:NAME_MOST].strip() or path.stem
    licence = _licence(package)
    return CzannModel(
        onnx_path=_network(package, label),
        sha256=package.sha256,
        known={
            "name": name,
            "task": TASKS[kind],
            # The specification leaves no choice.
            "value_range": (0.0, 1.0),
            "value_range_source": "czann",
            "licence": next((s for line in licence.splitlines() if (s := line.strip())), "")[:80],
        },
        kind=kind,
        shape_in=shape_in,
        shape_out=shape_out,
        overlap=_lengths(raw, "MinOverlap", label) if raw.get("MinOverlap") else (),
        classes=classes,
        card=_card(name, raw, classes, licence),
    )


def _manifest(package: Package, label: str) -> dict[str, Any]:
    """Return the manifest, once it holds what every network needs."""
    names = [n for n in package.names if "/" not in n and n.lower().endswith(".json")]
    if not names:
        raise ModelError(f"{label} has no {MANIFEST}, so it is not a ZEISS model.")
    name = MANIFEST if MANIFEST in names else names[0]
    try:
        raw = json.loads(package.read(name, most=MANIFEST_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{name} in {label} is not valid JSON; download the file again."
        ) from error
    missing = [
        k
        for k in ("Type", "InputShape", "OutputShape")
        if not isinstance(raw, dict) or k not in raw
    ]
    if missing:
        raise ModelError(f"{name} in {label} does not state {missing[0]}; download the file again.")
    return dict(raw)


def _lengths(raw: dict[str, Any], key: str, label: str) -> tuple[int, ...]:
    """Return a list of whole numbers."""
    value = raw[key]
    least, most = (1, 4) if key == "MinOverlap" else (3, 4)
    lowest = 0 if key == "MinOverlap" else 1
    is_list = isinstance(value, list) and all(type(v) is int and v >= lowest for v in value)
    if not is_list or not least <= len(value) <= most:
        raise ModelError(
            f"{label} states {str(value)[:60]} for {key}, which is not a list of {least} to "
            f"{most} whole numbers; download the file again."
        )
    return tuple(value)


def _network(package: Package, label: str) -> Path:
    """Return the path of the extracted ONNX file."""
    names = [n for n in package.names if n.lower().endswith((".model", ".onnx"))]
    if len(names) != 1:
        raise ModelError(f"{label} holds {len(names)} models; it must hold one.")
    path = package.extract(names[0])
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            raise ModelError(
                f"{label} holds a TensorFlow or PyTorch model; only ONNX is supported, so "
                "export it as ONNX."
            )
    return path


def _licence(package: Package) -> str:
    """Return the text of the licence, if there is one."""
    names = [n for n in package.names if "/" not in n and "license" in n.lower()]
    if not names:
        return ""
    return package.read(names[0], most=MANIFEST_BYTES).decode("utf-8", "replace")


def _card(name: str, raw: dict[str, Any], classes: tuple[str, ...], licence: str) -> str:
    """Return what the manifest tells a reader, as Markdown."""
    lines = [f"# {name}", "", f"A ZEISS model of the type {raw['Type']}."]
    if classes:
        lines.append(f"Its classes are {', '.join(classes)}.")
    scaling = raw.get("Scaling")
    if isinstance(scaling, list) and all(isinstance(v, int | float) for v in scaling[:2]):
        sizes = " x ".join(f"{float(v) * 1e6:.3g}" for v in scaling)
        lines.append(f"It was made for pixels of {sizes} µm.")
    return "\n".join([*lines, *(["", "## Licence", "", licence] if licence else [])]) + "\n"


def _channels_last(shape: tuple[int, ...], channels: int) -> tuple[int, ...]:
    """Return a shape with its channels at the end, where the format wants them."""
    swapped = shape[0] == channels != shape[-1]
    return (*shape[1:], shape[0]) if swapped else shape


def _ratio(shape_out: tuple[int, ...], shape_in: tuple[int, ...]) -> float | None:
    """Return the scale that two shapes tell, if it is one; a border loss looks like none."""
    ratios = {b / a for a, b in zip(shape_in[-3:-1], shape_out[-3:-1], strict=True)}
    ratio = ratios.pop()
    return ratio if not ratios and (ratio.is_integer() or (1 / ratio).is_integer()) else None
