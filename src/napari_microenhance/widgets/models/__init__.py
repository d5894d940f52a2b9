"""Networks in the dock: which there are, their cards, and trying them out."""
