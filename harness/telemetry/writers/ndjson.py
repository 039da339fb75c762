"""All events as flat JSON, an object a line: System fields and data of Windows events side by side, Falcon's as FDR."""

from __future__ import annotations

from typing import IO

from harness.telemetry.event import Telemetry
from harness.telemetry.lines import write_lines
from harness.telemetry.native import json_texts, stamp_fields

SUFFIX = ".ndjson"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes every event; one whose fields do not tell its sensor names it."""
    return write_lines([(events, json_texts(stamp_fields(events), len(events))) for events in telemetry.events], out)
