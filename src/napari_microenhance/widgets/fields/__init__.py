"""Fields, menus and areas that the docks are built of."""
