"""Weights of pixels for a loss that shall keep cells apart."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["border_weights"]


def border_weights(
    mask: npt.NDArray[np.bool_],
    *,
    labels: npt.NDArray[np.integer] | None = None,
    w0: float = 10.0,
    sigma: float = 5.0,
) -> npt.NDArray[np.float32]:
    r"""Weigh pixels so that thin gaps between cells count most.

    .. math:: w = w_c + w_0 \exp\left(-\frac{(d_1 + d_2)^2}{2 \sigma^2}\right)

    with the distances :math:`d_1, d_2` to the nearest and the second nearest cell, and
    :math:`w_c` balancing the two classes: the inverse of a class's share, so that the mean
    of :math:`w_c` is 1.  The second part counts on background only, as published [1]_.

    Parameters
    ----------
    mask : ndarray, shape (Y, X), bool
        Where cells are.
    labels : ndarray, shape (Y, X), integer, or None
        The cells' numbers; without them, connected parts of the mask are cells.
    w0 : float
    sigma : float
        px.

    Returns
    -------
    ndarray, shape (Y, X), float32

    References
    ----------
    .. [1] O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical
       image segmentation", MICCAI 2015. https://doi.org/10.1007/978-3-319-24574-4_28
    """
    share = float(mask.mean())
    weights = np.ones(mask.shape, np.float64)
    if 0 < share < 1:
        weights = np.where(mask, 0.5 / share, 0.5 / (1 - share))
    if labels is None:
        labels, _ = ndimage.label(mask)
    nearest, second = _two_distances(labels, reach=int(np.ceil(6 * sigma)))
    gap = np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.asarray(weights + w0 * gap * ~mask, np.float32)


def _two_distances(
    labels: npt.NDArray[np.integer], reach: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return every pixel's distances to its nearest two cells, infinite beyond `reach`."""
    nearest = np.full(labels.shape, np.inf)
    second = np.full(labels.shape, np.inf)
    found = enumerate(ndimage.find_objects(labels), start=1)
    for number, box in ((number, box) for number, box in found if box):  # None: no such number
        # Beyond 6 sigma a cell adds nothing that float32 could hold beside 1.
        around = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in box)
        distance = ndimage.distance_transform_edt(labels[around] != number)
        first, later = nearest[around], second[around]
        np.minimum(later, np.maximum(first, distance), out=later)
        np.minimum(first, distance, out=first)
    return nearest, second
