"""The dock widget "Enhance ROI"."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from psygnal import Signal

from napari_microenhance.errors import OptionsError
from napari_microenhance.widgets.enhance.cautions.caution_control import CautionControl
from napari_microenhance.widgets.enhance.cautions.caution_panel import CautionPanel
from napari_microenhance.widgets.enhance.cautions.caution_ticks import CautionTicks
from napari_microenhance.widgets.enhance.enhance_fields import make_fields
from napari_microenhance.widgets.enhance.enhance_layout import lay_out
from napari_microenhance.widgets.enhance.enhance_view import EnhanceView
from napari_microenhance.widgets.enhance.layer_control import (
    LayerControl,
    offered_images,
    offered_rois,
)
from napari_microenhance.widgets.enhance.network_control import NetworkControl
from napari_microenhance.widgets.enhance.outcome.undo_control import UndoControl
from napari_microenhance.widgets.enhance.outcome.undo_step import UndoStep
from napari_microenhance.widgets.enhance.outline_control import OutlineControl
from napari_microenhance.widgets.enhance.preset_control import PresetChoices, PresetControl
from napari_microenhance.widgets.enhance.request import resolve
from napari_microenhance.widgets.enhance.result_control import ResultControl
from napari_microenhance.widgets.enhance.roi_control import RoiControl
from napari_microenhance.widgets.enhance.run_control import RunControl
from napari_microenhance.widgets.enhance.sample_control import SampleControl
from napari_microenhance.widgets.fields.menus import ButtonMenu
from napari_microenhance.widgets.fields.theme_colours import ThemeFollower
from napari_microenhance.widgets.models.card import ModelCard
from napari_microenhance.widgets.models.card_control import CardControl
from napari_microenhance.widgets.models.network_choices import SUFFIXES, Networks
from napari_microenhance.widgets.roi.roi_menu import ROI_SUFFIXES
from napari_microenhance.widgets.running.result_layers import ResultLayers
from napari_microenhance.widgets.running.runner import Runner
from napari_microenhance.widgets.viewer.lifetime import WidgetEvents, keep_focus
from napari_microenhance.widgets.viewer.settings import last_used, remember
from napari_microenhance.widgets.viewer.view import read_view

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer, Shapes

    from napari_microenhance.widgets.background.hooks import JobProgress
    from napari_microenhance.widgets.running.task import Outcome

__all__ = ["EnhanceWidget"]


class EnhanceWidget(Container[Any]):
    """Enhances the drawn region of an image layer with a model.

    It shows, and tells what was asked; the controllers that are its attributes do the rest.
    The fields of a run are attributes too, under the names that `Options` and the run give
    them: `image`, `roi`, `model`, `background` and so on.

    Parameters
    ----------
    napari_viewer : napari.components.ViewerModel
        A viewer, its proxy, or a model without a window.

    Attributes
    ----------
    card : ModelCard
        Of the network that is chosen.
    ticks : CautionTicks
        Silence what is said before a run.
    run_menu : ButtonMenu
        Beside the button "Run".
    networks, presets, rois, outline, cautions, results, undoing
        Controllers: `NetworkControl`, `PresetControl`, `RoiControl`, `OutlineControl`,
        `CautionControl`, `ResultControl`, `UndoControl`.
    """

    completed = Signal(object)
    """The result layer of a run."""

    previewed = Signal(object)
    """The layer of a preview."""

    failed = Signal(object)
    """The exception that ended a run or the opening of a network."""

    cancelled = Signal()
    """A run was cancelled; no layer of it is left, only results of other images."""

    def __init__(self, napari_viewer: "ViewerModel") -> None:
        layers, preset_choices = napari_viewer.layers, PresetChoices()
        known = Networks()
        fields = make_fields(
            images=lambda _: offered_images(layers),
            rois=lambda _: offered_rois(layers),
            models=lambda _: known.choices(),
            presets=preset_choices,
        )
        super().__init__(widgets=list(fields), labels=False)
        self._fields, self._viewer, self._known = fields, napari_viewer, known
        known.end_with(self.native)
        self.card = ModelCard()
        self.ticks = CautionTicks(fields.options["no_caution"])
        self._caution_panel = CautionPanel(fields.caution.native, self.ticks)
        panels = lay_out(self, fields, self.card, self._caution_panel)
        self.run_menu = ButtonMenu(fields.more_run.native)
        self._view = EnhanceView(fields, known, panels)
        self.undoing = UndoControl(napari_viewer, fields.roi, self.native)
        self._samples = SampleControl(napari_viewer, self.native)
        self.presets = PresetControl(fields, preset_choices)
        self._layers = LayerControl(napari_viewer, fields, self.undoing.noting)
        self.rois = RoiControl(napari_viewer, fields, self.undoing.noting)
        self.networks = NetworkControl(fields, known)
        self._card_control = CardControl(self.card, known)
        runner, results = Runner(napari_viewer, self.native), ResultLayers(napari_viewer)
        self._runs = runs = RunControl(self._view, napari_viewer, runner, results, known)
        self._events = WidgetEvents(self.native, (*SUFFIXES, *ROI_SUFFIXES))
        self.results = ResultControl(
            napari_viewer,
            fields,
            self._view,
            self._layers,
            self.undoing,
            lambda: not runs.is_busy and known.opening is None,
            self.native,
        )
        self.outline = OutlineControl(napari_viewer, fields, self._layers, self.native)
        self.cautions = CautionControl(
            napari_viewer, self._view.read_request, fields, self._layers, known, self.native
        )
        self._connect_buttons()
        self._connect_controllers()
        self._show_state()
        self._view.say("")
        self._theme = ThemeFollower(napari_viewer, self.native, panels.paint_with)
        self._card_control.choose(fields.model.value)
        options, key = last_used()
        self.presets.restore(options)
        self.networks.restore(key)

    def open_model(self, path: str | Path) -> None:
        """Open a network file in the background and choose it.

        Parameters
        ----------
        path : str or Path
            Of an ONNX file, a BioImage.IO package or a .czann. `failed` and a notification
            tell when it cannot be used.
        """
        self.networks.open(path)

    def add_roi_layer(self, mode: str = "add_polygon") -> "Shapes":
        """Add a layer over the image to draw on; see `RoiControl.add_layer`."""
        return self.rois.add_layer(mode)

    def open_roi(self, path: str | Path) -> "Shapes":
        """Lay the shapes of an ROI file over the image; see `RoiControl.open_file`."""
        return self.rois.open_file(path)

    def save_roi(self, path: str | Path) -> None:
        """Save the ROI in the pixels of the image; see `RoiControl.save_file`."""
        self.rois.save_file(path)

    def reset_choices(self, *_: object) -> None:
        """Offer the layers that are there now."""
        self._fields.image.reset_choices()
        self._fields.roi.reset_choices()

    def _connect_buttons(self) -> None:
        """Hand on what the user asks for."""
        fields = self._fields
        fields.run.changed.connect(self._runs.run)
        fields.preview.changed.connect(self._runs.preview)
        fields.cancel.changed.connect(self._on_cancel)
        fields.try_sample.changed.connect(self._samples.open)
        fields.model.changed.connect(self._card_control.choose)
        self.run_menu.add(
            "Run on all image layers",
            "One result per image, with the same options and ROI; results are skipped.",
        )
        self.run_menu.chosen.connect(self._runs.run_all)
        self.card.test.changed.connect(self._on_test)
        self.rois.find_asked.connect(self._runs.find_roi)
        self._events.dropped.connect(self.networks.take)
        self._events.dropped.connect(self.rois.take)
        self._events.ended.connect(self._on_ended)

    def _connect_controllers(self) -> None:
        """Show what comes of it, and tell it to listeners."""
        self._view.told.connect(self.failed.emit)
        for part in (self.presets, self.rois, self.results, self._samples, self._card_control):
            part.failed.connect(self._tell)
        self.networks.began.connect(self._on_opening)
        self._known.progressed.connect(self._on_stage)
        self.networks.opened.connect(self._on_opened)
        self.networks.failed.connect(self._on_not_opened)
        self._card_control.saved.connect(self.open_model)
        self.cautions.found.connect(self._caution_panel.show_cautions)
        self.cautions.noise.connect(self._view.show_noise)
        self.results.changed.connect(self._show_state)
        self.results.comparing.compare.changed.connect(self._events.watch_window)
        self._samples.began.connect(self._view.say)
        self._samples.opened.connect(self._on_sample)
        self._runs.began.connect(self._on_began)
        self._runs.ran.connect(self._on_ran)
        self._runs.made.connect(self.results.follow)
        self._runs.left.connect(self.undoing.note)
        for name in ("completed", "previewed", "failed", "cancelled"):
            getattr(self._runs, name).connect(getattr(self, name).emit)

    def _show_state(self) -> None:
        """Enable the buttons that make sense."""
        busy = self.undoing.is_blocked = self._runs.is_busy
        can_cancel = busy or self._known.opening is not None or self.results.saving.is_busy
        self._view.show_state(busy=busy, can_cancel=can_cancel)

    def _tell(self, error: Exception) -> None:
        """Tell the user what went wrong."""
        self._show_state()
        self._view.tell(error)

    def _on_opening(self, key: str) -> None:
        """Show that a network is being opened."""
        self._events.watch_window()
        self._show_state()
        self._view.show_busy(f"Opening {Path(key).name}…")

    def _on_stage(self, progress: "JobProgress") -> None:
        """Show how far the opening of a network is."""
        if self._known.opening is not None:
            self._view.show_stage(progress, f"Opening {Path(self._known.opening).name}")

    def _on_opened(self, key: str) -> None:
        """Say that a network is open, and start the run that waited for it."""
        self._card_control.choose(self._fields.model.value)
        self._show_state()
        self._view.say(f"{Path(key).name} is open.", self._known.findings(key))
        self._runs.go_on()

    def _on_not_opened(self, error: Exception) -> None:
        """Say why a file is no network; the run that waited for it does not start."""
        self._runs.forget_waiting()
        self._tell(error)

    def _on_cancel(self) -> None:
        """Stop what is going on."""
        keep_focus(self.native)
        was_opening, was_running = self.networks.cancel(), self._runs.cancel()
        if was_opening and not was_running:
            self._runs.end_cancelled()
        elif not was_running:
            self.results.saving.cancel()

    def _on_test(self) -> None:
        """Run one tile of what is in sight."""
        try:
            task = resolve(self._view.read_request(), read_view(self._viewer), preview=True)
        except Exception as error:  # noqa: BLE001 - the edge: every mistake reaches the user
            self._tell(error)
            return
        self._card_control.test(task)

    def _on_sample(self, layers: "tuple[Layer, ...]") -> None:
        """Take note of a sample."""
        self.undoing.note(UndoStep("Opening the sample", layers))
        self._view.say("")

    def _on_began(self) -> None:
        """Keep what is chosen for the next opening of the widget."""
        keep_focus(self.native)
        self._remember()
        self._events.watch_window()

    def _remember(self) -> None:
        """Keep what is chosen."""
        try:
            request = self._view.read_request()
        except OptionsError:
            return  # a field is being typed in
        remember(request.options, request.key)

    def _on_ran(self, outcome: "Outcome") -> None:
        """Let the card say on what a network ran."""
        self._card_control.show_run(outcome.model, outcome.provider)

    def _on_ended(self) -> None:
        """Stop at once, for the widget or its window goes away."""
        self.results.drop()
        self._card_control.drop()
        self.outline.drop()
        self.cautions.drop()
        self._samples.drop()
        self._remember()
        was_opening = self._known.opening is not None
        self.networks.drop()
        if self._runs.is_busy:
            self._runs.stop()
        elif was_opening:
            self._runs.end_cancelled()
