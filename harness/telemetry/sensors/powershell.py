"""PowerShell/Operational: script blocks (4104), long ones in several records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import decimal, each_its_own, encode_codes
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup, take_column_rows
from harness.telemetry.simulation.activity import ScriptExecution
from harness.telemetry.simulation.identity import random_guids
from harness.telemetry.windows_log import Channel, computer, late, thread_of

CHANNEL = Channel(
    sensor="powershell",
    provider="Microsoft-Windows-PowerShell",
    guid="{A0C1853B-5C40-4B15-8766-3CF1C58F985A}",
    name="Microsoft-Windows-PowerShell/Operational",
    keywords="0x0",
    level="5",
)

# PowerShell's source: `10000 + (new Random()).Next(10000)`, anew for each script, so that attackers cannot aim at the
# border. Here one value, so that the number of records does not hang on chance.
SEGMENT = 16_000
"""Characters in one record; PowerShell draws a number from 10,000 to 20,000."""


def script_execution(rows: ActivityRows[ScriptExecution], setup: Setup) -> Iterator[Events]:
    """Event 4104: verbose, or a warning for what PowerShell itself finds suspicious."""
    if setup.on("script_block_logging"):
        yield from script_blocks(rows.where(lambda a: not a.suspicious), setup, level="5")
    # Logged with the policy off too: 75 of 495 recorded events (telemetry.md 2.3).
    yield from script_blocks(rows.where(lambda a: a.suspicious), setup, level="3")


def script_blocks(rows: ActivityRows[ScriptExecution], setup: Setup, *, level: str) -> Iterator[Events]:
    """Events 4104 of one level, each script cut into segments with one ScriptBlockId."""
    if not len(rows):
        return
    text = rows.text(lambda a: a.script_block)
    parts = [segments(t or "") for t in text.dictionary.to_pylist()]
    codes = text.indices.to_numpy()
    totals = np.array([len(p) for p in parts], np.int64)[codes]
    first = np.cumsum([0, *(len(p) for p in parts)])
    row = np.repeat(np.arange(len(rows)), totals)
    number = np.arange(len(row)) - np.repeat(np.cumsum(totals) - totals, totals)
    actors = rows.processes()
    once: dict[str, Any] = {
        "Computer": rows.each(computer),
        "Correlation_ActivityID": each_its_own(pc.utf8_upper(random_guids(setup.random, len(rows), braces=True))),
        "Execution_ProcessID": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "Execution_ThreadID": rows.each(thread_of("pipeline")),
        "Security_UserID": actors.each(lambda p: p.user.sid),
        "ScriptBlockId": each_its_own(random_guids(setup.random, len(rows))),
        "Path": rows.each(lambda a: a.path or ""),
    }
    repeated = take_column_rows(once, row)
    # Put back last: a record has number, total and text before them.
    script_block_id, path = repeated.pop("ScriptBlockId"), repeated.pop("Path")
    columns = {
        **repeated,
        "MessageNumber": decimal(number + 1),
        "MessageTotal": decimal(totals[row]),
        "ScriptBlockText": encode_codes(first[codes[row]] + number, [segment for p in parts for segment in p]),
        "ScriptBlockId": script_block_id,
        "Path": path,
    }
    at = late(rows.at, setup, least=0.002)[row] + number * np.timedelta64(900, "us")
    cause = rows.cause[row]
    # As in 426 recorded events; early WMF 5 has Task 102.
    yield CHANNEL.written("4104", columns, at=at, cause=cause, version="1", task="2", opcode="15", level=level)


def segments(text: str) -> list[str]:
    """A script as the texts of its records."""
    return [text[i : i + SEGMENT] for i in range(0, max(1, len(text)), SEGMENT)]


SENSOR = Sensor(
    name="powershell",
    meaning="the Operational channel of Windows PowerShell",
    origin=CHANNEL,
    conditions=(
        Condition(
            name="script_block_logging",
            values=("on", "off"),
            meaning="whether all script blocks are logged (4104) or only those that PowerShell finds suspicious",
        ),
    ),
    records={ScriptExecution: script_execution},
)
