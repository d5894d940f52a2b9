"""export_package(): any network as a BioImage.IO package."""

import dataclasses
import hashlib
import importlib.util
import io
import os
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_microenhance.engine.runtime.session import Session
from napari_microenhance.engine.runtime.tensors import canonical
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError, OutputError
from napari_microenhance.models.bioimageio.exported import (
    PROJECT_URL,
    describe,
    read_me,
    with_steps,
)
from napari_microenhance.models.bioimageio.rdf import INSTALL, first_error
from napari_microenhance.models.bioimageio.standalone import opset_of, standalone
from napari_microenhance.models.bioimageio.verification import in_rgb, predict
from napari_microenhance.models.loading import Model
from napari_microenhance.outputs import guard_output

__all__ = ["export_package"]

FloatArray = npt.NDArray[np.float32]

TEST_PX: Final = 64
"""Least edge of the test image, px."""

TELLING: Final = 1e-3
"""Test outputs that nowhere reach this far from zero would pass for any network."""

SPOTS: Final = 0.01
"""Share of the test image's pixels at which a spot lies."""

COVER_PX: Final = 256

SEEDS: Final = 4


def export_package(
    model: Model, out_zip: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a network, its description and a test of it as a package of format 0.5.

    Parameters
    ----------
    model : Model
    out_zip : str or path
        Ends in .zip; it appears whole or not at all.
    overwrite : bool
        Replace what stands there.

    Returns
    -------
    Path
        Of the package.

    Raises
    ------
    ModelError
        If the network cannot be one file, or gives nothing to test it by, or bioimageio.spec
        is missing or refuses the result.
    OutputError
        If the file cannot be written, is the network itself, or exists already and
        `overwrite` is false.
    """
    target = Path(out_zip)
    _check_target(target, model, overwrite=overwrite)
    if importlib.util.find_spec("bioimageio") is None:
        raise ModelError(
            f"Checking a package needs bioimageio.spec, which is not installed; {INSTALL}"
        )
    spec = with_steps(model.spec)
    weights = standalone(model.path, spec)
    # Written anew, the file has no other output, and all channels of it are the image.
    spec = dataclasses.replace(spec, output="", output_channels=(), constants=())
    session = Session(weights, name=model.name, provider="cpu")
    image, result = _test_pair(session, spec)
    files = {
        "weights.onnx": weights,
        "test_input.npy": _npy(in_rgb(image, spec), spec.axes_in),
        "test_output.npy": _npy(in_rgb(result, spec), spec.axes_out),
        "cover.png": _cover(image[0], result[0]),
        "README.md": read_me(model, spec).encode(),
    }
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    entry = describe(
        spec,
        shapes=(image.shape, result.shape),
        digests=digests,
        prescribed=bool(model.spec.preprocessing),
    )
    entry["weights"]["onnx"]["opset_version"] = opset_of(weights)
    entry["config"] = {"bioimageio": {"reproducibility_tolerance": _tolerance(result)}}
    if model.source == "built-in":
        entry["authors"] = [{"name": "napari-microenhance developers"}]
    _write(target, _packed(entry, files))
    return target


def _check_target(target: Path, model: Model, *, overwrite: bool) -> None:
    """Raise where the package would not be one, or would replace the network."""
    if target.suffix.lower() != ".zip":
        raise OutputError(f"A package is a zip; name it {target.stem}.zip, not {target.name}.")
    if target.exists() and target.samefile(model.path):
        raise OutputError(f"{target} is the model itself; choose another name.")
    guard_output(target, overwrite=overwrite, name="The package")


def _test_pair(session: Session, spec: ModelSpec) -> tuple[FloatArray, FloatArray]:
    """Return a test image and what the network makes of it, shapes (1, C, ..., Y, X)."""
    shape = [_test_length(spec, axis) for axis in range(len(spec.size))]
    for seed in range(SEEDS):
        image = _spots((1, spec.channels_in, *shape), np.random.default_rng(seed))
        result = predict(image, session, spec)
        if np.isfinite(result).all() and np.abs(result).max() > TELLING:
            return image, result
    raise ModelError(
        f"The model {spec.name} outputs only zeros for test images, so a package of it could "
        "not be tested; check its value_range."
    )


def _spots(shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Return bright spots and noise on a dark ground, whole numbers from 0 to 255."""
    blur = (0, 0, *[2.0] * (len(shape) - 2))
    spots = ndimage.gaussian_filter((rng.random(shape) < SPOTS).astype(np.float32), blur)
    image = 20 + 180 * spots / max(float(spots.max()), 1e-6) + rng.normal(0, 5, shape)
    return np.rint(np.clip(image, 0, 255)).astype(np.float32)


def _test_length(spec: ModelSpec, axis: int) -> int:
    """Return an edge of the test image with something between two halos, px."""
    reach = spec.radius if isinstance(spec.radius, int) else 0
    return spec.size[axis].round_up(max(TEST_PX, 2 * reach + sum(spec.border_loss) + 16))


def _tolerance(result: FloatArray) -> list[dict[str, float]]:
    """Return how far other runtimes may be from the test output.

    The format allows one percent of its maximum; where that is negative, nothing can be said.
    """
    most = 0.005 * float(result.max())
    if most <= 0:
        return []
    return [{"relative_tolerance": 1e-3, "absolute_tolerance": min(1e-3, most)}]


def _npy(images: FloatArray, axes: str) -> bytes:
    """Return images as a .npy file, in the network's order of axes."""
    order = [canonical(axes).index(a) for a in axes]
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(images.transpose(order)), allow_pickle=False)
    return buffer.getvalue()


def _cover(image: FloatArray, result: FloatArray) -> bytes:
    """Return a PNG of both images side by side, each stretched over its own range."""
    halves = []
    for picture in (image, result):
        plane = picture.reshape(len(picture), -1, *picture.shape[-2:])[:, 0]
        colour = plane if len(plane) == 3 else plane[:1].repeat(3, axis=0)
        rows, columns = (np.arange(COVER_PX) * n // COVER_PX for n in plane.shape[1:])
        colour = colour[:, rows][:, :, columns]
        low, high = float(colour.min()), float(colour.max())
        grey = (colour - low) * (255 / max(high - low, 1e-12))
        halves.append(np.moveaxis(grey, 0, -1).astype(np.uint8))
    both = np.ascontiguousarray(np.concatenate(halves, axis=1))
    return bytes(imagecodecs.png_encode(both, level=9))


def _packed(entry: dict[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the zip, once bioimageio.spec accepts the description with its files."""
    from bioimageio.spec import InvalidDescr, ValidationContext, build_description
    from bioimageio.spec.utils import write_yaml

    text = io.StringIO()
    write_yaml(entry, text)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, "bioimageio.yaml": text.getvalue().encode()}.items():
            archive.writestr(name, content)
    # A link that is known already is not looked up.
    known: dict[str, Any] = {PROJECT_URL: None}
    with zipfile.ZipFile(buffer) as archive:
        context = ValidationContext(
            root=archive, perform_io_checks=True, known_files=known, log_warnings=False
        )
        described = build_description(entry, context=context)
    if isinstance(described, InvalidDescr):
        raise ModelError(f"bioimageio.spec does not accept the package: {first_error(described)}.")
    return buffer.getvalue()


def _write(target: Path, content: bytes) -> None:
    """Write a file beside its place and then move it there."""
    partial = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
