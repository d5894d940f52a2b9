"""What an error says to the user."""

import logging

from napari_microenhance.errors import MicroEnhanceError

LOGGER = logging.getLogger(__name__)


def text_of(error: Exception) -> str:
    """Return what an error says to the user; one that is none of ours goes to the log too."""
    text = str(error)
    if isinstance(error, MicroEnhanceError):
        return text
    LOGGER.error("unexpected error", exc_info=error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
