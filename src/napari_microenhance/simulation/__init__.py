"""Microscope fields with known truth: specimens, and the optics and camera that image them."""
