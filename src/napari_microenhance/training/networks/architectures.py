"""The architectures by name: each a constructor that takes keywords.

Every one of them tiles: what an output pixel sees is bounded and does not depend on the
rest of the tile, unless ``norm="instance"`` or ``attention=True`` is asked for, which couple
the whole tile and leave seams [1]_.  Batch normalisation is a fixed factor and offset once
trained, and is folded into the convolutions on export.

References
----------
.. [1] E. Buglakova et al., "Tiling artifacts and trade-offs of feature normalization in the
   segmentation of large biological images", ICCV 2025. https://arxiv.org/abs/2503.19545
"""

from collections.abc import Callable

from torch import nn

from napari_microenhance.training.networks.discriminators import PatchGAN
from napari_microenhance.training.networks.plain_chains import ESPCN, Autoencoder, DnCNN
from napari_microenhance.training.networks.residual_unet import ResidualUNet
from napari_microenhance.training.networks.resnets import ResNetGenerator, SRResNet
from napari_microenhance.training.networks.unets import Pix2PixUNet, UNet

__all__ = ["NETWORKS"]

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "residual-unet": ResidualUNet,
    "pix2pix-unet": Pix2PixUNet,
    "patchgan": PatchGAN,
    "resnet": ResNetGenerator,
    "autoencoder": Autoencoder,
    "dncnn": DnCNN,
    "espcn": ESPCN,
    "srresnet": SRResNet,
    "unet": UNet,
}
"""Constructors by the name that a recipe gives them."""
