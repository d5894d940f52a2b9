"""BioImage.IO packages: read, verified and written."""
