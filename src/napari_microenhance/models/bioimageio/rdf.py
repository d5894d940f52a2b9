"""Descriptions on file: a package's YAML, cut down to what is used, and validated.

Only the entries that are used reach bioimageio.spec, so that a link in another one is
never followed, and a mistake in another one does not matter.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from napari_microenhance.errors import ModelError
from napari_microenhance.models.packages import Package

NAMES: Final = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
"""Of descriptions; with anything and a point before it, too."""

DESCRIPTION_BYTES: Final = 1 << 20
NODES_MOST: Final = 20_000
"""Values in a description, those counted again that it refers to again."""

NESTED_MOST: Final = 50

INSTALL: Final = "pip install 'napari-microenhance[bioimageio]'"

WEIGHTS_KEYS: Final = ("source", "sha256", "opset_version", "external_data")

FORMATS: Final = ("0.4", "0.5")

# Format 0.4 insists on these; a mistake in what is not read must not matter.
UNUSED: Final = {
    "authors": [{"name": "unknown"}],
    "cite": [{"text": "unused", "doi": "10.1000/182"}],
    "description": "unused",
    "documentation": "README.md",
    "license": "MIT",
    "timestamp": "2000-01-01T00:00:00",
}


def description_name(package: Package) -> str:
    """Return the name of the description, the one nearest to the top."""
    names: Sequence[str] = package.names
    if package.path.is_dir():
        names = [p.name for p in package.path.iterdir() if p.suffix == ".yaml"]
    found = [
        (len(path.parts), NAMES.index(ending), name)
        for name in names
        for path in [PurePosixPath(name)]
        for ending in NAMES
        if (path.name == ending or path.name.endswith("." + ending)) and path.parts[0] != "__MACOSX"
    ]
    if not found:
        kind = "folder" if package.path.is_dir() else "zip"
        raise ModelError(
            f"{package.path.name} is a {kind} without the description of a BioImage.IO "
            f"package ({' or '.join(NAMES[:2])}); choose an ONNX file or a package."
        )
    return min(found)[2]


def read_description(package: Package, name: str, label: str) -> dict[str, Any]:
    """Return the description as plain values."""
    try:
        from bioimageio.spec.utils import read_yaml
        from ruyaml.error import YAMLError
    except ImportError as error:
        raise ModelError(
            f"{label} is a BioImage.IO package, which needs bioimageio.spec; {INSTALL}"
        ) from error
    try:
        text = package.read(name, most=DESCRIPTION_BYTES).decode("utf-8")
        raw: Any = read_yaml(text)
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{name} in the package {label} is not valid YAML.") from error
    if not isinstance(raw, dict) or _count(raw) > NODES_MOST:
        raise ModelError(f"{name} in the package {label} is not the description of a model.")
    return raw


def _count(value: object, depth: int = 0) -> int:
    """Return how many values there are in a value, or a little more than too many."""
    if depth > NESTED_MOST:
        return NODES_MOST + 1
    total = 1
    inner = list(value.values()) if isinstance(value, dict) else value
    for item in inner if isinstance(inner, list) else ():
        total += _count(item, depth + 1)
        if total > NODES_MOST:
            break
    return total


def check_kind(raw: Mapping[str, Any], label: str) -> None:
    """Raise unless it describes a network in a format that is known."""
    version = str(raw.get("format_version", ""))
    if raw.get("type", "model") != "model":
        raise ModelError(f"The package {label} describes a {raw['type']}, not a model.")
    if ".".join(version.split(".")[:2]) not in FORMATS:
        raise ModelError(
            f"The package {label} has the format {version or 'of no version'}; supported are "
            f"{' and '.join(FORMATS)}."
        )


def onnx_entry(raw: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return the entry of the ONNX weights."""
    weights = raw.get("weights")
    entries = weights if isinstance(weights, Mapping) else {}
    onnx = entries.get("onnx")
    if not isinstance(onnx, dict) or not onnx.get("source"):
        others = ", ".join(str(name) for name, entry in entries.items() if entry) or "none"
        raise ModelError(
            f"The package {label} has no ONNX weights (it has: {others}); convert the model "
            "to ONNX or ask its authors for it."
        )
    return onnx


def tensor_entries(raw: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the raw entries of the inputs or outputs."""
    entries = raw.get(key)
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def refuse_code(raw: Mapping[str, Any], label: str) -> None:
    """Raise where a step brings code with it."""
    for key, name in (("inputs", "preprocessing"), ("outputs", "postprocessing")):
        for step in _step_entries(raw, key, name):
            kind = step.get("id") or step.get("name")
            if kind == "custom" or {"source", "callable"} & set(step):
                raise ModelError(
                    f"The package {label} has a processing step {kind!r} with code of its own "
                    f"({step.get('source', 'no file')}); code in packages is never run."
                )


def _step_entries(raw: Mapping[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    """Return the raw entries of all steps of the inputs or outputs."""
    lists = [tensor.get(name) for tensor in tensor_entries(raw, key)]
    return [s for steps in lists if isinstance(steps, list) for s in steps if isinstance(s, dict)]


def validated(raw: Mapping[str, Any], label: str) -> Any:  # noqa: ANN401 - of bioimageio.spec
    """Return the tensors and weights as bioimageio.spec reads them."""
    from bioimageio.spec import InvalidDescr, ValidationContext, build_description

    content = {
        "type": "model",
        "format_version": raw["format_version"],
        "name": "network",
        # Told of another model, bioimageio.spec would go and fetch its description.
        **{
            key: [
                _without(tensor, "output_of", "sample_tensor")
                for tensor in tensor_entries(raw, key)
            ]
            for key in ("inputs", "outputs")
        },
        "weights": {"onnx": {k: v for k, v in raw["weights"]["onnx"].items() if k in WEIGHTS_KEYS}},
    }
    if str(raw["format_version"]).startswith("0.4"):
        content |= {**UNUSED, **{k: raw.get(k) for k in ("test_inputs", "test_outputs")}}
    with ValidationContext(perform_io_checks=False, log_warnings=False) as context:
        described = build_description(content, context=context)
    if isinstance(described, InvalidDescr):
        raise ModelError(
            f"The description in the package {label} does not follow its format: "
            f"{first_error(described)}."
        )
    return described


def _without(entry: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Return an entry without some of its keys."""
    return {k: v for k, v in entry.items() if k not in keys}


def first_error(described: Any) -> str:  # noqa: ANN401 - of bioimageio.spec
    """Return what is wrong with an invalid description, and where."""
    errors = [e for detail in described.validation_summary.details for e in detail.errors]
    if not errors:
        return "it is not valid"
    where = ".".join(str(part) for part in errors[0].loc)
    return f"{where}: {' '.join(errors[0].msg.split()).rstrip('.')}".removeprefix(": ")
