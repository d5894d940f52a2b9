"""Packages written by hand, as their authors write them."""

import copy
import hashlib
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import toys
from napari_microenhance.models import packages

FORMAT_04 = "0.4.10"
FORMAT_05 = "0.5.4"


def cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection fail, and give a test a cache of its own."""

    def refuse(*args: object, **_: object) -> None:
        raise AssertionError(f"a connection was tried: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder = str(tmp_path / "cache")
    monkeypatch.setattr(packages.platformdirs, "user_cache_dir", lambda *_, **__: folder)


def pair_of(onnx_path: Path, shape: tuple[int, ...] = (1, 1, 32, 32)) -> list[np.ndarray]:
    """Return a test input in [0, 1] and what the network alone makes of it."""
    image = np.random.default_rng(3).random(shape).astype(np.float32)
    return [image, toys.run_whole(onnx_path, image[0])[None]]


class Package:
    """The files and the description of a package, to be spoilt by a test."""

    def __init__(self, onnx_path: Path, pair: list[np.ndarray] | None = None) -> None:
        self.weights = onnx_path.read_bytes()
        self.pair = pair_of(onnx_path) if pair is None else pair
        self.files: dict[str, bytes] = {"weights.onnx": self.weights, "README.md": b"# A card\n"}
        self.entry: dict[str, Any] = {}

    def new(
        self, *, before: list[dict] | None = None, after: list[dict] | None = None
    ) -> "Package":
        """Describe it in format 0.5."""
        image, result = self.pair
        spatial = [{"type": "space", "id": a, "size": {"min": 8, "step": 1}} for a in "yx"]
        out = [{"type": "space", "id": a, "size": {"tensor_id": "raw", "axis_id": a}} for a in "yx"]

        def channels(array: np.ndarray) -> dict:
            return {"type": "channel", "channel_names": [f"c{i}" for i in range(array.shape[1])]}

        self.entry = {
            "type": "model",
            "format_version": FORMAT_05,
            "name": "A network of ours",
            "license": "MIT",
            "cite": [{"text": "Somebody 2020", "doi": "10.1000/182"}],
            "documentation": {"source": "README.md"},
            "inputs": [
                {
                    "id": "raw",
                    "axes": [{"type": "batch"}, channels(image), *spatial],
                    "data": {"type": "float32"},
                    "test_tensor": {"source": "in.npy"},
                    "preprocessing": before or [],
                }
            ],
            "outputs": [
                {
                    "id": "denoised",
                    "axes": [{"type": "batch"}, channels(result), *out],
                    "test_tensor": {"source": "out.npy"},
                    "postprocessing": after or [],
                }
            ],
            "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
        }
        return self

    def old(
        self, *, before: list[dict] | None = None, after: list[dict] | None = None
    ) -> "Package":
        """Describe it in format 0.4."""
        image, result = self.pair
        self.entry = {
            "type": "model",
            "format_version": FORMAT_04,
            "name": "A network of ours",
            "description": "denoises",
            "license": "MIT",
            "authors": [{"name": "A. Author"}],
            "cite": [{"text": "Somebody 2020", "doi": "10.1000/182"}],
            "documentation": "README.md",
            "timestamp": "2022-01-01T00:00:00",
            "inputs": [
                {
                    "name": "raw",
                    "axes": "bcyx",
                    "data_type": "float32",
                    "shape": {"min": [1, image.shape[1], 8, 8], "step": [0, 0, 1, 1]},
                    "preprocessing": before or [],
                }
            ],
            "outputs": [
                {
                    "name": "denoised",
                    "axes": "bcyx",
                    "data_type": "float32",
                    "shape": {
                        "reference_tensor": "raw",
                        "scale": [1, result.shape[1] / image.shape[1], 1, 1],
                        "offset": [0, 0, 0, 0],
                    },
                    "postprocessing": after or [],
                }
            ],
            "test_inputs": ["in.npy"],
            "test_outputs": ["out.npy"],
            "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
        }
        return self

    def seal(self) -> None:
        """Give the SHA-256 of the weights, which is right until somebody changes them."""
        entry = self.entry["weights"]["onnx"]
        entry["sha256"] = hashlib.sha256(self.files[entry["source"]]).hexdigest()

    def folder(self, path: Path, name: str = "rdf.yaml") -> Path:
        """Write it as a folder."""
        path.mkdir()
        for array, file in zip(self.pair, ("in.npy", "out.npy"), strict=True):
            np.save(path / file, array)
        for file, content in self.files.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_bytes(content)
        text = yaml.safe_dump(copy.deepcopy(self.entry), sort_keys=False)
        (path / name).write_text(text, encoding="utf-8")
        return path

    def zip(self, path: Path, *, inside: str = "") -> Path:
        """Write it as a zip, its files in a folder `inside` of it."""
        folder = self.folder(path.with_name(path.stem + "-unpacked"))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(p for p in folder.rglob("*") if p.is_file()):
                archive.write(file, inside + file.relative_to(folder).as_posix())
        return path
