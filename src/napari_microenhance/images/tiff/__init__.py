"""TIFF and OME-TIFF files."""
