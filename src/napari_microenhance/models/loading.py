"""load_model(): from a name or a file to a network that can run."""

import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_microenhance.engine.probe import probe
from napari_microenhance.engine.session import Session
from napari_microenhance.engine.spec import ModelSpec, SizeRule
from napari_microenhance.errors import FileMissingError, ModelError, OptionsError
from napari_microenhance.models.catalogue import list_models

__all__ = ["Model", "load_model"]

PREFIX = "microenhance."
"""Of our keys in the ONNX metadata."""

TEXT_KEYS = ("name", "task", "units", "licence", "citation", "card")


class Model:
    """A network that has been opened and measured.

    Attributes
    ----------
    spec : ModelSpec
    source : str
        "built-in" or the file's name.
    sha256 : str
        Of the file.
    card : str
        Markdown; empty for a user's file.
    findings : tuple of str
        Sentences that its user should read.
    probe_seconds : float
        What opening and measuring took.
    """

    def __init__(
        self,
        path: Path,
        spec: ModelSpec,
        *,
        source: str,
        sha256: str,
        card: str = "",
        findings: tuple[str, ...] = (),
        sessions: Mapping[tuple[str, int | str], Session] | None = None,
        probe_seconds: float = 0.0,
    ) -> None:
        self.path = path
        self.spec = spec
        self.source = source
        self.sha256 = sha256
        self.card = card
        self.findings = findings
        self.probe_seconds = probe_seconds
        self._sessions = dict(sessions or {})
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.spec.name

    def session(self, provider: str = "auto", threads: int | str = "auto") -> Session:
        """Return the network loaded for a provider; loaded once, then kept."""
        with self._opening:
            key = (provider, threads)
            if key not in self._sessions:
                self._sessions[key] = Session(
                    self.path, name=self.name, provider=provider, threads=threads
                )
            return self._sessions[key]

    def __repr__(self) -> str:
        return f"<Model {self.name}: {self.spec.channels_in} channel(s), radius {self.spec.radius}>"


def load_model(source: str | os.PathLike[str] | Model, **overrides: Any) -> Model:  # noqa: ANN401 - spec fields
    """Open a network and measure what it needs.

    Parameters
    ----------
    source : str or path
        Name of a built-in network, or the path of an ONNX file.
    **overrides
        Fields of `ModelSpec` that the caller knows better, such as
        ``value_range=(-1, 1)``.

    Returns
    -------
    Model

    Raises
    ------
    FileMissingError
        If there is no such network or file.
    ModelError
        If the file is no network, or not one that turns an image into an image of the
        same size.
    OptionsError
        If an override is no field of `ModelSpec`.
    """
    if isinstance(source, Model):
        return source
    started = time.perf_counter()
    if unknown := sorted(set(overrides) - {f.name for f in dataclasses.fields(ModelSpec)}):
        raise OptionsError(f"{unknown[0]!r} is nothing that a network's description holds.")
    builtin = {info.name: info for info in list_models()}.get(str(source))
    path = builtin.path if builtin else Path(source)
    content = _read(path, sorted(info.name for info in list_models()))
    # Weights kept beside the file are found only by path.
    session = Session(path, name=path.stem)
    declared = _declared(session.metadata, path.stem)
    findings: tuple[str, ...] = ()
    if builtin:
        spec = _builtin_spec(session, declared)
    else:
        known = {k: declared[k] for k in declared if k in (*TEXT_KEYS, *RANGE_KEYS)}
        known |= {k: v for k, v in overrides.items() if k in RANGE_KEYS}
        known = {k: v for k, v in known.items() if k != "card"}
        measured = probe(session, ModelSpec(**known))
        spec, findings = measured.spec, measured.sentences
    return Model(
        path,
        dataclasses.replace(spec, **overrides),
        source="built-in" if builtin else path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        card=builtin.card if builtin else "",
        findings=findings,
        sessions={("auto", "auto"): session},
        probe_seconds=time.perf_counter() - started,
    )


RANGE_KEYS = ("value_range", "value_range_source")


def _read(path: Path, names: list[str]) -> bytes:
    """Return the file's bytes once they can be those of a network."""
    if path.is_dir():
        raise ModelError(f"{path.name} is a folder; give an ONNX file.")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise FileMissingError(
            f"There is no network {str(path)!r}: neither a file nor one of {', '.join(names)}."
        ) from error
    except OSError as error:
        raise ModelError(f"The network {path.name} cannot be read: {error.strerror}.") from error
    start = content[:512].lstrip().lower()
    reason = ""
    if not content:
        reason = "is empty"
    elif start.startswith(b"version https://git-lfs"):
        reason = "is a git-lfs pointer, not the network itself; fetch it with: git lfs pull"
    elif start.startswith((b"<!doctype", b"<html", b"<?xml")):
        reason = "is a web page, not a network; download the file itself"
    elif start.startswith((b"{", b"pk")):
        reason = "is not an ONNX file"
    if reason:
        raise ModelError(f"The network {path.name} {reason}.")
    return content


def _declared(metadata: Mapping[str, str], stem: str) -> dict[str, Any]:
    """Return what our own metadata keys say."""
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


def _builtin_spec(session: Session, declared: dict[str, Any]) -> ModelSpec:
    """Return the spec of a built-in network, whose metadata a test holds against the probe."""
    rule = SizeRule(declared.pop("size_minimum"), declared.pop("size_step"))
    channels = session.inputs[0].shape[1]
    return ModelSpec(
        **declared,
        size=(rule, rule),
        channels_in=int(channels or 1),
        channels_out=int(channels or 1),
    )
