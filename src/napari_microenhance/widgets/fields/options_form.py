"""Fields for every option of a run, made from the dataclass that defines them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from magicgui.widgets import ComboBox, SpinBox
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_microenhance.api import Options
from napari_microenhance.engine.option_text import parse, show
from napari_microenhance.engine.options import CHOICES
from napari_microenhance.errors import OptionsError

__all__ = [
    "ADVANCED",
    "CURRENT_PLANE",
    "OPTION_NAMES",
    "SHOWN",
    "OptionField",
    "WordBox",
    "make_field",
    "read_options",
    "write_options",
]

SHOWN: Final = ("background", "dilate", "feather", "planes")
"""Options that are always in sight."""

OPTION_NAMES: Final = tuple(f.name for f in dataclasses.fields(Options))

ADVANCED: Final = tuple(name for name in OPTION_NAMES if name not in SHOWN)
"""Options that unfold."""

CURRENT_PLANE: Final = "current"

_LABELS: Final = {
    "dilate": "Dilate ROI (px)",
    "feather": "Feather (px)",
    "tile": "Tile (px)",
    "intensity": "Normalisation",
    "halo": "Halo (px)",
    "value_range": "Input range",
    "output_range": "Output range",
    "extra_channel": "Extra channel",
    "dtype": "Data type",
    "batch": "Batch (tiles)",
    "no_caution": "Silenced cautions",
}
_SUGGESTIONS: Final = {
    "intensity": CHOICES["intensity"],
    "tile": ("auto", 128, 256, 512, 1024),
    "halo": ("auto", 0, 16, 32, 64),
    "value_range": ("auto", (0.0, 1.0), (-1.0, 1.0)),
    "output_range": ("auto", (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)),
    "extra_channel": ("auto", 5.0, 15.0, 25.0),
    "threads": ("auto", 1, 2, 4),
    "batch": ("auto", 1, 2, 4, 8),
    "memory": ("auto", 1 << 30, 4 << 30, 16 << 30),
    "no_caution": ((),),
}
_MOST_PX: Final = 100_000
_SPUN: Final = ("dilate", "feather")

OptionField = ComboBox | SpinBox


class WordBox(ComboBox):
    """A combo box that also takes what is typed: a number, or two with a comma.

    Its `value` is typed as the option is: a word, an int, or a pair of floats.

    Parameters
    ----------
    name : str
        Of a field of `Options`.
    choices : sequence
        Words, numbers or pairs to offer, the default first.
    **kwargs
        Of the magicgui widget.
    """

    def __init__(
        self,
        *,
        name: str,
        choices: Sequence[Any],
        **kwargs: Any,  # noqa: ANN401 - passed on
    ) -> None:
        shown = [(show(name, c), c) for c in choices]
        super().__init__(name=name, choices=shown, value=choices[0], **kwargs)
        box = self._box()
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        box.editTextChanged.connect(self._on_text)

    @property
    def value(self) -> Any:  # noqa: ANN401 - several types
        """What is typed or chosen."""
        return parse(
            self.name, self._box().currentText() or show(self.name, _SUGGESTIONS[self.name][0])
        )

    @value.setter
    def value(self, value: Any) -> None:  # noqa: ANN401 - several types
        box = self._box()
        text = show(self.name, parse(self.name, value) if isinstance(value, str) else value)
        at = box.findText(text)
        if at >= 0:
            box.setCurrentIndex(at)
        if box.isEditable():
            box.setEditText(text)

    def get_value(self) -> Any:  # noqa: ANN401 - several types
        """Return the value; magicgui asks for it when the field changes."""
        return self.value

    def _on_text(self, text: str) -> None:
        """Tell listeners about typed text once it means something."""
        try:
            self.changed.emit(parse(self.name, text))
        except OptionsError:
            return

    def _box(self) -> QComboBox:
        native: QComboBox = self.native
        return native


def make_field(name: str) -> OptionField:
    """Make the field of one option.

    Parameters
    ----------
    name : str
        Of a field of `Options`; the field is called the same, its tooltip is the option's
        help text.

    Returns
    -------
    magicgui widget
    """
    option = {f.name: f for f in dataclasses.fields(Options)}[name]
    common = {
        "name": name,
        "label": _LABELS.get(name, name.capitalize()),
        "tooltip": option.metadata["help"],
    }
    field: OptionField
    if name in _SPUN:
        field = SpinBox(value=0, min=0, max=_MOST_PX, **common)
    elif name == "planes":
        choices = [("all planes", "all"), ("current plane", CURRENT_PLANE)]
        field = ComboBox(value="all", choices=choices, **common)
    elif name in CHOICES and name not in _SUGGESTIONS:
        field = ComboBox(value=option.default, choices=CHOICES[name], **common)
    else:
        field = WordBox(choices=_SUGGESTIONS[name], **common)
    let_shrink(field)
    return field


def read_options(fields: Mapping[str, OptionField]) -> Options:
    """Read all fields.

    Parameters
    ----------
    fields : mapping of str to magicgui widget
        One field per option.

    Returns
    -------
    Options
        Of all planes, whatever the field of the planes says: which one is the current plane,
        only the viewer knows.

    Raises
    ------
    OptionsError
        If a field holds text that its option does not take.
    """
    values: dict[str, Any] = {name: fields[name].value for name in OPTION_NAMES}
    return Options(**{**values, "planes": "all"})


def write_options(fields: Mapping[str, OptionField], options: Options) -> None:
    """Set all fields but that of the planes, which says something about one image.

    Parameters
    ----------
    fields : mapping of str to magicgui widget
        One field per option.
    options : Options

    Raises
    ------
    OptionsError
        If a value is more than its field takes; no field is set then.
    """
    values = {name: getattr(options, name) for name in OPTION_NAMES if name != "planes"}
    for name, value in values.items():
        if name in _SPUN and value > _MOST_PX:
            raise OptionsError(f"{name}={value} is more than {_MOST_PX} px.")
    for name, value in values.items():
        fields[name].value = value


def let_shrink(field: OptionField) -> None:
    """Let a field be narrower than its longest choice, as the dock widget may be."""
    native = field.native
    native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    if isinstance(native, QComboBox):
        native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        native.setMinimumContentsLength(8)
