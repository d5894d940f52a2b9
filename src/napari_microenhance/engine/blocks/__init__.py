"""Results in blocks: where they lie, and painting them one by one."""
