"""Session: the only user of onnxruntime - providers, runs, cancelling, run-time errors."""

import dataclasses
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from napari_microenhance.errors import Cancelled, MemoryBudgetError, ModelError

__all__ = ["PROVIDERS", "Inference", "Session", "Tensor", "runtime_version"]

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Our word for each execution provider and onnxruntime's."""

AUTO: Final = ("cuda", "directml", "openvino", "cpu")
"""What "auto" tries, best first; the others need the user's word."""

RUNTIME_ERRORS: Final = (
    RuntimeError,
    ValueError,
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.ModelLoaded,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)

FATAL_ONLY: Final = 4


def runtime_version() -> str:
    """Return the version of onnxruntime."""
    return str(ort.__version__)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Name, shape (numbers, or names of free dimensions) and ONNX type of an input or output."""

    name: str
    shape: tuple[int | str | None, ...]
    type: str


class Session:
    """A network loaded for one execution provider.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file; a path lets onnxruntime find external data beside it.
    name : str
        For error texts.
    provider : str
        A key of `PROVIDERS`, or "auto".
    threads : int or "auto"
        CPU threads; auto: all that this process may use.

    Attributes
    ----------
    asked, got : str
        The provider asked for and the one that onnxruntime really gave.

    Raises
    ------
    ModelError
        If onnxruntime cannot load the file.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        name: str,
        provider: str = "auto",
        threads: int | str = "auto",
    ) -> None:
        self.name = name
        self.asked = provider
        options = ort.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.intra_op_num_threads = cpu_count() if threads == "auto" else int(threads)
        available = ort.get_available_providers()
        wanted = AUTO if provider == "auto" else (provider, "cpu")
        chosen = [PROVIDERS[p] for p in dict.fromkeys(wanted) if PROVIDERS[p] in available]
        try:
            self._session = ort.InferenceSession(
                model if isinstance(model, bytes) else os.fspath(model), options, providers=chosen
            )
        except RUNTIME_ERRORS as error:
            text = _first_line(error)
            if not isinstance(model, bytes):
                text = text.replace(os.fspath(model), model.name)
            if "Protobuf parsing failed" in text:
                raise ModelError(
                    f"The network {name} is not an ONNX file, or it is cut short; fetch it again."
                ) from error
            raise ModelError(f"onnxruntime cannot load the network {name}: {text}") from error
        first = self._session.get_providers()[0]
        self.got = next((word for word, theirs in PROVIDERS.items() if theirs == first), first)
        self.inputs = tuple(_tensor(t) for t in self._session.get_inputs())
        self.outputs = tuple(_tensor(t) for t in self._session.get_outputs())
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, tensor: npt.NDArray[Any], options: "ort.RunOptions | None" = None) -> Any:  # noqa: ANN401 - any tensor
        """Return the network's first output.

        Parameters
        ----------
        tensor : ndarray
            Of the shape and type of the first input.
        options : RunOptions, optional

        Raises
        ------
        MemoryBudgetError
            If onnxruntime says that it got no memory.
        ModelError
            If it fails for another reason; the text holds its own words.
        """
        if options is None:
            options = ort.RunOptions()
            options.log_severity_level = FATAL_ONLY
        try:
            return self._session.run(
                [self.outputs[0].name],
                {self.inputs[0].name: np.ascontiguousarray(tensor)},
                options,
            )[0]
        except RUNTIME_ERRORS as error:
            text = _first_line(error)
            if "allocate memory" in text or "bad_alloc" in text:
                raise MemoryBudgetError(
                    f"The network {self.name} got no memory for a tile of shape "
                    f"{tensor.shape}; use a smaller tile."
                ) from error
            raise ModelError(
                f"The network {self.name} failed on an input of shape {tensor.shape}: {text}"
            ) from error


class Inference:
    """The network calls of one run: one at a time, timed, and stoppable from another thread.

    A call uses all threads of the session: measured against two calls side by side with
    half the threads each this costs at most 5 %, takes half the memory and shows the
    first tile in half the time.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._one_at_a_time = threading.Lock()
        self._options: ort.RunOptions | None = None
        self._stopped = threading.Event()
        self.seconds = 0.0
        """Wall time with a call in flight, s."""

    def run(self, tensor: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - any tensor
        """Return the output for one tensor; see `Session.run`.

        Raises
        ------
        Cancelled
            If `stop` was called before or during the call.
        """
        with self._one_at_a_time:
            self._options = ort.RunOptions()
            self._options.log_severity_level = FATAL_ONLY
            started = time.perf_counter()
            try:
                if self._stopped.is_set():
                    raise Cancelled
                return self._session.run(tensor, self._options)
            except (ModelError, MemoryBudgetError) as error:
                if self._stopped.is_set():
                    raise Cancelled from error
                raise
            finally:
                self.seconds += time.perf_counter() - started
                self._options = None

    def stop(self) -> None:
        """End the call in flight within its current operator, and refuse any further one."""
        self._stopped.set()
        options = self._options
        if options is not None:
            options.terminate = True


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tensor(node: Any) -> Tensor:  # noqa: ANN401 - onnxruntime is untyped
    """Return our value for onnxruntime's description of an input or output."""
    return Tensor(node.name, tuple(node.shape or ()), node.type)


def _first_line(error: BaseException) -> str:
    """Return the first line of an onnxruntime error, without its numbering."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line.split(" : ")[-1].strip()[:300]
