"""The dock widget "Inspect result": what changed, where to doubt it, how it was made."""
