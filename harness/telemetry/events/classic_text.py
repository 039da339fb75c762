"""Windows events as Splunk's classic collection writes them: lines of `Name=value`, then the rendered message."""

from __future__ import annotations

import re

from harness.late_pattern import late_pattern

# Seven lines stand between the two; without a bound each of many `LogName=` would be tried up to the end of the text.
CLASSIC_START = late_pattern(r"^LogName=[^\n]*\n(?:[A-Za-z]+=[^\n]*\n){0,20}?EventCode=", re.M)
CLASSIC_LINE = late_pattern(r"([A-Za-z]+)=(.*)")

PROVIDERS = {
    "Microsoft Windows security auditing.": "Microsoft-Windows-Security-Auditing",
    "Microsoft-Windows-Security-Auditing.": "Microsoft-Windows-Security-Auditing",
}
"""Names of providers as the event log shows them, where they differ."""


def read_classic_text(text: str) -> dict[str, str]:
    """Header lines and the message of an event, under the names that its text has."""
    found: dict[str, str] = {}
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines):
        header = CLASSIC_LINE.fullmatch(line)
        if header and header[1] == "Message":
            found["Message"] = "\n".join([header[2], *lines[number + 1 :]]).rstrip()
            break
        if header:
            found[header[1]] = header[2]
        elif number == 0:
            # The first line is the time, in the machine's own zone.
            found["TimeWritten"] = line
    found["SourceName"] = PROVIDERS.get(found.get("SourceName", ""), found.get("SourceName", ""))
    return found
