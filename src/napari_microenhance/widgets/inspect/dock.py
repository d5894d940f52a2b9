"""The dock widget "Inspect result"."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from psygnal import Signal
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_microenhance.api import (
    Comparison,
    Record,
    command_line,
    compare,
    methods_text,
    python_code,
)
from napari_microenhance.errors import (
    FileMissingError,
    ImageError,
    MicroEnhanceError,
    OutputError,
)
from napari_microenhance.records.overview import overview
from napari_microenhance.records.repeating import find_model
from napari_microenhance.widgets.compare.pairs import remember
from napari_microenhance.widgets.inspect.again import Again, run_again
from napari_microenhance.widgets.inspect.errand import Errand, Hooks
from napari_microenhance.widgets.inspect.following import NO_ORIGINAL, NO_RESULT
from napari_microenhance.widgets.inspect.line import DrawnLine
from napari_microenhance.widgets.inspect.maps import MAP_KEY, MapOutcome, Network, make_map
from napari_microenhance.widgets.inspect.profile import profile_under
from napari_microenhance.widgets.inspect.saving import RESULT_FILES, save_figures, save_result
from napari_microenhance.widgets.inspect.subject import Subject, read_subject
from napari_microenhance.widgets.inspect.working import Working
from napari_microenhance.widgets.models.network_choices import SUFFIXES
from napari_microenhance.widgets.models.recent import recent_files
from napari_microenhance.widgets.viewer.layers import RECORD_KEY, restore_selection
from napari_microenhance.widgets.viewer.lifetime import when_destroyed
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel

    from napari_microenhance.measure.profiles import Profile
    from napari_microenhance.records.recorded import RecordedMap
    from napari_microenhance.widgets.viewer.results import LayerPlan

__all__ = ["InspectWidget"]


class InspectWidget(Working):
    """Shows what a result changed, where to doubt it, and how it was made.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        A viewer, its proxy, or a model without a window.
    """

    compared = Signal(object)
    """The `Comparison` that is shown."""

    mapped = Signal(object, object)
    """The `TrustMap` that was made, and its layer; None where nothing is known."""

    repeated = Signal(object)
    """The layer of a run that was run again."""

    saved = Signal(object)
    """The `Path` of a file that was written."""

    profiled = Signal(object)
    """The `Profile` under the line; None without a line."""

    def __init__(self, napari_viewer: "ViewerModel") -> None:
        super().__init__(napari_viewer)
        self._network: Path | None = None
        self._profile = Errand(self)
        self._line = DrawnLine(napari_viewer, self)
        when_destroyed(self, self._profile.handle.drop)
        self._profile.failed.connect(self._on_no_profile)
        self._events.ended.connect(self._profile.drop)
        self._line.moved.connect(self._on_line)
        self.changes.compare_asked.connect(lambda: self._try(self._compare))
        self.changes.save_asked.connect(self._on_save_figures)
        self.changes.line_asked.connect(lambda: self._try(self._draw_line))
        self.trust.asked.connect(lambda name: self._try(lambda: self._map(name)))
        self.record.asked.connect(self._on_record)
        self._on_pair()
        self._on_viewer()

    # The pair

    def _on_pair(self) -> None:
        """Show another result, or another original of it."""
        self._drop_job()
        self._network = None
        self.changes.show_nothing()
        self._show_record()
        result, original = self._shown
        self.say(self._missing if result is None or original is None else "")
        self._on_line()

    def _show_record(self) -> None:
        """Show what the record says, or why it cannot be read."""
        rows: tuple[tuple[str, str], ...] = ()
        kept: Mapping[str, RecordedMap] = {}
        readable = False
        if self._shown[0] is not None:
            try:
                record = self._read_record()
                rows, kept = overview(record), record.report.trust or {}
                readable = True
            except MicroEnhanceError as error:
                rows = (("Damaged", str(error)),)
        self.record.show_rows(rows)
        self.trust.show_maps(kept)
        self.enable(record=readable, pair=readable and self._shown[1] is not None)

    def _read_record(self) -> Record:
        """Return the record of the chosen result."""
        result = self._shown[0]
        if result is None:
            raise ImageError(NO_RESULT)
        return Record.of(result.metadata)

    def _read_subject(self) -> Subject:
        """Return what is inspected, as values."""
        result, original = self._shown
        if result is None or original is None:
            raise ImageError(self._missing or NO_ORIGINAL)
        return read_subject(original, result)

    def _add(self, plan: "LayerPlan") -> Layer:
        """Add a layer above the result, which stays selected."""
        layers, result = self._viewer.layers, self._shown[0]
        selected = set(layers.selection)
        layer = Layer.create(plan.data, plan.meta, plan.kind)
        at = layers.index(result) + 1 if result in layers else len(layers)
        # napari selects what is added; the dock is not to follow there.
        with self._by_itself():
            layers.insert(at, layer)
            restore_selection(layers, selected)
        if plan.contrast_range is not None:
            low, high = layer.contrast_limits
            first, last = plan.contrast_range
            layer.contrast_limits_range = (min(low, first), max(high, last))
        self._on_viewer()
        return layer

    # What changed

    def _compare(self) -> None:
        """Compare the two."""
        subject, beyond = self._read_subject(), float(self.changes.beyond.value())

        def call(hooks: Hooks) -> Comparison:
            pair = subject.pair()
            found = compare(
                pair.before,
                pair.after,
                pair.roi,
                planes=pair.planes,
                beyond=beyond,
                data_range=pair.data_range,
                should_stop=hooks.should_stop,
            )
            return dataclasses.replace(found, notes=(*found.notes, *pair.notes))

        self._start("Comparing…", call, self._show_comparison)

    def _show_comparison(self, found: Comparison) -> None:
        """Show what changed."""
        self.changes.show_comparison(found)
        self.say("")
        self.compared.emit(found)

    def _on_save_figures(self) -> None:
        """Ask for a file and save the figures."""
        found = self.changes.comparison
        path, _ = QFileDialog.getSaveFileName(self, "Save figures", "", "Table (*.csv)")
        if path and found is not None:
            target = Path(path if path.lower().endswith(".csv") else f"{path}.csv")
            self._try(lambda: self._save_figures(target, found, asked=str(target) == path))

    def _save_figures(self, path: Path, found: Comparison, *, asked: bool) -> None:
        """Save the figures; only a name that was typed in full was asked about."""
        if not asked and path.exists():
            raise OutputError(f"{path.name} exists; choose it by its full name to replace it.")
        save_figures(path, found)
        self._show_saved(path)

    def _show_saved(self, path: Path) -> None:
        """Say that a file was written."""
        self.say(f"Saved {path.name}.")
        self.saved.emit(path)

    def _draw_line(self) -> None:
        """Let the user draw a line over the original."""
        original = self._shown[1]
        if original is None:
            raise ImageError(self._missing or NO_ORIGINAL)
        self._line.draw_over(original)
        self.say("Draw a line on the image: press, drag, release.")

    def _on_line(self) -> None:
        """Show the values under the line, wherever it is now."""
        original = self._shown[1]
        line = None if original is None else self._line.vertices_in(original)
        if line is None or original is None or self._shown[0] is None:
            self._profile.drop()
            self._show_profile(None)
            return
        try:
            subject = self._read_subject()
            shape = subject.image.data.shape
            plane = read_view(self._viewer).plane_of(original, shape)
        except MicroEnhanceError as error:
            self._on_no_profile(error)
            return
        self._profile.start(lambda _: profile_under(subject, line, plane), self._show_profile)

    def _show_profile(self, profile: "Profile | None") -> None:
        """Show the values under the line."""
        if profile is not None:
            self.say("")
        self.changes.show_profile(profile)
        self.profiled.emit(profile)

    def _on_no_profile(self, error: Exception) -> None:
        """Say why there is no profile, without a notification for every step of the mouse."""
        self.changes.show_profile(None)
        self.say(str(error))

    # Trust maps

    def _map(self, name: str, *, allow_other: bool = False) -> None:
        """Make a map."""
        subject, network = self._read_subject(), self._where_network()
        self._start(
            f"Making the map of {name}…",
            lambda hooks: make_map(name, subject, network, hooks, allow_other=allow_other),
            self._show_map,
            None if allow_other else lambda: self._map(name, allow_other=True),
        )

    def _show_map(self, outcome: MapOutcome) -> None:
        """Show a map over its image, and keep what it says."""
        found, result = outcome.found, self._shown[0]
        layer = None
        if np.isfinite(found.values).any():
            # Two maps over each other would be read as one.
            for other in self._viewer.layers:
                if MAP_KEY in other.metadata:
                    other.visible = False
            layer = self._add(outcome.plan)
        if result is not None:
            record = self._read_record().with_map(found)
            result.metadata[RECORD_KEY] = record.to_dict()
        self._show_record()
        self.trust.expand(animate=False)
        self.say(*outcome.remarks)
        self.mapped.emit(found, layer)

    # Record

    def _on_record(self, wanted: str) -> None:
        """Do what a button of the section says."""
        acts = {
            "again": self._run_again,
            "save": self._save_result,
            "network": self._choose_network,
            "command": lambda: self._copy_script(command_line, "The command"),
            "python": lambda: self._copy_script(python_code, "The script"),
            "methods": self._copy_methods,
        }
        self._try(acts[wanted])

    def _run_again(self, *, allow_other: bool = False) -> None:
        """Repeat the run."""
        subject, network = self._read_subject(), self._where_network()
        self._start(
            "Running again…",
            lambda hooks: run_again(subject, network, hooks, allow_other=allow_other),
            self._show_again,
            None if allow_other else lambda: self._run_again(allow_other=True),
        )

    def _show_again(self, again: Again) -> None:
        """Show the repeated run and how its pixels compare."""
        layer = self._add(again.plan)
        if self._shown[1] is not None:
            remember(self._shown[1], layer)
        self.say(again.outcome, *again.remarks)
        self.repeated.emit(layer)

    def _save_result(self) -> None:
        """Ask for a file and save the result, its record and what it changed."""
        subject = self._read_subject()
        path, _ = QFileDialog.getSaveFileName(self, "Save result", "", RESULT_FILES)
        if path:
            target = Path(path)
            self._start(
                f"Saving {target.name}…",
                lambda _: save_result(target, subject),
                lambda _: self._show_saved(target),
            )

    def _choose_network(self) -> None:
        """Ask where the network's file is."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self, "Network of the record", "", f"Networks ({kinds});;All files (*)"
        )
        if path:
            self._network = Path(path)
            self.say(f"Repetitions of this result will use {self._network.name}.")

    def _where_network(self) -> Network:
        """Return where the record's network may be."""
        return Network(recent_files(), self._network)

    def _copy_script(self, write: Any, what: str) -> None:  # noqa: ANN401 - of two functions
        """Put a way to repeat the run onto the clipboard."""
        record, original = self._read_record(), self._shown[1]
        image = None if original is None else original.source.path
        _copy(write(record, image=None if image is None else str(image), model=self._model(record)))
        self.say(f"{what} is on the clipboard.")

    def _model(self, record: Record) -> str | None:
        """Return the path of a network that is not built in, where it is known."""
        if self._network is not None or record.model_file is None:
            return None if self._network is None else str(self._network)
        try:
            return str(find_model(record, recent_files()))
        except FileMissingError:
            return None

    def _copy_methods(self) -> None:
        """Put a paragraph for an article onto the clipboard."""
        _copy(methods_text(self._read_record(), self.changes.comparison))
        self.say("The methods text is on the clipboard.")


def _copy(text: str) -> None:
    """Put text onto the clipboard."""
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
