"""ImageJ's .roi and .zip: what its ROI decoder documents."""
