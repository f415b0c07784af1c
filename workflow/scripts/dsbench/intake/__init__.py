"""Files from outside, judged by their bytes before any library loads them."""
