"""Work beside the window: one kind of job for every call that takes longer than a frame."""
