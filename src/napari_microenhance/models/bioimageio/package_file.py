"""BioImage.IO packages: the ONNX weights, the tensors and the steps of a description.

Nothing else of a package is read, nothing is ever fetched, and no code of it is run.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy.typing as npt

from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.steps.processing import Step
from napari_microenhance.errors import FileMissingError, ModelError
from napari_microenhance.models.bioimageio.described_steps import turned
from napari_microenhance.models.bioimageio.descriptions import Claims, read_claims, value_range
from napari_microenhance.models.bioimageio.rdf import (
    DESCRIPTION_BYTES,
    check_kind,
    description_name,
    onnx_entry,
    read_description,
    refuse_code,
    tensor_entries,
    validated,
)
from napari_microenhance.models.bioimageio.verification import load_tensor
from napari_microenhance.models.colour_order import Order, named_order, stated_order
from napari_microenhance.models.packages import Package, open_package, sha256_of

__all__ = ["PackagedModel", "is_package", "read_package"]

SEGMENTATION: Final = frozenset({"semantic-segmentation", "instance-segmentation", "segmentation"})
"""Tags that say that the output names what is where."""

PROBABILITIES: Final = frozenset({"sigmoid", "softmax", "binarize"})
"""Steps after which a segmentation network's output needs no activation."""


@dataclasses.dataclass(frozen=True)
class _File:
    """A file that a description names, with the SHA-256 that it gives, if it does."""

    source: str
    sha256: str = ""


@dataclasses.dataclass(frozen=True)
class PackagedModel:
    """What a package gives.

    Parameters
    ----------
    onnx_path : Path
        In the package's folder, or in the cache.
    sha256 : str
        Of the zip; of a folder: of description and weights.
    known : dict
        Fields of `ModelSpec`.
    claims : Claims
        What the probe must confirm.
    preprocessing, postprocessing : tuple of Step
    card : str
        Markdown; empty where there is none.
    test_files : tuple of Path or None
        The test input and the output that belongs to it, .npy.
    """

    onnx_path: Path
    sha256: str
    known: dict[str, Any]
    claims: Claims
    preprocessing: tuple[Step, ...]
    postprocessing: tuple[Step, ...]
    card: str = ""
    test_files: tuple[Path, Path] | None = None

    @property
    def test_inputs(self) -> npt.NDArray[Any]:
        """The test input, in the description's order of axes."""
        return load_tensor(self._test_file(0))

    @property
    def test_outputs(self) -> npt.NDArray[Any]:
        """What the network makes of it, in the description's order of axes."""
        return load_tensor(self._test_file(1))

    def _test_file(self, which: int) -> Path:
        """Return one of the two files."""
        if self.test_files is None:
            raise ModelError(f"The package of {self.known['name']} has no test tensors.")
        return self.test_files[which]

    def hints(self, session: Session) -> dict[str, Any]:
        """Return `known`, without axes that the graph's tensors cannot have.

        Parameters
        ----------
        session : Session
            The network, loaded.

        Returns
        -------
        dict
            Fields of `ModelSpec`.
        """
        found = dict(self.known)
        names = [t.name for t in session.outputs]
        if len(names) > 1:
            index = min(self.claims.output_index, len(names) - 1)
            name = self.claims.output.name
            found["output"] = name if name in names else names[index]
        ranks = {t.name: len(t.shape) for t in (*session.inputs, *session.outputs)}
        if len(found["axes_in"]) not in [ranks[t.name] for t in session.inputs]:
            del found["axes_in"]
        if ranks[found.get("output", names[0])] not in (0, len(found["axes_out"])):
            del found["axes_out"]
        return found


def is_package(path: Path) -> bool:
    """Whether a path looks like a BioImage.IO package; nothing is opened.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool
    """
    return path.suffix.lower() in (".zip", ".yaml", ".yml") or path.is_dir()


