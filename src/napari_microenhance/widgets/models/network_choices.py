"""The networks a widget offers: built-in ones, and files as they are opened."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_microenhance.api import ModelInfo, list_models, load_model
from napari_microenhance.widgets.background.background_job import BackgroundJob

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

    from napari_microenhance.api import Model
    from napari_microenhance.widgets.background.hooks import JobHooks

__all__ = ["SUFFIXES", "Networks", "may_hold_network"]

SUFFIXES = (".onnx", ".zip", ".czann", "bioimageio.yaml", "rdf.yaml")
"""How the names of files that hold a network end, lower case."""


def may_hold_network(path: Path) -> bool:
    """Return whether a file is one of networks by its name; an archive of ROIs is none.

    Parameters
    ----------
    path : Path
        Need not be there.
    """
    if not path.name.lower().endswith(SUFFIXES):
        return False
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return True
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return not any(name.lower().endswith(".roi") for name in names)


class Networks:
    """Choices of the network field, and the models behind them; main thread only.

    A choice's key is a built-in name or a file's path, also that of a file in the user's
    folder. A file is opened in a thread of its own; a built-in network by the run that
    first needs it.

    Attributes
    ----------
    opening : str or None
        Key of the file that is being opened.
    """

    opened = Signal(str)
    """A file's key: its network can be used."""

    progressed = Signal(object)
    """The `JobProgress` of the file that is being opened: its stage, of several."""

    failed = Signal(str, object)
    """A file's key and the exception: it is no choice any more."""

    def __init__(self) -> None:
        self._builtin: dict[str, ModelInfo] = {}
        self._yours: dict[str, ModelInfo] = {}
        self._read_folders()
        self._files: list[str] = []
        self._models: dict[str, Model] = {}
        self.opening: str | None = None
        self._job = BackgroundJob(None)
        self._job.failed.connect(self._on_failed)
        self._job.progressed.connect(self.progressed.emit)

    def end_with(self, owner: "QObject") -> None:
        """End the opening of a file when Qt deletes an object."""
        self._job.end_with(owner)

    def choices(self) -> list[tuple[str, str]]:
        """Return (text, key) pairs; every text once."""
        self._read_folders()
        pairs = [(name, name) for name in self._builtin]
        pairs += [(info.name, key) for key, info in self._yours.items()]
        for key in self._files:
            path, taken = Path(key), {text for text, _ in pairs}
            texts = [path.name, f"{path.name} ({path.parent.name})", key]
            # All descriptions of packages have the same name; their folders tell them apart.
            first = 1 if path.suffix.lower() == ".yaml" else 0
            pairs.append((next(t for t in texts[first:] if t not in taken), key))
        return pairs

    def __getitem__(self, key: str) -> "Model | str":
        """Return the open network, or what opens it."""
        return self._models.get(key, key)

    def keep(self, key: str, model: "Model") -> None:
        """Remember a network that a run has opened."""
        self._models[key] = model

    def is_builtin(self, key: str | None) -> bool:
        """Return whether a choice came with this program."""
        return key in self._builtin

    def card(self, key: str | None) -> str:
        """Return the text of a network's card, Markdown, as far as it is known."""
        return self._builtin[key].card if key is not None and key in self._builtin else ""

    def is_closed(self, key: str | None) -> bool:
        """Return whether a choice is a file of the user's folder that is still to be opened."""
        return key in self._yours and key not in self._models and key != self.opening

    def about(self, key: str | None) -> str:
        """Return one line on a choice."""
        if key is not None and key in self._builtin:
            return self._builtin[key].summary
        if key is None or key not in self._models:
            return ""
        spec = self._models[key].spec
        low, high = spec.value_range
        seen = "image" if spec.coupling == "numbers" else "tile"
        reach = f"whole {seen}" if spec.radius == "global" else f"{spec.radius} px"
        colours = "colour" if spec.channels_in - spec.extra_channels == 3 else "greyscale"
        sizes = [str(rule) for rule in spec.size]
        size = "of any size" if set(sizes) == {"any"} else f"of {' by '.join(sizes)} px"
        return f"Input: {colours} {size}, {low:g} to {high:g}. Receptive field: {reach}."

    def findings(self, key: str) -> tuple[str, ...]:
        """Return what was found when a file was opened."""
        return tuple(self._models[key].findings) if key in self._models else ()

    def open(self, path: Path) -> str:
        """Begin to open a file and offer it as a choice; return its key."""
        self.drop()
        key = str(path)
        if key not in self._files and key not in self._yours:
            self._files.append(key)
        self._models.pop(key, None)
        self.opening = key
        title = f"Opening {path.name}"

        def call(hooks: "JobHooks") -> "Model":
            return load_model(path, on_progress=hooks.show_stage, should_stop=hooks.should_stop)

        self._job.start(call, self._on_opened, title=title)
        return key

    def drop(self) -> None:
        """Stop listening to the file that is being opened, and forget it."""
        if self.opening is not None:
            self._forget(self.opening)
        self.opening = None
        self._job.drop()

    def _forget(self, key: str) -> None:
        """Offer a file no more, unless it lies in the user's folder."""
        if key in self._files:
            self._files.remove(key)

    def _read_folders(self) -> None:
        """Look which networks can be named now."""
        found = list_models()
        self._builtin = {info.name: info for info in found if info.source == "built-in"}
        self._yours = {str(info.path): info for info in found if info.source == "user"}

    def _on_opened(self, model: "Model") -> None:
        """Offer what was opened."""
        key, self.opening = self.opening, None
        if key is not None:
            self._models[key] = model
            self.opened.emit(key)

    def _on_failed(self, error: Exception) -> None:
        """Tell why a file cannot be used."""
        key, self.opening = self.opening, None
        if key is not None:
            self._forget(key)
            self.failed.emit(key, error)
