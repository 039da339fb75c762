"""A first expectation of what a host records: the events of a simulation that say most, as signals of a scenario."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from harness.late_pattern import late_pattern
from harness.telemetry.events.event import Events, Telemetry

# What tells an event of its kind from others; kinds that are not here follow from these.
TELLING_FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("sysmon", "1"): ("Image", "CommandLine"),
    ("powershell", "4104"): ("ScriptBlockText",),
    ("sysmon", "11"): ("TargetFilename",),
    ("sysmon", "12"): ("EventType", "TargetObject"),
    ("sysmon", "13"): ("TargetObject", "Details"),
    ("sysmon", "22"): ("QueryName",),
    ("sysmon", "3"): ("Image", "DestinationPort"),
    ("windows_security", "4698"): ("TaskName",),
    ("windows_security", "4699"): ("TaskName",),
    ("windows_security", "4720"): ("TargetUserName",),
    ("windows_security", "4732"): ("TargetUserName",),
    ("system_log", "7045"): ("ServiceName",),
}
# What every start of a console or of PowerShell leaves, whatever it is for.
EVERYDAY = late_pattern(
    r"(?i)\\conhost\.exe|__PSScriptPolicyTest_|\\UsageLogs\\|\\Schedule\\TaskCache\\|\\System32\\Tasks\\"
)
MOST_OF_A_KIND = 4
LONGEST_VALUE = 60
"""Characters of a value that a signal asks for; what follows is a `*`."""


def propose_signals(telemetry: Telemetry) -> Iterator[dict[str, Any]]:
    """Signals that these events fulfil, of each kind the first few different ones, with how many there are."""
    for (sensor, kind), fields in TELLING_FIELDS.items():
        found: Counter[tuple[tuple[str, str], ...]] = Counter()
        for events in telemetry.of(sensor, kind):
            found.update(list_telling_values(events, fields))
        for where, count in list(found.items())[:MOST_OF_A_KIND]:
            yield {"sensor": sensor, "event": int(kind), "where": dict(where), "exactly": count}


def list_telling_values(events: Events, fields: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], ...]]:
    """The values of each event that tell it from others, without what differs from host to host."""
    for row in events.columns.to_pylist():
        values = {name: events.constants.get(name, row.get(name)) for name in fields}
        if any(value is None or EVERYDAY.search(value) for value in values.values()):
            continue
        yield tuple((name, shorten_to_pattern(name, value)) for name, value in values.items() if value is not None)


def shorten_to_pattern(name: str, value: str) -> str:
    """A value as a pattern that holds on any host: file names without folders, no user's names, no long tails."""
    if name == "Image":
        return "*\\" + value.rpartition("\\")[2]
    # Stars of the value itself are stars of the pattern, which fit any text.
    text = re.sub(r"(?i)S-1-5-21-[\d-]+", "*", value)
    text = re.sub(r"(?i)(?<=C:\\Users\\)(?!Public)[^\\]+", "*", text)
    text = text.replace("\r", "").partition("\n")[0]
    return text if len(text) <= LONGEST_VALUE and text == value else text[:LONGEST_VALUE].rstrip("*") + "*"
