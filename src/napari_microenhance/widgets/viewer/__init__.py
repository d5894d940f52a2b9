"""What the docks read from the viewer and put into it, as values."""
