"""Providers: choose the one that really works, and say what it does differently.

onnxruntime silently takes the CPU where a provider is missing, and a provider can fail,
answer otherwise, or end the whole process. So one that meets a network for the first time
runs a small tile in a process of its own, beside the CPU.
"""

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from napari_microenhance.engine.runtime.session import Session, available_providers
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import ModelError
from napari_microenhance.unfinished import scratch_folder

__all__ = ["Choice", "Parity", "choose", "double_install", "try_provider"]

AUTO: Final = ("cuda", "directml", "openvino")
"""What "auto" tries before the CPU, best first; the others need the user's word."""

DIFFERENCE_MOST: Final = 1e-2
"""Largest difference from the CPU that is called the same, in parts of the network's range."""

TRIAL_SECONDS: Final = 300

BUILDS: Final = (
    "onnxruntime",
    "onnxruntime-cann",
    "onnxruntime-directml",
    "onnxruntime-gpu",
    "onnxruntime-migraphx",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-silicon",
    "onnxruntime-training",
    "onnxruntime-webgpu",
    "onnxruntime-windowsml",
    "ort-nightly",
    "ort-nightly-gpu",
)
"""Distributions that all install the one package onnxruntime."""


@dataclasses.dataclass(frozen=True)
class Parity:
    """How a provider did on a small tile.

    Parameters
    ----------
    got : str
        The provider that onnxruntime really gave.
    difference : float or None
        Largest difference from the CPU in parts of the network's range; None where the
        network gives another result at every run, or gave none.
    finite : bool
        Whether all values were numbers.
    error : str
        Why there is no result; empty where there is one.
    """

    got: str
    difference: float | None = None
    finite: bool = True
    error: str = ""

    @property
    def is_same(self) -> bool:
        """Whether the results are those of the CPU."""
        return self.finite and (self.difference is None or self.difference <= DIFFERENCE_MOST)


@dataclasses.dataclass(frozen=True)
class Choice:
    """A provider that works.

    Parameters
    ----------
    session : Session
    trial : Parity or None
        None for the CPU, which is what others are compared with.
    remarks : tuple of str
        What the user should know.
    """

    session: Session
    trial: Parity | None = None
    remarks: tuple[str, ...] = ()

    def parity(self) -> dict[str, Any] | None:
        """Return the comparison with the CPU for the report."""
        if self.trial is None:
            return None
        return {"max_difference": self.trial.difference, "finite": self.trial.finite}


def choose(
    asked: str,
    *,
    open_session: Callable[[str], Session],
    attempt: Callable[[str], Parity],
) -> Choice:
    """Return the provider that is asked for, or the best that works.

    Parameters
    ----------
    asked : str
        A key of `PROVIDERS`, or "auto".
    open_session : callable
        Loads the network for a provider.
    attempt : callable
        Runs a small tile on a provider; see `try_provider`.

    Returns
    -------
    Choice
        On the CPU where nothing else works; the remarks say so.

    Raises
    ------
    ModelError
        If not even the CPU can load the network.
    """
    available = available_providers()
    wanted = [word for word in AUTO if word in available] if asked == "auto" else [asked]
    remarks = [sentence] if (sentence := double_install()) else []
    for word in wanted:
        if word == "cpu":
            break
        if word not in available:
            remarks.append(f"provider={word} is not available on this machine; the CPU is used.")
            continue
        trial = attempt(word)
        if reason := _reason_against(trial, word, must_be_same=asked == "auto"):
            remarks.append(f"provider={word} {reason}; the CPU is used.")
            continue
        try:
            session = open_session(word)
        except ModelError as error:
            remarks.append(f"provider={word} cannot load this model; the CPU is used. {error}")
            continue
        if not trial.is_same:
            remarks.append(
                f"provider={word} differs from the CPU by {trial.difference:.1%} of the "
                "model's range."
            )
        return Choice(session, trial, tuple(remarks))
    return Choice(open_session("cpu"), None, tuple(remarks))


def try_provider(
    model: Path, provider: str, spec: ModelSpec, *, command: Sequence[str] | None = None
) -> Parity:
    """Run a small tile on a provider and on the CPU, in a process of its own.

    Parameters
    ----------
    model : Path
        The ONNX file.
    provider : str
        A key of `PROVIDERS`.
    spec : ModelSpec
    command : sequence of str, optional
        Of the process; two file names are appended, the question's and the answer's.

    Returns
    -------
    Parity
        Also where the process failed or was ended by the system.
    """
    command = command or (sys.executable, "-m", "napari_microenhance.engine.runtime.parity")
    question = {"model": os.fspath(model.resolve()), "provider": provider, "spec": spec.to_dict()}
    with scratch_folder() as folder:
        asking, answer = folder / "question.json", folder / "answer.json"
        asking.write_text(json.dumps(question), encoding="utf-8")
        # The process must find this very package, however it was made importable.
        paths = os.pathsep.join(p for p in sys.path if p)
        try:
            done = subprocess.run(
                [*command, str(asking), str(answer)],
                env={**os.environ, "PYTHONPATH": paths},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TRIAL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Parity("", error=f"did not respond within {TRIAL_SECONDS} s")
        except OSError as error:
            return Parity("", error=f"could not be tried: {error.strerror}")
        if done.returncode or not answer.is_file():
            return Parity("", error=f"crashed its process (status {done.returncode})")
        return Parity(**json.loads(answer.read_text(encoding="utf-8")))


def double_install() -> str:
    """Return the sentence that says how to mend two builds of onnxruntime.

    Returns
    -------
    str
        Empty where there is one build.
    """
    found = []
    for name in BUILDS:
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found.append(name)
    if len(found) < 2:
        return ""
    best = next(name for name in reversed(found) if name != "onnxruntime")
    names = " ".join(found)
    return (
        f"{len(found)} builds of onnxruntime are installed ({', '.join(found)}) and overwrite "
        f"each other; run: pip uninstall -y {names}, then install the one you want, such as: "
        f"pip install {best}."
    )


def _reason_against(trial: Parity, word: str, *, must_be_same: bool) -> str:
    """Return why a provider is not used, or nothing."""
    if trial.error:
        return f"does not run this model ({trial.error})"
    if trial.got != word:
        return f"was refused by ONNX Runtime, which used {trial.got} instead"
    if not trial.finite:
        return "returns NaN or infinite values"
    if must_be_same and not trial.is_same:
        return f"differs from the CPU by {trial.difference:.1%} of the model's range"
    return ""
