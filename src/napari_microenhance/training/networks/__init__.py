"""Architectures in plain torch, and what folds their layers together."""
