"""Events that came as fields, turned into columns: nothing is read out of their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from harness.serve.journal_record import ReceivedFields
from harness.telemetry.events.event import CAUSE, TEXT_TYPE, TIME, TIME_TYPE, UNLABELLED, Events
from harness.telemetry.platforms.logscale import RAW_STRING

STRUCTURED_SENSOR, STRUCTURED_KIND = "logscale", "structured"
INDEX_CONSTANT, REPOSITORY_TAG, KIND_TAG = "index", "#repo", "#event_simpleName"


def build_field_events(groups: Iterable[ReceivedFields]) -> Iterator[Events]:
    """The events of many groups: one table for each repository and kind, its tags and fields as columns."""
    # Not one for each combination of tags: each table is a file that every search opens.
    by_kind: dict[tuple[str, str], list[ReceivedFields]] = {}
    for group in groups:
        kind = group.tags.get(KIND_TAG, STRUCTURED_KIND)
        by_kind.setdefault((group.repository, kind), []).append(group)
    for (repository, kind), own in by_kind.items():
        constants = {
            INDEX_CONSTANT: repository,
            REPOSITORY_TAG: repository,
            **({KIND_TAG: kind} if kind != STRUCTURED_KIND else {}),
        }
        yield Events(
            sensor=STRUCTURED_SENSOR, kind=kind, constants=constants, columns=build_field_columns(own, constants)
        )


def build_field_columns(groups: Iterable[ReceivedFields], constants: Mapping[str, str]) -> pa.Table:
    """The columns of events of one kind; a field that an event lacks is null there."""
    times = [moment for group in groups for moment in group.times]
    fields = [{**group.tags, **each} for group in groups for each in group.fields]
    columns: dict[str, pa.Array] = {
        TIME: pa.array(times, pa.int64()).cast(TIME_TYPE),
        CAUSE: pa.array(np.full(len(times), UNLABELLED), pa.int32()),
        RAW_STRING: pa.array([text for group in groups for text in group.texts], pa.string()).cast(TEXT_TYPE),
    }
    for name in dict.fromkeys(name for each in fields for name in each):
        if name not in columns and name not in constants:
            columns[name] = pa.array([each.get(name) for each in fields], pa.string()).cast(TEXT_TYPE)
    return pa.table(columns)
