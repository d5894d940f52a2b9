"""ROI files: labelme, GeoJSON, ImageJ, napari CSV and label images."""
