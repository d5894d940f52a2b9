"""A run of training: recipe, losses, checkpoints, journal."""
