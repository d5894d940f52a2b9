"""The dock's choice of a network: opened from a file, chosen, described."""

from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_microenhance.widgets.models.network_choices import (
    SUFFIXES,
    Networks,
    may_hold_network,
)
from napari_microenhance.widgets.models.recent import RecentMenu, add_recent

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["NetworkControl"]


class NetworkControl:
    """Opens network files and keeps the chooser of networks up to date; main thread only.

    Parameters
    ----------
    fields : EnhanceFields
    networks : Networks

    Attributes
    ----------
    recent : RecentMenu
        Of the files that were opened lately.
    """

    began = Signal(str)
    """The key of a file that is being opened."""

    opened = Signal(str)
    """The key of a file whose network can be used."""

    failed = Signal(object)
    """The exception that a file cannot be used for; the network before it is chosen again."""

    def __init__(self, fields: "EnhanceFields", networks: Networks) -> None:
        self._fields, self._networks = fields, networks
        self._before: str | None = None
        self.recent = RecentMenu(fields.open_recent.native)
        self.recent.chosen.connect(self.open)
        fields.open_file.changed.connect(self._on_open_file)
        fields.model.changed.connect(self._on_model)
        networks.opened.connect(self._on_opened)
        networks.failed.connect(self._on_failed)
        self._show(fields.model.value)

    def open(self, path: str | Path) -> None:
        """Open a network file in the background and choose it."""
        model = self._fields.model
        if model.value not in (self._networks.opening, str(path)):
            self._before = model.value
        key = self._networks.open(Path(path))
        model.reset_choices()
        model.value = key
        self.began.emit(key)

    def take(self, path: Path) -> None:
        """Open a dropped file, if it is one of networks."""
        if may_hold_network(path):
            self.open(path)

    def restore(self, key: str) -> None:
        """Choose what was used last, as far as it is there."""
        if key in self._fields.model.choices:
            self._fields.model.value = key
        elif key and Path(key).exists():
            self.open(key)

    def cancel(self) -> bool:
        """Stop opening, and choose the network before; return whether one was being opened."""
        if self._networks.opening is None:
            return False
        self._networks.drop()
        self._choose_before()
        return True

    def drop(self) -> None:
        """Stop opening without a word: the widget is going away."""
        self._networks.drop()
        self._fields.model.reset_choices()

    def _choose_before(self) -> None:
        """Go back to the network that was chosen before one that is no choice any more."""
        model = self._fields.model
        model.reset_choices()
        if self._before in model.choices:
            model.value = self._before

    def _show(self, key: str | None) -> None:
        """Say what the chosen network is."""
        self._fields.about.value = self._networks.about(key)

    def _on_model(self, key: str | None) -> None:
        """Open what is chosen, where it is a file."""
        self._show(key)
        if key is not None and self._networks.is_closed(key):
            self.open(key)

    def _on_open_file(self) -> None:
        """Ask for a network file."""
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self._fields.model.native.window(),
            "Open a model",
            "",
            f"Models ({kinds});;All files (*)",
        )
        if path:
            self.open(path)

    def _on_opened(self, key: str) -> None:
        """Use a network that is open."""
        add_recent(Path(key))
        self._show(self._fields.model.value)
        self.opened.emit(key)

    def _on_failed(self, _: str, error: Exception) -> None:
        """Do without a file that is no network."""
        self._choose_before()
        self.failed.emit(error)
