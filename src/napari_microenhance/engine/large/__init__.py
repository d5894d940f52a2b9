"""Large images: an even sample instead of all pixels, and what tells one image from another."""
