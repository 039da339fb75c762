"""What LogScale has of recorded events: tags, `@timestamp`, and the fields as they were ingested."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import CAUSE, TIME, Events, Telemetry, fill_times, find_arrival
from harness.telemetry.events.raw_text import RAW_FIELD, fill_recorded_texts
from harness.telemetry.events.text_columns import (
    LIST_MEMBER,
    Field,
    build_epoch_column,
    gather_list_fields,
    list_event_fields,
    number_events,
)
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.field_aliases import list_aliases
from harness.telemetry.platform import Condition, View
from harness.telemetry.recorded_text import read_recorded_texts

# As in an event exported from Next-Gen SIEM (telemetry.md 3.1).
FALCON_TAGS = {"#repo": "base_sensor", "#type": "falcon-raw-data"}

RAW_STRING = "@rawstring"

CONDITIONS = (
    Condition(
        name="repository",
        values=("base_sensor",),
        meaning="the repository of Falcon events, `#repo` (Falcon Long Term Repository has its own)",
        free=True,
    ),
    Condition(
        name="field",
        values=("as recorded",),
        meaning="another name of a field: `field:process_path=Image`, of several the first that there is",
        of_each_input=True,
    ),
)


@record
class LogScalePlatform:
    """LogScale as Next-Gen SIEM runs it: Falcon's events and whatever else was sent to it."""

    name: str = "logscale"
    conditions: tuple[Condition, ...] = CONDITIONS
    time_field: str = "@timestamp"
    text_fields: tuple[str, ...] = (RAW_STRING,)
    telling_fields: tuple[str, ...] = ()

    def present(self, telemetry: Telemetry, conditions: Mapping[str, str], *, raw: bool = False) -> tuple[View, ...]:
        """Every event as a query sees it: `@timestamp` is when the cloud or the log received it, in milliseconds."""
        arrival = find_arrival(telemetry)
        texts = read_recorded_texts(telemetry) if raw else (None,) * len(telemetry.events)
        return tuple(
            build_logscale_view(events, numbers, conditions, raw, arrival, text)
            for (numbers, events), text in zip(number_events(telemetry), texts, strict=True)
        )


def build_logscale_view(
    events: Events,
    numbers: pa.Array,
    conditions: Mapping[str, str],
    raw: bool,
    arrival: int,
    recorded_text: pa.ChunkedArray | None = None,
) -> View:
    """Events of one kind with tags, `@timestamp` in milliseconds, and `@rawstring` where `raw` asks for it."""
    recorded = {n: f for n, f in list_event_fields(events).items() if n != RAW_FIELD or events.sensor != "text"}
    # The time of receipt, not the sensor's: events of a host that was offline come hours late (telemetry.md 3.1).
    # LogScale: an event without a time that a parser finds has that of @ingesttimestamp.
    times = fill_times(events.columns.column(TIME), arrival)
    found: dict[str, Field] = {"@timestamp": build_epoch_column(times, 1000, whole=True)}
    if events.sensor == "falcon":
        name = recorded.get("event_simpleName", recorded.get("#event_simpleName", events.kind))
        repository = conditions.get("repository", CONDITIONS[0].default)
        found |= {"#event_simpleName": name, **FALCON_TAGS, "#repo": repository}
        # Recorded tags stay unless a scenario asks for another repository by name.
        if "repository" not in conditions:
            found |= {n: f for n, f in recorded.items() if n in FALCON_TAGS}
    for field in recorded.items():
        found.setdefault(*field)
    if is_windows(events):
        found |= {n: f for n, f in concat_repeated_elements(recorded, len(events)).items() if n not in found}
        # `Threat Name` of Defender is ThreatName in Sigma.
        if conditions.get("system_names") == "sigma":
            found |= {bare: f for n, f in recorded.items() if (bare := n.replace(" ", "")) not in found}
    if raw:
        # As it was sent: LogScale's parsers leave the text alone.
        found[RAW_STRING] = fill_recorded_texts(events, recorded_text)
    found |= dict(list_aliases(found, conditions))
    # No query can name it.
    found.pop("", None)
    columns = {n: f for n, f in found.items() if not isinstance(f, str)}
    return View(
        constants={n: f for n, f in found.items() if isinstance(f, str)},
        columns=pa.table({**columns, "@event": numbers, CAUSE: events.columns.column(CAUSE)}),
    )


def concat_repeated_elements(recorded: Mapping[str, Field], rows: int) -> dict[str, Field]:
    """Unnamed, repeated elements (`Data[0]`, `Data[1]`) also as one field of lines under their own name.

    LogScale knows no lists; converted Sigma rules read `Data`.
    """
    listed = {n: f for n, f in recorded.items() if LIST_MEMBER.search(n)}
    return {n: pc.binary_join(f, "\n") for n, f in gather_list_fields(listed, rows).items() if f is not None}


PLATFORM = LogScalePlatform()
