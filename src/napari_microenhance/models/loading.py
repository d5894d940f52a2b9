"""load_model(): from a name or a file to a network that can run."""

import dataclasses
import functools
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_microenhance.engine.cautions import Caution
from napari_microenhance.engine.options import Options
from napari_microenhance.engine.planning import takes_statistics
from napari_microenhance.engine.runtime.providers import Choice, Parity, choose, try_provider
from napari_microenhance.engine.runtime.session import Session, available_providers
from napari_microenhance.engine.runtime.stages import StageProgress, enter_stage, hooked
from napari_microenhance.engine.spec import ModelSpec, SizeRule
from napari_microenhance.engine.statistics.coupled import CoupledNetwork
from napari_microenhance.errors import ModelError
from napari_microenhance.models import cache
from napari_microenhance.models.bioimageio.package_file import PackagedModel
from napari_microenhance.models.bioimageio.verification import VerifyReport, verify
from napari_microenhance.models.catalogue import TWIN, list_models, twin_of
from napari_microenhance.models.graph import Graph, read_graph
from napari_microenhance.models.measuring import Measured, declared_by, measure
from napari_microenhance.models.origin import Origin, find_origin
from napari_microenhance.models.sidecar import checked_edits, load_edits, reconciled

__all__ = ["Model", "load_model"]


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
    package : PackagedModel or None
        What a BioImage.IO package said.
    details : tuple of Finding
        Everything that was found out about it.
    hint : RangeHint
        What values it probably wants.
    probe_seconds : float
        What opening and measuring took.
    """

    def __init__(
        self,
        origin: Origin,
        measured: Measured,
        *,
        session: Session | None = None,
        probe_seconds: float = 0.0,
        edits: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = origin.path
        self.source = origin.source
        self.sha256 = origin.sha256
        self.card = origin.card
        self.package = origin.package if isinstance(origin.package, PackagedModel) else None
        self.spec = measured.spec
        self.details = measured.findings
        self.hint = measured.hint
        self.probe_seconds = probe_seconds
        self._edits = dict(edits or {})
        self._named = origin.named
        self._twin: Model | None = None
        self._sessions: dict[tuple[str, int | str], Session] = {}
        if session is not None:
            self._sessions["cpu", "auto"] = session
        self._choices: dict[tuple[str, int | str], Choice] = {}
        self._coupled: dict[tuple[int | str, str], CoupledNetwork] = {}
        self._opening = threading.Lock()

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.spec.name

    @property
    def reference(self) -> tuple[str, dict[str, Any]]:
        """What `load_model` takes for the same network in another process: source, overrides."""
        source = self.path.stem if self.source == "built-in" else os.fspath(self._named)
        return source, dict(self._edits)

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences that its user should read."""
        return tuple(str(f) for f in self.details if f.severity == "caution")

    def cautions(self, options: Options) -> tuple[Caution, ...]:
        """Return what its user should know before a run, but for what options answer.

        Parameters
        ----------
        options : Options

        Returns
        -------
        tuple of Caution
        """
        usual = Options()
        answered = {
            field.name.replace("_", "-")
            for field in dataclasses.fields(Options)
            if getattr(options, field.name) != getattr(usual, field.name)
        }
        return tuple(
            f.caution for f in self.details if f.severity == "caution" and f.name not in answered
        )

    @functools.cached_property
    def graph(self) -> Graph:
        """What stands in its file."""
        return read_graph(self.path, self.name)

    def at(self, precision: str) -> "Model":
        """Return the network that computes with such numbers: this one, or its int8 twin.

        Parameters
        ----------
        precision : {"auto", "float32", "int8"}
            "auto" is the file that was opened: the same numbers on every machine.

        Raises
        ------
        ModelError
            If there is no such file, or it holds another network.
        """
        if precision in ("auto", self.spec.precision):
            return self
        twin = twin_of(self.path)
        if precision != "int8" or twin is None:
            wanted = f"{self.path.stem}{TWIN} beside it" if precision == "int8" else ""
            missing = f", {wanted}" if wanted and self.path == self._named else ""
            raise ModelError(
                f"The model {self.name} computes in {self.spec.precision}; "
                f"precision={precision} needs another file of it{missing}."
            )
        with self._opening:
            if self._twin is None:
                self._twin = self._opened_twin(twin)
            return self._twin

    def _opened_twin(self, path: Path) -> "Model":
        """Open the int8 file of this network."""
        started = time.perf_counter()
        origin = dataclasses.replace(
            find_origin(path, None),
            source="built-in" if self.source == "built-in" else path.name,
            card=self.card,
        )
        measured, session = _measured(origin, self._edits)
        spec = measured.spec
        for field in ("task", "channels_in", "channels_out", "scale", "value_range", "units"):
            if getattr(spec, field) != getattr(self.spec, field):
                raise ModelError(
                    f"{path.name} is not an int8 version of {self.name}: its {field} is "
                    f"{getattr(spec, field)}, not {getattr(self.spec, field)}."
                )
        measured = dataclasses.replace(measured, spec=dataclasses.replace(spec, name=self.name))
        seconds = time.perf_counter() - started
        return Model(origin, measured, session=session, probe_seconds=seconds)

    def choice(self, provider: str = "auto", threads: int | str = "auto") -> Choice:
        """Return the provider that works, with the network loaded; chosen once, then kept.

        Parameters
        ----------
        provider : str
            A key of `PROVIDERS`, or "auto".
        threads : int or "auto"
            Of the CPU.

        Returns
        -------
        Choice
        """
        with self._opening:
            key = (provider, threads)
            if key not in self._choices:
                self._choices[key] = choose(
                    provider,
                    open_session=functools.partial(self._open, threads=threads),
                    attempt=self._attempt,
                )
            return self._choices[key]

    def session(self, provider: str = "auto", threads: int | str = "auto") -> Session:
        """Return the network loaded for a provider; loaded once, then kept.

        Parameters
        ----------
        provider : str
            A key of `PROVIDERS`, or "auto".
        threads : int or "auto"
            Of the CPU.

        Returns
        -------
        Session
        """
        return self.choice(provider, threads).session

    def coupled_for(self, options: Options) -> CoupledNetwork | None:
        """Return the network in groups of layers, where a run is to go so; made once, then kept.

        Parameters
        ----------
        options : Options
            `statistics`, `blend`, `threads` and `colour_order` are used.

        Returns
        -------
        CoupledNetwork or None
        """
        if not takes_statistics(self.spec, options):
            return None
        with self._opening:
            key = (options.threads, options.colour_order)
            if key not in self._coupled:
                spec = self.spec.ordered(options.colour_order)
                self._coupled[key] = CoupledNetwork(self.path, spec, threads=options.threads)
            return self._coupled[key]

    def assignment(self, provider: str) -> dict[str, list[str]]:
        """Return the kinds of operators that each provider runs; loads the network again.

        Parameters
        ----------
        provider : str
            A key of `PROVIDERS`.

        Returns
        -------
        dict of str to list of str

        Raises
        ------
        ModelError
            If this onnxruntime does not tell.
        """
        session = Session(
            self.path,
            name=self.name,
            provider=provider,
            assignment=True,
            freed=self.spec.freed,
        )
        return session.assignment()

    def _open(self, provider: str, *, threads: int | str) -> Session:
        """Load the network for a provider, once."""
        key = (provider, threads)
        if key not in self._sessions:
            self._sessions[key] = Session(
                self.path,
                name=self.name,
                provider=provider,
                threads=threads,
                freed=self.spec.freed,
            )
        return self._sessions[key]

    def _attempt(self, provider: str) -> Parity:
        """Try a provider on this network, the first time that the two meet."""
        key = cache.key_of("trial", self.sha256, provider, available_providers())
        found = cache.fetch(key, Parity)
        if found is None:
            found = try_provider(self.path, provider, self.spec)
            # What failed once may have lacked memory; the next session tries again.
            if not found.error:
                cache.keep(key, found)
        return found

    def verify(self, provider: str = "auto") -> VerifyReport:
        """Run the test tensors of the network's package.

        Parameters
        ----------
        provider : str

        Returns
        -------
        VerifyReport

        Raises
        ------
        ModelError
            If it has none, or they do not fit the network.
        """
        if self.package is None:
            raise ModelError(
                f"{self.name} is not from a BioImage.IO package, so it has no test tensors."
            )
        tensors = (self.package.test_inputs, self.package.test_outputs)
        return verify(tensors, self.session(provider), self.spec)

    def __repr__(self) -> str:
        return f"<Model {self.name}: {self.spec.channels_in} channel(s), radius {self.spec.radius}>"


