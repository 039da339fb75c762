"""The functions of CQL by family; importing this fills the table."""

from harness.detection.languages.cql.functions import (
    aggregates,
    arrays,
    assignment,
    calendar,
    charts,
    constellations,
    documents,
    drawing,
    filters,
    formatting,
    hashes,
    joins,
    lookups,
    making,
    math,
    reducing,
    rows,
    sequences,
    text,
    time,
    timestamps,
    units,
    windows,
)

FAMILIES = (
    *(
        filters,
        assignment,
        text,
        formatting,
        math,
        time,
        calendar,
        timestamps,
        aggregates,
        rows,
        charts,
        windows,
        drawing,
        units,
        sequences,
    ),
    *(arrays, reducing, documents, lookups, joins, constellations, hashes, making),
)
"""The modules in the order of the manual."""
