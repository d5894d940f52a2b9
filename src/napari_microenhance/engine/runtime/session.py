"""Session: the only user of onnxruntime - providers, runs, limits, run-time errors."""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from napari_microenhance.engine.runtime.freeing import with_free_lengths
from napari_microenhance.engine.runtime.limits import Limits, watched
from napari_microenhance.engine.runtime.stages import check_wanted, is_unwanted
from napari_microenhance.engine.runtime.tensors import feeds, to_images
from napari_microenhance.engine.runtime.threads import thread_count
from napari_microenhance.engine.spec import ModelSpec
from napari_microenhance.errors import MemoryBudgetError, ModelError, ModelLimitError

__all__ = [
    "PROVIDERS",
    "Session",
    "Tensor",
    "available_providers",
    "run_options",
    "runtime_version",
]

PROVIDERS: Final = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Our word for each execution provider and onnxruntime's."""

PROVIDER_OPTIONS: Final = {
    # The exhaustive search would be repeated for every new tile shape.
    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"},
}

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

# What it says of the machine when it is first used would stand beside our one line.
ort.set_default_logger_severity(FATAL_ONLY)

OF_ITS_CODE: Final = (
    # File, line and function.
    (
        re.compile(
            r"/\S*onnxruntime\S*/\S+:\d+ (?:.*?\)(?: const)?(?: \[with [^\]]*\])?(?= [A-Z\w]))?\s*"
        ),
        "",
    ),
    # The condition that was checked, with words behind it.
    (re.compile(r"\S+ (?:[=!<>]+ \S+ )?was false\. (?=\w)"), ""),
    (re.compile(r"Non-zero status code returned while running (\w+) node\."), r"\1 failed:"),
    (re.compile(r"Name:'[^']*' Status Message: "), ""),
    (re.compile(r"Load model from .*? failed: ?|Exception during initialization: "), ""),
)
"""What some of its texts hold for those who wrote it, and what is said instead."""

LONGEST_LINE: Final = 300

WEIGHTS_FOLDER: Final = "session.model_external_initializers_file_folder_path"
"""Where weights beside a file are looked for when it is given as bytes."""

FloatArray = npt.NDArray[np.float32]


def runtime_version() -> str:
    """Return the version of onnxruntime.

    Returns
    -------
    str
    """
    return str(ort.__version__)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """Name, shape (numbers, or names of free dimensions) and ONNX type of an input or output."""

    name: str
    shape: tuple[int | str | None, ...]
    type: str


