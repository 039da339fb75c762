"""`python -m bench.competitors.sigma_sqlite RULES.json EVENTS.ndjson`: a rule set on SQLite as Zircolite runs it.

All events go into one table in memory whose columns compare without case, each rule is a SELECT whose rows are fetched.
Prints the number of rows of each rule.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sqlite3
import sys
from functools import cache
from pathlib import Path
from typing import Any

import orjson

# What every rule asks for stands first in a row: SQLite reads a row from its beginning.
FIRST = ("source", "eventcode", "channel", "eventid")


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression, compiled once."""
    return re.compile(pattern)


def regexp(pattern: str, value: Any) -> bool | None:
    """SQLite's operator."""
    return None if value is None else compiled(pattern).search(str(value)) is not None


@cache
def network(text: str) -> Any:
    """A network, read once."""
    return ipaddress.ip_network(text, strict=False)


def in_network(value: Any, text: str) -> bool | None:
    """Whether an address lies in a network."""
    try:
        return None if value is None else ipaddress.ip_address(value) in network(text)
    except ValueError:
        return False


def flattened(event: dict[str, Any]) -> dict[str, str | None]:
    """An event's fields as text by names without case, as rule sets for SQLite hold them."""
    found: dict[str, str | None] = {}
    for name, value in event.items():
        if isinstance(value, str | None):
            found[name.lower()] = value
        else:
            found[name.lower()] = orjson.dumps(value).decode()
    return found


def load(connection: sqlite3.Connection, path: Path) -> None:
    """Reads all events, makes a table of all columns that there are, and writes an event at a time."""
    events = [flattened(orjson.loads(line)) for line in path.open("rb")]
    names = dict.fromkeys((*FIRST, *(name for event in events for name in event)))
    connection.execute(f"CREATE TABLE logs ({', '.join(f'{quoted(name)} TEXT COLLATE NOCASE' for name in names)})")
    for event in events:
        columns = ", ".join(map(quoted, event))
        connection.execute(f"INSERT INTO logs ({columns}) VALUES ({', '.join('?' * len(event))})", [*event.values()])
    connection.execute("CREATE INDEX sources ON logs (source, eventcode)")
    connection.execute("CREATE INDEX channels ON logs (channel, eventid)")


def quoted(name: str) -> str:
    """A name of a column."""
    return '"' + name.replace('"', '""') + '"'


def main(rules: Path, events: Path) -> None:
    """Runs each rule on all events."""
    connection = sqlite3.connect(":memory:")
    connection.create_function("regexp", 2, regexp, deterministic=True)
    connection.create_function("in_network", 2, in_network, deterministic=True)
    load(connection, events)
    held = {row[1].lower() for row in connection.execute("PRAGMA table_info(logs)")}
    counts = {}
    for rule in json.loads(rules.read_bytes()):
        # A column that no event has is null for all of them.
        statement = re.sub(r'"(\w+)"', lambda m: m[0] if m[1].lower() in held else "NULL", rule["rule"][0])
        counts[rule["title"]] = len(connection.execute(statement).fetchall())
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
