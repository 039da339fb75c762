"""Falcon events as Falcon Data Replicator delivers them: a JSON object a line, every value a string."""

from __future__ import annotations

from typing import IO

from harness.telemetry.events.event import Telemetry
from harness.telemetry.events.raw_text import json_texts, stamp_fields, write_lines

SUFFIX = ".ndjson"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes the Falcon events; others have no such form."""
    falcon = telemetry.of("falcon")
    return write_lines([(events, json_texts(stamp_fields(events), len(events))) for events in falcon], out)
