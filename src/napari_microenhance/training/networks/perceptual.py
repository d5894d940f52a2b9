"""LPIPS, where its package and its weights are on this machine; nothing is fetched."""

import functools
import importlib
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_microenhance.errors import ModelError

__all__ = ["lpips", "lpips_missing"]


def lpips_missing() -> str:
    """Return the sentence that says why LPIPS is not at hand; empty where it is."""
    if importlib.util.find_spec("lpips") is None:
        return "LPIPS is left out, since the package lpips is not installed."
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if not any(folder.glob("alexnet-*.pth")):
        return "LPIPS is left out, since the weights of its network are not on this machine."
    return ""


def lpips(image: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
    """Return the learned perceptual distance of two grey images; 0 for equal ones.

    Parameters
    ----------
    image, truth : ndarray, shape (Y, X)
        Shown as grey in [0, 1]; what lies outside is clipped.

    Returns
    -------
    float

    Raises
    ------
    ModelError
        If the package or its weights are missing.

    References
    ----------
    .. [1] R. Zhang et al., "The unreasonable effectiveness of deep features as a perceptual
       metric", CVPR 2018. https://doi.org/10.1109/CVPR.2018.00068
    """
    import torch

    network = _network()
    pair = []
    for pixels in (image, truth):
        shown = np.clip(pixels, 0, 1).astype(np.float32) * 2 - 1
        pair.append(torch.from_numpy(shown).expand(1, 3, *shown.shape))
    with torch.no_grad():
        return float(network(*pair).item())


@functools.cache
def _network() -> Any:  # noqa: ANN401 - a class of an optional package
    """Return the network, loaded once."""
    if missing := lpips_missing():
        raise ModelError(missing)
    with warnings.catch_warnings():
        # It builds torchvision's network by arguments that torchvision is tired of.
        warnings.simplefilter("ignore")
        return importlib.import_module("lpips").LPIPS(net="alex", verbose=False).eval()
