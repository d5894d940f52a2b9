"""Tiles: where they lie, how large they are, how their outputs become one."""
