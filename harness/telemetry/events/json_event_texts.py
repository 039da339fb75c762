"""The text of each event in a record of JSON: the record, or the part of it that is the event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.telemetry.events.json_events import MOST_ENVELOPES, find_envelope, list_answer_items
from harness.telemetry.events.json_values import print_json_value

INDEX_ENVELOPES = frozenset({"splunk_hec", "splunk_export", "splunk_raw", "elastic_hit"})
"""Those of an index, which the event did not have when it was recorded."""


def list_event_texts(value: Any, record: str) -> Iterator[str]:
    """The texts of the events in a record, in the order in which they are added.

    Raises ValueError for content that cannot be read.
    """
    items = list_answer_items(value) if isinstance(value, dict) else None
    if items is None:
        yield from list_texts_within(value, record)
    for item in items or ():
        yield from list_texts_within(item, None)


def list_texts_within(value: Any, record: str | None) -> Iterator[str]:
    """The texts of the events in one object, whose own text may be at hand."""
    inner = held = value
    of_index = True
    for _ in range(MOST_ENVELOPES):
        found = find_envelope(inner) if isinstance(inner, Mapping) else None
        if found is None:
            break
        name, opened = found
        inner = opened.inner
        of_index = of_index and name in INDEX_ENVELOPES
        if of_index:
            held = inner if opened.text is None else opened.text
    if isinstance(inner, list):
        for item in inner:
            yield from list_texts_within(item, None)
    elif held is value and record is not None:
        yield record
    else:
        yield print_json_value(held)
