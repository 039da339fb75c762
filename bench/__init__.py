"""How fast rules run: the product against the same detections written by hand in SQL, on the same file, in one run."""
