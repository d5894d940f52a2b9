"""Original and result on the canvas: side by side, swipe, blink, difference."""
