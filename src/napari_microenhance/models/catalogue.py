"""The built-in networks: an ONNX file and a card each."""

import dataclasses
from pathlib import Path

__all__ = ["ModelInfo", "default_model", "list_models"]

FOLDER = Path(__file__).parent / "builtin"

DEFAULT = "detail-classic"


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """A network that can be named.

    Parameters
    ----------
    name : str
    summary : str
        The first sentence of its card.
    path : Path
        Of the ONNX file.
    card : str
        Markdown.
    default : bool
        Whether it is used when no network is named.
    """

    name: str
    summary: str
    path: Path
    card: str
    default: bool


def list_models() -> tuple[ModelInfo, ...]:
    """Return the built-in networks, the default one first."""
    found = []
    for path in sorted(FOLDER.glob("*.onnx")):
        page = path.with_suffix(".md")
        card = page.read_text(encoding="utf-8") if page.exists() else ""
        lines = [line for line in card.splitlines() if line and not line.startswith("#")]
        summary = lines[0] if lines else path.stem
        found.append(ModelInfo(path.stem, summary, path, card, path.stem == DEFAULT))
    return tuple(sorted(found, key=lambda info: not info.default))


def default_model() -> str:
    """Return the name of the network that is used when none is named."""
    return DEFAULT