def read_package(path: Path) -> PackagedModel:
    """Read a package of format 0.4 or 0.5.

    Parameters
    ----------
    path : Path
        A zip, a folder, or the description in a folder.

    Returns
    -------
    PackagedModel

    Raises
    ------
    FileMissingError
        If nothing is there.
    ModelError
        If the package cannot be used; the text says why.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        if not path.is_file():
            raise FileMissingError(f"There is no description {str(path)!r}.")
        package, name = open_package(path.parent), path.name
    else:
        package = open_package(path)
        name = description_name(package)
    label = path.name
    raw = read_description(package, name, label)
    check_kind(raw, label)
    files = _Files(package, PurePosixPath(name).parent, label)
    weights = onnx_entry(raw, label)
    refuse_code(raw, label)
    claims = read_claims(validated(raw, label), label)
    onnx_path = files.get(_file(weights))
    if isinstance(data := weights.get("external_data"), Mapping):
        files.get(_file(data))
    return PackagedModel(
        onnx_path=onnx_path,
        sha256=package.sha256 or sha256_of(package.extract(name), onnx_path),
        known=_known(raw, claims, label),
        claims=claims,
        preprocessing=claims.input.steps,
        postprocessing=claims.output.steps,
        card=files.text(_file(raw.get("documentation"))),
        test_files=_test_files(raw, claims, files),
    )


class _Files:
    """The files of a package by the names that its description uses."""

    def __init__(self, package: Package, folder: PurePosixPath, label: str) -> None:
        self._package = package
        self._folder = folder
        self._label = label

    def get(self, file: _File) -> Path:
        """Return the path of a file once its SHA-256 is the one that was promised."""
        if "://" in file.source:
            raise ModelError(
                f"The package {self._label} does not contain {file.source}, only a link to "
                "it; download the complete package as a zip."
            )
        path = self._package.extract(str(self._folder / file.source))
        if file.sha256 and sha256_of(path) != file.sha256.lower():
            raise ModelError(
                f"{file.source} in the package {self._label} is not the file that its "
                "description names (another SHA-256); download the package again."
            )
        return path

    def holds(self, file: _File) -> bool:
        """Whether a file is in the package, not somewhere else."""
        here = bool(file.source) and "://" not in file.source
        return here and self._package.holds(str(self._folder / file.source))

    def text(self, file: _File) -> str:
        """Return a text file's content, or nothing where it is not in the package."""
        if not self.holds(file):
            return ""
        name = str(self._folder / file.source)
        return self._package.read(name, most=DESCRIPTION_BYTES).decode("utf-8", "replace")


def _file(entry: object) -> _File:
    """Return the file that an entry of a description names, in either format."""
    if not isinstance(entry, Mapping):
        return _File(str(entry or ""))
    return _File(str(entry.get("source") or ""), str(entry.get("sha256") or ""))


def _test_files(raw: Mapping[str, Any], claims: Claims, files: _Files) -> tuple[Path, Path] | None:
    """Return the files of the test tensors, where the package holds both."""
    pair = []
    for key, old_key, index in (
        ("inputs", "test_inputs", claims.input_index),
        ("outputs", "test_outputs", claims.output_index),
    ):
        listed = raw.get(old_key)
        old = listed[index] if isinstance(listed, list) and index < len(listed) else None
        pair.append(_file(tensor_entries(raw, key)[index].get("test_tensor") or old))
    if not all(files.holds(file) for file in pair):
        return None
    return files.get(pair[0]), files.get(pair[1])


def _known(raw: Mapping[str, Any], claims: Claims, label: str) -> dict[str, Any]:
    """Return the fields of a `ModelSpec` that the description fills."""
    tags = raw.get("tags")
    named = {str(tag).lower() for tag in tags} if isinstance(tags, list) else set()
    activated = PROBABILITIES & {step.id for step in claims.output.steps}
    classes = claims.output.classes or named & SEGMENTATION
    found: dict[str, Any] = {
        "name": str(raw.get("name") or Path(label).stem),
        "axes_in": claims.input.axes,
        "axes_out": claims.output.axes,
        "licence": _licence(raw.get("license")),
        "citation": _citation(raw.get("cite")),
        "preprocessing": claims.input.steps,
        "postprocessing": claims.output.steps,
    }
    if classes or activated:
        found["task"] = "labels"
    if activated:
        found["activation"] = "none"
    if _colour_order(raw, claims) == "bgr":
        # Our images are RGB, and so are the numbers of their steps.
        found |= {
            "colour_order": "bgr",
            "preprocessing": turned(claims.input.steps),
            "postprocessing": turned(claims.output.steps),
        }
    if span := value_range(claims.input):
        found |= {"value_range": span, "value_range_source": "package"}
    return found


def _colour_order(raw: Mapping[str, Any], claims: Claims) -> Order:
    """Return the order of colours by the names of the channels, or else by the texts."""
    entry = tensor_entries(raw, "inputs")[claims.input_index]
    axes = entry.get("axes")
    for axis in axes if isinstance(axes, list) else []:
        names = axis.get("channel_names") if isinstance(axis, Mapping) else None
        if isinstance(names, list) and (order := named_order([str(name) for name in names])):
            return order
    texts = (raw.get("description"), entry.get("description"), entry.get("id"), entry.get("name"))
    return stated_order(str(text or "") for text in texts)


def _licence(entry: object) -> str:
    """Return a licence's name, or that of the file that holds it."""
    return str(entry.get("source") if isinstance(entry, Mapping) else entry or "")


def _citation(entries: object) -> str:
    """Return all citations as one text."""
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping):
            where = entry.get("doi") or entry.get("url")
            link = f"https://doi.org/{where}" if entry.get("doi") else where
            found.append(f"{entry.get('text', '')} {link or ''}".strip())
    return "; ".join(found)
