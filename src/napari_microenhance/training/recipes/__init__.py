"""Recipes: everything that decides what a training run does, as YAML and as values."""
