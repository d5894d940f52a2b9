"""Architectures, and the features that a perceptual loss compares."""
