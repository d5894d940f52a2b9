"""The pure core: a region of an image, a network, and how one is run over the other."""
