"""The ROI in the viewer: drawn, read from a file, outlined."""
