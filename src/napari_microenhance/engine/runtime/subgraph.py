"""A part of a network: named tensors in, named tensors out, stoppable from another thread."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from napari_microenhance.engine.runtime.session import (
    FATAL_ONLY,
    RUNTIME_ERRORS,
    first_line,
)
from napari_microenhance.engine.runtime.threads import thread_count
from napari_microenhance.errors import Cancelled, MemoryBudgetError, ModelError

__all__ = ["Subgraph"]


class Subgraph:
    """A part of a network, loaded for the CPU.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    outputs : sequence of str
        Tensors to read, in this order.
    name : str
        Of the network, for error texts.
    threads : int or "auto"
    arena : bool
        Whether it keeps the memory of a call for the next one: faster, and never given back.

    Raises
    ------
    ModelError
        If onnxruntime cannot load it.
    """

    def __init__(
        self,
        model: bytes,
        outputs: Sequence[str],
        *,
        name: str,
        threads: int | str = "auto",
        arena: bool = True,
    ) -> None:
        self.name = name
        self._outputs = list(outputs)
        self._stopped = threading.Event()
        self._in_flight: set[ort.RunOptions] = set()
        options = ort.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.enable_cpu_mem_arena = arena
        options.intra_op_num_threads = thread_count(threads)
        try:
            self._session = ort.InferenceSession(
                model, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        except RUNTIME_ERRORS as error:
            raise ModelError(
                f"ONNX Runtime cannot load a part of the model {name}: {first_line(error)}"
            ) from error

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Return the outputs; several threads may call it at a time.

        Raises
        ------
        Cancelled
            If `stop` was called before or during the call.
        MemoryBudgetError, ModelError
            If it fails.
        """
        options = ort.RunOptions()
        options.log_severity_level = FATAL_ONLY
        self._in_flight.add(options)
        if self._stopped.is_set():
            raise Cancelled
        try:
            found: list[npt.NDArray[Any]] = self._session.run(self._outputs, dict(feeds), options)
        except RUNTIME_ERRORS as error:
            if self._stopped.is_set():
                raise Cancelled from error
            text = first_line(error)
            if "allocate memory" in text or "bad_alloc" in text:
                raise MemoryBudgetError(
                    f"A part of the model {self.name} ran out of memory; use a smaller tile."
                ) from error
            raise ModelError(f"A part of the model {self.name} failed: {text}") from error
        finally:
            self._in_flight.discard(options)
        return found

    def stop(self) -> None:
        """End the calls in flight within their current operators, and refuse any further one."""
        self._stopped.set()
        for options in tuple(self._in_flight):
            options.terminate = True
