"""Everything with Qt or napari: the dock widget and what it is made of."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_microenhance.widgets.enhance import EnhanceWidget

__all__ = ["EnhanceWidget"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - what the name stands for
    """Import the widget at its first use: reading the manifest must not load Qt."""
    if name == "EnhanceWidget":
        from napari_microenhance.widgets.enhance import EnhanceWidget

        return EnhanceWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
