"""Files from outside, checked by their bytes before any library loads them."""