def _named(path: Path) -> str | bytes:
    """Return a path as onnxruntime takes it; the file itself where its name is no text."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return os.fspath(path)


class Session:
    """A network loaded for one execution provider.

    Parameters
    ----------
    model : Path or bytes
        The ONNX file; a path lets onnxruntime find external data beside it.
    name : str
        For error texts.
    provider : str
        A key of `PROVIDERS`; operators that it does not know run on the CPU.
    threads : int or "auto"
        CPU threads; auto: all that this process may use.
    assignment : bool
        Whether to keep which provider got which operator, for `assignment`.
    freed : bool
        Whether lengths that the file declares as fixed are left free.

    Attributes
    ----------
    model : Path or bytes
        What it was loaded from.
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
        provider: str = "cpu",
        threads: int | str = "auto",
        assignment: bool = False,
        freed: bool = False,
    ) -> None:
        self.name = name
        self.asked = provider
        self.model = model
        self._threads = threads
        self._freed = freed
        options = ort.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.intra_op_num_threads = thread_count(threads)
        # A pattern per shape keeps memory of its own: half as much again where tiles have several.
        options.enable_mem_pattern = False
        if assignment:
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        content: str | bytes = model if isinstance(model, bytes) else _named(model)
        if freed:
            content = with_free_lengths(model)
            if not isinstance(model, bytes):
                options.add_session_config_entry(WEIGHTS_FOLDER, os.fspath(model.parent))
        wanted = dict.fromkeys(word for word in (provider, "cpu") if word in available_providers())
        chosen = [(PROVIDERS[w], PROVIDER_OPTIONS.get(PROVIDERS[w], {})) for w in wanted]
        try:
            # onnxruntime would print, and go on with another provider, where one fails.
            self._session = ort.InferenceSession(
                content,
                options,
                providers=chosen,
                enable_fallback=0,
            )
        except RUNTIME_ERRORS as error:
            text = first_line(error)
            if not isinstance(model, bytes):
                text = text.replace(os.fspath(model), model.name)
            if "Protobuf parsing failed" in text:
                raise ModelError(
                    f"The model {name} is not an ONNX file, or it is truncated; download it again."
                ) from error
            raise ModelError(f"ONNX Runtime cannot load the model {name}: {text}") from error
        self.got = _word(self._session.get_providers()[0])
        self.inputs = tuple(_tensor(t) for t in self._session.get_inputs())
        self.outputs = tuple(_tensor(t) for t in self._session.get_outputs())
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def on(self, provider: str) -> "Session":
        """Return the same network loaded for another provider.

        Parameters
        ----------
        provider : str
            A key of `PROVIDERS`.

        Returns
        -------
        Session
        """
        return Session(
            self.model,
            name=self.name,
            provider=provider,
            threads=self._threads,
            freed=self._freed,
        )

    def with_free_lengths(self) -> "Session":
        """Return the same network loaded so that lengths which its file fixes are free.

        Returns
        -------
        Session

        Raises
        ------
        ModelError
            If onnxruntime cannot load it so.
        """
        return Session(
            self.model, name=self.name, provider=self.asked, threads=self._threads, freed=True
        )

    def assignment(self) -> dict[str, list[str]]:
        """Return the operators that each provider got, where the session was asked to keep that.

        Raises
        ------
        ModelError
            If this onnxruntime does not tell.
        """
        found: dict[str, list[str]] = {}
        try:
            for part in self._session.get_provider_graph_assignment_info():
                found.setdefault(_word(part.ep_name), []).extend(
                    node.op_type for node in part.get_nodes()
                )
        except (AttributeError, *RUNTIME_ERRORS) as error:
            raise ModelError(
                f"ONNX Runtime {runtime_version()} does not report which provider runs "
                "which operator."
            ) from error
        return found

    def run(
        self, images: FloatArray, spec: ModelSpec, options: "ort.RunOptions | None" = None
    ) -> FloatArray:
        """Run the network.

        Parameters
        ----------
        images : ndarray, shape (N, C, ..., Y, X), float32
            In the network's range.
        spec : ModelSpec
            Says how the network wants them.
        options : RunOptions, optional

        Returns
        -------
        ndarray, shape (N, C, ..., Y, X), float32

        Raises
        ------
        MemoryBudgetError
            If onnxruntime says that it got no memory.
        ModelError
            If it fails for another reason; the text holds its own words. If the output has
            other axes than the spec says.
        """
        options = options or run_options()
        names = [spec.output or self.outputs[0].name]
        inputs = feeds(images, spec, [t.name for t in self.inputs])
        try:
            tensor = self._session.run(names, inputs, options)[0]
        except RUNTIME_ERRORS as error:
            text = first_line(error)
            if "allocate memory" in text or "bad_alloc" in text:
                raise MemoryBudgetError(
                    f"The model {self.name} ran out of memory for a tile of shape "
                    f"{images.shape}; use a smaller tile."
                ) from error
            raise ModelError(
                f"The model {self.name} failed on an input of shape {images.shape}: {text}"
            ) from error
        if getattr(tensor, "ndim", 0) != len(spec.axes_out):
            raise ModelError(
                f"The model {self.name} returns an output with {getattr(tensor, 'ndim', 0)} "
                "dimensions, so it is not an image model (a classifier or detector?); use one "
                "that returns an image."
            )
        return to_images(tensor, spec)

    def run_within(self, limits: Limits, images: FloatArray, spec: ModelSpec) -> FloatArray:
        """Run the network, and end it where it takes more than it may.

        Parameters
        ----------
        limits : Limits
        images, spec
            As for `run`.

        Returns
        -------
        ndarray, shape (N, C, ..., Y, X), float32

        Raises
        ------
        ModelLimitError
            If a limit was passed.
        ModelError
            As for `run`.
        Cancelled
            If it is not wanted any more; see `stages`.
        """
        options, unwanted = run_options(), is_unwanted()
        check_wanted()
        with watched(
            limits, lambda: setattr(options, "terminate", True), should_stop=unwanted
        ) as passed:
            try:
                output = self.run(images, spec, options)
            except (ModelError, MemoryBudgetError) as error:
                if not passed:
                    check_wanted()
                    raise
                raise self._limited(passed[0], images) from error
        if passed:
            raise self._limited(passed[0], images)
        return output

    def _limited(self, passed: str, images: FloatArray) -> ModelLimitError:
        """Return the sentence for a network that was ended."""
        size = " x ".join(map(str, images.shape[2:]))
        return ModelLimitError(
            f"The model {self.name} {passed} for an input of {size} px, so it is not used; it "
            "may be damaged, or not meant for images."
        )


def run_options() -> "ort.RunOptions":
    """Return options of one call, which print nothing.

    Returns
    -------
    RunOptions
        Setting its ``terminate`` ends the call within its current operator.
    """
    options = ort.RunOptions()
    options.log_severity_level = FATAL_ONLY
    return options


def available_providers() -> tuple[str, ...]:
    """Return our words for the providers that this onnxruntime was built with.

    Returns
    -------
    tuple of str
        Keys of `PROVIDERS`.
    """
    built = ort.get_available_providers()
    return tuple(word for word, theirs in PROVIDERS.items() if theirs in built)


def _word(provider: str) -> str:
    """Return our word for a provider."""
    return next((word for word, theirs in PROVIDERS.items() if theirs == provider), provider)


def _tensor(node: Any) -> Tensor:  # noqa: ANN401 - onnxruntime is untyped
    """Return our value for onnxruntime's description of an input or output."""
    return Tensor(node.name, tuple(node.shape or ()), node.type)


def first_line(error: BaseException) -> str:
    """Return the first line of an onnxruntime error, without what speaks of its own code."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    line = line.split(" : ")[-1]
    for pattern, words in OF_ITS_CODE:
        line = pattern.sub(words, line)
    line = " ".join(line.split())
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."
