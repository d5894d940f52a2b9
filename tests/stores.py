"""OME-Zarr images as other programs write them."""

import zarr


def ome_zarr(path, images, *, zarr_format=2, chunks=(16, 16), **array):
    """Write multiscale images, each a list of (path, pixels, scale)."""
    group = zarr.create_group(str(path), zarr_format=zarr_format)
    scales = []
    for number, levels in enumerate(images):
        datasets = []
        for name, pixels, scale in levels:
            group.create_array(name, data=pixels, chunks=chunks[-pixels.ndim :], **array)
            transforms = [] if scale is None else [{"type": "scale", "scale": [scale] * 2}]
            datasets.append({"path": name, "coordinateTransformations": transforms})
        axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
        scales.append({"name": f"image {number}", "version": "0.4", "axes": axes,
                       "datasets": datasets})  # fmt: skip
    own = {"multiscales": scales}
    group.update_attributes(own if zarr_format == 2 else {"ome": {"version": "0.5", **own}})
    return path
