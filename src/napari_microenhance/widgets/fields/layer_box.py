"""A chooser of layers."""

from magicgui.widgets import ComboBox

__all__ = ["LayerBox"]


class LayerBox(ComboBox):
    """A chooser that keeps its layer when layers are renamed or move."""

    null_string = "Whole image"

    def reset_choices(self, *_: object) -> None:
        """Offer what is there now; a layer that is gone gives way to the first."""
        native = self.native
        before = native.itemData(native.currentIndex())
        with self.changed.blocked():
            super().reset_choices()
            # magicgui keeps the text; after a renaming the text is another one.
            if before is not None and any(before == choice for choice in self.choices):
                self.value = before
        if not _same(before, self.value):
            self.changed.emit(self.value)


def _same(a: object, b: object) -> bool:
    """Compare two choices, either of which may be None."""
    return a is b or (a is not None and b is not None and bool(a == b))
