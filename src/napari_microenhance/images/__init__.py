"""Image files: PNG, JPEG, TIFF, OME-TIFF and OME-Zarr, read and written."""
