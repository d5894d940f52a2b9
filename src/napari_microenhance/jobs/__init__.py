"""Jobs: many images, large images, and runs that go on where they were stopped."""
