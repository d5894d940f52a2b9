"""What the card of a network can do: show it, test it, verify it, keep what the user knows."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal

from napari_microenhance.api import Model, load_edits, load_model, save_edits
from napari_microenhance.errors import Cancelled, MicroEnhanceError
from napari_microenhance.widgets.trial import Trial, try_out
from napari_microenhance.widgets.worker import Handle, QuietWorker

if TYPE_CHECKING:
    from napari_microenhance.widgets.card import ModelCard
    from napari_microenhance.widgets.networks import Networks
    from napari_microenhance.widgets.worker import Task

__all__ = ["Examiner"]

T = TypeVar("T")

TOLERANCE = 1e-3
"""Of a verification, in parts of the largest value; other machines round differently."""

ShouldStop = Callable[[], bool]


class CallWorker(QuietWorker[Any]):
    """Makes one call.

    Attributes
    ----------
    outcome : object
    error : Exception or None
    done : bool
    """

    def __init__(self, call: Callable[[ShouldStop], Any]) -> None:
        super().__init__()
        self._call = call
        self.outcome: Any = None
        self.error: Exception | None = None
        self.done = False

    def work(self) -> Any:  # noqa: ANN401 - what the call gives
        """Make it and keep what came of it."""
        try:
            self.outcome = self._call(lambda: self.abort_requested)
        except Exception as error:
            self.error = error
            raise
        finally:
            self.done = True
        return self.outcome


class Examiner:
    """One look at a network at a time; main thread only.

    Parameters
    ----------
    card : ModelCard
        Its buttons wait while a look is going on.
    networks : Networks
    """

    saved = Signal(object)
    """The `Path` of a network whose edits were kept: it is to be opened anew."""

    failed = Signal(object)
    """The exception that ended a look."""

    def __init__(self, card: "ModelCard", networks: "Networks") -> None:
        self._card = card
        self._networks = networks
        self._key: str | None = None
        self.handle = Handle[CallWorker]()
        self._finish: Callable[[Any], None] | None = None
        card.unfolded.connect(self._on_unfolded)
        card.verify.changed.connect(self._on_verify)
        card.save.changed.connect(self._on_save)

    @property
    def is_busy(self) -> bool:
        """Whether a look is going on."""
        return self.handle.worker is not None

    def choose(self, key: str | None) -> None:
        """Show the card of a choice; a built-in network is opened for it once it is unfolded."""
        if key != self._key:
            self.drop()
        self._key = key
        model = self._networks[key] if key is not None else None
        if isinstance(model, Model):
            self._card.show_model(model, editable=not self._networks.is_builtin(key))
            return
        self._card.show_nothing(self._networks.card(key))
        self._on_unfolded()

    def test(self, task: "Task") -> None:
        """Run one tile, and say on the card what it did."""
        self._card.say("Testing…")
        self._start(lambda should_stop: try_out(task, should_stop), self._show_trial)

    def show_run(self, model: Model, provider: Mapping[str, Any]) -> None:
        """Show what ran, if the card is still that of the network that ran."""
        if self._key is None:
            return
        chosen = self._networks[self._key]
        if provider and (chosen is model or chosen == model.name):
            self._card.show_provider(provider)

    def drop(self) -> None:
        """End the look, unheard."""
        self.handle.drop()
        self._release()

    def _on_unfolded(self) -> None:
        """Open a built-in network whose card is looked at."""
        key = self._key
        if key is None or not self._networks.is_builtin(key) or not self._card.isExpanded():
            return
        if not isinstance(self._networks[key], Model):
            self._start(lambda _: load_model(key), lambda model: self._keep(key, model))

    def _keep(self, key: str, model: Model) -> None:
        """Remember a network that was opened for its card."""
        self._networks.keep(key, model)
        self.choose(self._key)

    def _on_verify(self) -> None:
        """Run a package's test tensors."""
        model = None if self._key is None else self._networks[self._key]
        if isinstance(model, Model):
            self._card.say("Verifying…")
            self._start(lambda _: model.verify(), self._show_verdict)

    def _on_save(self) -> None:
        """Keep what the user knows better beside the file."""
        if self._key is None:
            return
        path = Path(self._key)
        try:
            # What was kept before and is not touched now stays.
            edits = {**load_edits(path), **self._card.edits()}
            save_edits(path, {name: value for name, value in edits.items() if value is not None})
        except MicroEnhanceError as error:
            self.failed.emit(error)
            return
        self.saved.emit(path)

    def _start(self, call: Callable[[ShouldStop], T], finish: Callable[[T], None]) -> None:
        """Make a call in a thread of its own; a look that goes on is dropped."""
        self.drop()
        worker = CallWorker(call)
        self.handle.worker, self._finish = worker, finish
        self._show_ready(ready=False)
        worker.finished.connect(self._on_finished)
        worker.start()

    def _on_finished(self, _: None = None) -> None:
        """Hand on what came of the call."""
        worker, finish = self.handle.worker, self._finish
        if worker is None or finish is None or not worker.done:
            return  # a dropped worker's late word
        self._release()
        if worker.error is None:
            finish(worker.outcome)
            return
        self._card.say("")
        if not isinstance(worker.error, Cancelled):
            self.failed.emit(worker.error)

    def _release(self) -> None:
        """Forget the worker."""
        self.handle.worker = self._finish = None
        self._show_ready(ready=True)

    def _show_ready(self, *, ready: bool) -> None:
        """Enable the buttons that start a look."""
        self._card.test.enabled = self._card.verify.enabled = ready

    def _show_trial(self, trial: Trial) -> None:
        """Say what a test showed."""
        self._card.show_provider(trial.provider)
        self._card.say(trial.sentence)

    def _show_verdict(self, report: Any) -> None:  # noqa: ANN401 - a room that is not imported here
        """Say how a verification went."""
        off, largest = report.max_abs_difference, report.largest
        # Not a number is no small difference either.
        good = off <= TOLERANCE * max(1.0, largest)
        verdict = (
            "The network gives what its package says"
            if good
            else ("The network does not give what its package says")
        )
        self._card.say(
            f"{verdict}: largest difference {off:.2g}, largest value {largest:.3g}.", bad=not good
        )
