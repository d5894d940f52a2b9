"""The dock "Enhance ROI"."""
