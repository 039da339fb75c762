"""Commands by family; importing this fills the table."""

from harness.detection.languages.spl.commands import (
    changing,
    combining,
    deriving,
    extracting,
    filtering,
    lookup,
    making,
    models,
    order,
    selecting,
    several,
    stats,
)

__all__ = [
    "changing",
    "combining",
    "deriving",
    "extracting",
    "filtering",
    "lookup",
    "making",
    "models",
    "order",
    "selecting",
    "several",
    "stats",
]
