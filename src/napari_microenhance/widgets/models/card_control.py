"""What the card of a network can do: show it, test it, verify it, keep what the user knows."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from psygnal import Signal

from napari_microenhance.api import Model, load_edits, load_model, save_edits
from napari_microenhance.errors import MicroEnhanceError
from napari_microenhance.widgets.background.background_job import BackgroundJob
from napari_microenhance.widgets.models.tile_trial import TileTrial, try_out

if TYPE_CHECKING:
    from napari_microenhance.engine.reports.report_sections import ProviderSection
    from napari_microenhance.widgets.background.call_worker import Call
    from napari_microenhance.widgets.models.card import ModelCard
    from napari_microenhance.widgets.models.network_choices import Networks
    from napari_microenhance.widgets.running.task import Task

__all__ = ["CardControl"]

T = TypeVar("T")


class _Verdict(Protocol):
    """What a verification found."""

    @property
    def max_abs_difference(self) -> float:
        """Image units, worst of all outputs."""

    @property
    def largest(self) -> float:
        """Largest value that is to come out."""


TOLERANCE = 1e-3
"""Of a verification, in parts of the largest value; other machines round differently."""


class CardControl:
    """One test, verification or opening for the card at a time; main thread only.

    Parameters
    ----------
    card : ModelCard
        Its buttons wait meanwhile.
    networks : Networks
    """

    saved = Signal(object)
    """The `Path` of a network whose edits were kept: it is to be opened anew."""

    failed = Signal(object)
    """The exception that ended a test, a verification or an opening."""

    def __init__(self, card: "ModelCard", networks: "Networks") -> None:
        self._card = card
        self._networks = networks
        self._key: str | None = None
        self._job = BackgroundJob(card)
        self._job.ended.connect(self._on_ended)
        self._job.failed.connect(self._on_failed)
        card.unfolded.connect(self._on_unfolded)
        card.verify.changed.connect(self._on_verify)
        card.save.changed.connect(self._on_save)

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
        self._start(lambda hooks: try_out(task, hooks.should_stop), self._show_trial)

    def show_run(self, model: Model, provider: "ProviderSection") -> None:
        """Show what ran, if the card is still that of the network that ran."""
        if self._key is None:
            return
        chosen = self._networks[self._key]
        if chosen is model or chosen == model.name:
            self._card.show_provider(provider)

    def drop(self) -> None:
        """End what goes on, unheard."""
        self._job.drop()
        self._on_ended()

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

    def _start(self, call: "Call[T]", finish: Callable[[T], None]) -> None:
        """Make a call; one that goes on is dropped."""
        self._card.test.enabled = self._card.verify.enabled = False
        self._job.start(call, finish)

    def _on_ended(self) -> None:
        """Let the buttons be pressed again."""
        self._card.test.enabled = self._card.verify.enabled = True

    def _on_failed(self, error: Exception) -> None:
        """Say why."""
        self._card.say("")
        self.failed.emit(error)

    def _show_trial(self, trial: TileTrial) -> None:
        """Say what a test showed."""
        self._card.show_provider(trial.provider)
        self._card.say(trial.sentence)

    def _show_verdict(self, report: _Verdict) -> None:
        """Say how a verification went."""
        off, largest = report.max_abs_difference, report.largest
        # Not a number is no small difference either.
        good = off <= TOLERANCE * max(1.0, largest)
        verdict = (
            "The model reproduces the test output of its package"
            if good
            else "The model does not reproduce the test output of its package"
        )
        self._card.say(
            f"{verdict}: largest difference {off:.2g}, largest value {largest:.3g}.", bad=not good
        )
