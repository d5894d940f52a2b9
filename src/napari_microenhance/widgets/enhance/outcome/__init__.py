"""What can be done with a result, and what takes an action back."""
