"""Views of several recordings put together, and whose events can be presented together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.events.event import CAUSE, TIME, UNLABELLED, Telemetry, TelemetryOrigin
from harness.telemetry.platform import View


def is_told_by_causes(telemetry: Telemetry) -> bool:
    """Whether nothing of the events hangs on other ones: each has a time of its own, and a cause that has a host."""
    if not len(telemetry) or not all(c.host for c in telemetry.causes):
        return False
    return telemetry.origin is TelemetryOrigin.SIMULATED and all(
        not e.columns.column(TIME).null_count and not (e.columns.column(CAUSE).to_numpy() == UNLABELLED).any()
        for e in telemetry.events
    )


def name_hosts(causes: npt.NDArray[np.int64], names: Mapping[int, str]) -> pa.DictionaryArray:
    """The host of each event, given the number of its cause and the host of each cause."""
    distinct = list(dict.fromkeys(names.values()))
    place = {host: i for i, host in enumerate(distinct)}
    table = np.zeros(max(names) + 1, np.int32)
    for cause, host in names.items():
        table[cause] = place[host]
    return pa.DictionaryArray.from_arrays(pa.array(table[causes]), pa.array(distinct, pa.string()))


def merge_views(views: Sequence[View]) -> Iterator[View]:
    """Views of the same constants and columns put together, so that a statement reads few tables."""
    groups: dict[tuple[object, ...], list[View]] = {}
    for view in views:
        # Arrow concatenates only tables of equal schemas.
        shape = tuple((f.name, str(f.type)) for f in view.columns.schema)
        groups.setdefault((tuple(view.constants.items()), shape), []).append(view)
    for same in groups.values():
        # A dictionary for each chunk would be decoded chunk by chunk by whoever reads it.
        table = pa.concat_tables([v.columns for v in same]).unify_dictionaries().combine_chunks()
        yield View(constants=same[0].constants, columns=table)
