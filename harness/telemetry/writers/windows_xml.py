"""Windows events as the event log renders them: one after another, as wevtutil and Splunk's forwarder write them."""

from __future__ import annotations

from typing import IO

from harness.telemetry.event import Telemetry
from harness.telemetry.lines import write_lines
from harness.telemetry.native import build_native_texts
from harness.telemetry.windows import is_windows

SUFFIX = ".xml"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes the Windows events; others have no such form."""
    return write_lines([(events, build_native_texts(events)) for events in telemetry.events if is_windows(events)], out)
