"""A run beside the window: its task, its tiles, its result; and several in a row."""
