"""What a network learns from: simulated fields, pairs of images, batches."""
