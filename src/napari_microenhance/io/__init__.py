"""Files: images, regions of interest and napari's readers and writers."""
