"""Networks beside the classical methods; no torch."""
