"""What can be pressed, and why the rest cannot."""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance.enhance_fields import EnhanceFields

__all__ = ["Readiness"]

_NO_IMAGE = "Choose an image first."
_NO_MODEL = "Choose a model first."
_BUSY = "Wait for the run to finish, or cancel it."


@dataclasses.dataclass(frozen=True)
class Readiness:
    """The state of the dock, as far as it decides what can be pressed.

    Parameters
    ----------
    has_image, has_model : bool
    busy : bool
        A run goes on.
    can_cancel : bool
        Something goes on that can be cancelled.
    """

    has_image: bool
    has_model: bool
    busy: bool = False
    can_cancel: bool = False

    def missing(self) -> str:
        """Return why nothing can be run; empty where it can."""
        if self.busy:
            return _BUSY
        if not self.has_image:
            return _NO_IMAGE
        return "" if self.has_model else _NO_MODEL


class ButtonStates:
    """Enables the buttons that make sense; the others say in their tooltip why they do not.

    Parameters
    ----------
    fields : EnhanceFields
    """

    def __init__(self, fields: "EnhanceFields") -> None:
        self._fields = fields
        runs, draws = (
            (fields.run, fields.more_run, fields.preview),
            (
                fields.draw_roi,
                fields.more_roi,
            ),
        )
        self._runs, self._draws = runs, draws
        self._tooltips = {part.name: part.tooltip for part in (*runs, *draws, fields.cancel)}

    def show(self, ready: Readiness) -> None:
        """Show what can be pressed now."""
        missing = ready.missing()
        for part in self._runs:
            part.enabled = not missing
            part.tooltip = missing or self._tooltips[part.name]
        for part in self._draws:
            part.enabled = ready.has_image
            part.tooltip = self._tooltips[part.name] if ready.has_image else _NO_IMAGE
        cancel = self._fields.cancel
        cancel.enabled = ready.can_cancel
        cancel.tooltip = self._tooltips["cancel"] if ready.can_cancel else "Nothing is running."