def load_model(
    source: str | os.PathLike[str] | Model,
    *,
    on_progress: Callable[[StageProgress], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
    **overrides: Any,  # noqa: ANN401 - spec fields
) -> Model:
    """Open a network and measure what it needs.

    Parameters
    ----------
    source : str or path
        Name of a built-in network, or the path of an ONNX file, of a BioImage.IO package
        (a zip, a folder or the description in it) or of a ZEISS .czann.
    on_progress : callable, optional
        Gets a `StageProgress` at the beginning of each stage of measuring; a model that is
        built in, or was measured before, has one stage.
    should_stop : callable, optional
        Polled between and during the calls of the network.
    **overrides
        Fields of `ModelSpec` that the caller knows better, such as
        ``value_range=(-1, 1)``; they go before what was kept with `save_edits`, but not
        before what can be measured.

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
        If an override is no field of `ModelSpec`, or has a value that it cannot have.
    Cancelled
        If `should_stop` said so.
    """
    if isinstance(source, Model):
        return source
    if not isinstance(source, str | os.PathLike):
        raise ModelError(
            f"A model is a name or a file, not of type {type(source).__name__}; see "
            "`microenhance models`."
        )
    given = checked_edits(overrides)
    with hooked(on_progress, should_stop):
        return _opened(source, given)


def _opened(source: str | os.PathLike[str], given: Mapping[str, Any]) -> Model:
    """Open a network and measure what it needs."""
    started = time.perf_counter()
    enter_stage(1)
    named = {info.name: info for info in list_models()}.get(str(source))
    builtin = named if named and named.source == "built-in" else None
    origin = find_origin(named.path if named else Path(source), builtin)
    edits = given if builtin else {**load_edits(origin.named), **given}
    measured, session = _measured(origin, edits)
    seconds = time.perf_counter() - started
    return Model(origin, measured, session=session, probe_seconds=seconds, edits=edits)


def _measured(origin: Origin, edits: Mapping[str, Any]) -> tuple[Measured, Session | None]:
    """Return what is known of a network, and the session if one was opened for it."""
    if not origin.is_builtin:
        return measure(origin, edits)
    session = Session(origin.path, name=origin.path.stem)
    spec, refuted = reconciled(_builtin_spec(session), edits)
    return Measured(spec, tuple(refuted)), session


def _builtin_spec(session: Session) -> ModelSpec:
    """Return the spec of a built-in network, whose metadata a test holds against the probe."""
    declared = declared_by(session.metadata, session.name)
    rule = SizeRule(declared.pop("size_minimum"), declared.pop("size_step"))
    channels_in, channels_out = (t.shape[1] for t in (session.inputs[0], session.outputs[0]))
    return ModelSpec(
        **declared,
        size=(rule, rule),
        # A free dimension can hold one channel.
        channels_in=channels_in if isinstance(channels_in, int) else 1,
        channels_out=channels_out if isinstance(channels_out, int) else 1,
    )
