"""What is said before a run, and how it is silenced."""
