"""A package's own pre- and postprocessing, fitted once per run."""
