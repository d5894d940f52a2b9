"""What a network is, measured by running it."""
