"""What the manifest offers to napari: readers, writers and samples."""
