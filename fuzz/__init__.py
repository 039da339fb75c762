"""Fuzz targets, one for each parser, reader and way to execute: `python -m fuzz [TARGET...] --seconds 60`."""
