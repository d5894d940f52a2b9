"""How good a picture is: against a truth, or by itself; no Qt, no torch."""
