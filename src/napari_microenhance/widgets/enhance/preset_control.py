"""The row of presets: options by name, kept and shared as small JSON files."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from napari_microenhance.api import Options, list_presets, load_preset, save_preset
from napari_microenhance.errors import MicroEnhanceError, OptionsError, OutputError
from napari_microenhance.widgets.fields.menus import ButtonMenu
from napari_microenhance.widgets.fields.options_form import (
    read_options,
    write_options,
)

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["DEFAULTS", "OWN", "PresetChoices", "PresetControl"]

OWN: Final = "Custom"
DEFAULTS: Final = "defaults"

SAVE: Final = "Save as…"
OPEN: Final = "Open file…"
SHARE: Final = "Save to file…"

_FILTER = "Presets (*.json)"


class PresetChoices:
    """The presets that there are, and files that were opened.

    Attributes
    ----------
    files : list of Path
    """

    def __init__(self) -> None:
        self.files: list[Path] = []

    def __call__(self, _: object = None) -> list[tuple[str, str]]:
        """Return (text, key) pairs."""
        pairs = [(name, name) for name in (OWN, DEFAULTS, *list_presets())]
        return pairs + [(path.name, str(path)) for path in self.files]


class PresetControl:
    """Sets the fields to a preset, and keeps what they say as one; main thread only.

    Parameters
    ----------
    fields : EnhanceFields
    choices : PresetChoices
        Of the chooser of presets.

    Attributes
    ----------
    menu : ButtonMenu
    """

    failed = Signal(object)
    """The exception that kept a preset from being read or written."""

    def __init__(self, fields: "EnhanceFields", choices: PresetChoices) -> None:
        self._options, self._choices = fields.options, choices
        self._box = fields.preset
        self._applying = False
        self._box.value = DEFAULTS
        self.menu = ButtonMenu(fields.preset_menu.native)
        self.menu.add(SAVE, "Save the current options under a name.")
        self.menu.add(OPEN, "Open a preset from a file.")
        self.menu.add(SHARE, "Save the current options as a small JSON file to share.")
        self.menu.chosen.connect(self._on_menu)
        self._box.changed.connect(self._on_chosen)
        for field in fields.options.values():
            field.changed.connect(self._on_option)

    def restore(self, options: Options) -> None:
        """Set the fields to options that have no name, unless they cannot hold them."""
        with self._quietly(), contextlib.suppress(OptionsError):
            write_options(self._options, options)
            self._box.value = DEFAULTS if options == Options() else OWN

    def save(self, name: str) -> None:
        """Keep the options under a name of the user's own, and choose it."""
        name = name.strip()
        with self._telling():
            if name in (OWN, DEFAULTS) or name.lower().endswith(".json"):
                raise OptionsError(
                    f"{name!r} cannot be used as the name of a preset; choose another one."
                )
            save_preset(name, read_options(self._options), overwrite=True)
            self._offer(name)

    def open_file(self, path: Path) -> None:
        """Set the fields to the preset that a file holds, and offer it from now on."""
        with self._telling():
            load_preset(path)
            if path not in self._choices.files:
                self._choices.files.append(path)
            self._box.reset_choices()
            # A file that was opened before may hold something else by now.
            self._box.value = OWN
            self._box.value = str(path)

    def save_file(self, path: Path) -> None:
        """Write the options to a file; only a name that was typed in full was asked about."""
        with self._telling():
            named = path if path.suffix.lower() == ".json" else path.with_name(f"{path.name}.json")
            if named != path and named.exists():
                raise OutputError(
                    f"{named.name} already exists; choose it by its full name to replace it."
                )
            save_preset(named, read_options(self._options), overwrite=True)

    def _on_chosen(self, key: str | None) -> None:
        """Set the fields to what was chosen."""
        if self._applying or key in (None, OWN):
            return
        try:
            options = Options() if key == DEFAULTS else load_preset(str(key))
            with self._quietly():
                write_options(self._options, options)
        except MicroEnhanceError as error:
            with self._quietly():
                self._box.value = OWN
            self.failed.emit(error)

    def _on_option(self, _: object) -> None:
        """Show that the options are those of no preset any more."""
        if not self._applying and self._box.value != OWN:
            with self._quietly():
                self._box.value = OWN

    def _offer(self, name: str) -> None:
        """Choose a preset that the fields say already."""
        self._box.reset_choices()
        with self._quietly():
            self._box.value = name

    def _on_menu(self, entry: str) -> None:
        """Do what an entry of the menu says."""
        if entry == SAVE:
            self._ask_name()
        elif entry == OPEN:
            self._ask(QFileDialog.getOpenFileName, "Open a preset", self.open_file)
        else:
            self._ask(QFileDialog.getSaveFileName, "Save the options", self.save_file)

    def _ask_name(self) -> None:
        """Ask for a name, and whether an older preset of that name may go."""
        native = self._box.native.window()
        name, given = QInputDialog.getText(native, "Save preset", "Name of the preset:")
        if not given:
            return
        question = f"Replace the preset {name.strip()!r}?"
        if name.strip() in list_presets() and not _agrees(native, question):
            return
        self.save(name)

    def _ask(self, dialog: Callable[..., Any], title: str, use: Callable[[Path], None]) -> None:
        """Ask for a file, and use it."""
        path, _ = dialog(self._box.native.window(), title, "", _FILTER)
        if path:
            use(Path(path))

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Mark changes made meanwhile as ours, not the user's."""
        before, self._applying = self._applying, True
        try:
            yield
        finally:
            self._applying = before

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tell what went wrong meanwhile."""
        try:
            yield
        except MicroEnhanceError as error:
            self.failed.emit(error)


def _agrees(parent: QWidget, question: str) -> bool:
    """Ask a question that can be answered with yes."""
    return bool(
        QMessageBox.question(parent, "Save preset", question) == QMessageBox.StandardButton.Yes
    )
