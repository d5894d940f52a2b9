"""What `export` and `quantize` share: the file of a network."""

from pathlib import Path

from napari_microenhance.errors import OutputError

__all__ = ["check_network_name", "megabytes"]

ENDING = ".onnx"


def check_network_name(target: Path) -> None:
    """Raise unless a network can be written there, before hours of work or seconds are lost.

    Parameters
    ----------
    target : Path

    Raises
    ------
    OutputError
        If it has another ending, or the folder is missing or not writable.
    """
    from napari_microenhance.files import check_target

    if target.suffix.lower() != ENDING:
        raise OutputError(f"A model is an ONNX file; name it {target.stem}.onnx.")
    check_target(target)


def megabytes(path: Path) -> str:
    """Return the size of a file in words.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        In MB of 10^6 bytes.
    """
    return f"{path.stat().st_size / 1e6:.1f} MB"
