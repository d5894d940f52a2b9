"""Everything with Qt or napari: the dock widgets and what they are made of."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance.enhance_widget import EnhanceWidget
    from napari_microenhance.widgets.inspect.dock import InspectWidget

__all__ = ["EnhanceWidget", "InspectWidget"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what the name stands for
    """Import a widget at its first use: reading the manifest must not load Qt."""
    if name == "EnhanceWidget":
        from napari_microenhance.widgets.enhance.enhance_widget import EnhanceWidget

        return EnhanceWidget
    if name == "InspectWidget":
        from napari_microenhance.widgets.inspect.dock import InspectWidget

        return InspectWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
