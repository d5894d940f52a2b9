"""Sections of the dock "Inspect result": they show, and tell what was asked."""
