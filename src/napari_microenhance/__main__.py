"""`python -m napari_microenhance` does what `microenhance` does."""

from napari_microenhance.cli import main

if __name__ == "__main__":
    main()
