"""Eval functions by family; importing this fills the table."""

from harness.detection.languages.spl.functions import (
    bits,
    conditional,
    conversion,
    extremes,
    hashes,
    hyperbolic,
    json,
    json_editing,
    kinds,
    lookups,
    mathematics,
    multivalue,
    texts,
    times,
)

__all__ = [
    "bits",
    "conditional",
    "conversion",
    "extremes",
    "hashes",
    "hyperbolic",
    "json",
    "json_editing",
    "kinds",
    "lookups",
    "mathematics",
    "multivalue",
    "texts",
    "times",
]
