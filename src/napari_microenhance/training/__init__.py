"""How the networks are made: simulated examples, recipes, training, export (extra `train`)."""
