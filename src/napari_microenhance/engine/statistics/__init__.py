"""Networks that couple the whole image through a few numbers per channel, run without seams.

Instance, group and batch norms, global pools and means look at every pixel, so no halo makes
tiles agree. But they are functions of a few numbers. The network is cut into groups of layers at
these numbers; each group runs tile by tile over what the group before left, with its own short
reach, and the numbers are summed over all tiles. The result is that of one call on the whole image.
"""
