"""Fuzz targets, one for each parser: `python -m fuzz [TARGET...] --seconds 60`."""
