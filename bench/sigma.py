"""Sigma's regression data and real events as proof: exact counts of converted rules in both languages.

    python -m bench.sigma ../shared/samples/dev

`sigma_regression/*/` holds a rule's conversions, its events and how many of them it finds; `cross/` 1,434 rules and
10,015 events, most rules finding none. Everything is counted by the engine from the published text of the conversion.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.detection.plan import operations as ops
from harness.detection.plan.nodes import Aggregate
from harness.diagnostics import HarnessError, Source
from harness.telemetry.events.event import TEXT_TYPE, Events
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.store import TelemetryStore

# As pySigma's back end for Splunk writes rules: classic Windows logs with the names of fields in the events.
CONDITIONS = {"spl": {"source": "WinEventLog", "system_names": "sigma"}, "cql": {}}
SUFFIXES = ("spl", "cql")


@dataclass
class Tally:
    """How many rules gave the expected count, and those that did not, or only on events as they were decoded."""

    exact: int = 0
    wrong: list[str] = field(default_factory=list)
    argued: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def all(self) -> int:
        """Every rule that was tried."""
        return self.exact + len(self.wrong) + len(self.argued)


Stores = dict[bool, TelemetryStore]
COUNT = (("n", ops.count()),)


BRACED = r"^\{([0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})\}$"


def stores(recorded: Path, *, as_decoded: bool = False) -> Stores:
    """The events with and without their own text, each in an engine of its own."""
    telemetry = replay(recorded)
    if as_decoded:
        telemetry = replace(telemetry, events=tuple(map(without_braces, telemetry.events)))
    # Two, or switching between queries that read the raw text and those that do not would load
    # the events anew each time.
    return {raw: TelemetryStore(open_engine("duckdb"), lambda _: telemetry) for raw in (False, True)}


def without_braces(events: Events) -> Events:
    """Events with GUIDs as the decoder of this data printed them; our reader puts back what Windows writes."""
    columns = events.columns
    for place, name in enumerate(columns.column_names):
        if columns.column(name).type == TEXT_TYPE:
            values = columns.column(name).cast(pa.string())
            bare = pc.replace_substring_regex(values, BRACED, r"\1").cast(TEXT_TYPE)
            # Only columns of text: numbers and lists hold no GUIDs.
            columns = columns.set_column(place, name, bare)
    constants = {name: re.sub(BRACED, r"\1", value) for name, value in events.constants.items()}
    return replace(events, constants=constants, columns=columns)


def close(opened: Stores) -> None:
    """Closes the engines of both stores."""
    for store in opened.values():
        store.engine.close()


def rows(opened: Stores, suffix: str, name: str, text: str) -> int | str:
    """How many events a query finds, counted by the engine, or why it cannot be run."""
    spoken = language(suffix)
    try:
        query = spoken.parse(Source(name, text))
        store = opened[query.raw]
        columns = store.load(spoken.platform, CONDITIONS[suffix], raw=query.raw)
        found = Aggregate(source=query.plan(columns, Settings()).node, keys=(), measures=COUNT)
        count = store.engine.run(found).rows[0][0]
        assert isinstance(count, int | float)
        return int(count)
    except HarnessError as error:
        return error.render()


def regression(folder: Path) -> dict[str, Tally]:
    """Each case with the events that were recorded for it."""
    found = {suffix: Tally() for suffix in SUFFIXES}
    for case in sorted(p.parent for p in folder.glob("*/expected.json")):
        expected = json.loads((case / "expected.json").read_text("utf-8"))["expected"]
        recorded = next(p for p in (case / "events.ndjson", case / "events.evtx") if p.exists())
        opened = stores(recorded)
        for suffix in SUFFIXES:
            query = case / f"query.{suffix}"
            if query.exists():
                began = perf_counter()
                tally(
                    found[suffix],
                    f"{case.name}.{suffix}",
                    rows(opened, suffix, str(query), query.read_text("utf-8")),
                    expected,
                )
                found[suffix].seconds += perf_counter() - began
        close(opened)
    return found


def cross(folder: Path) -> dict[str, Tally]:
    """Each rule on the same ten thousand events, one language after the other in this process."""
    rules = [json.loads(line) for line in (folder / "rules.ndjson").read_text("utf-8").splitlines()]
    found = {}
    for suffix in SUFFIXES:
        began = perf_counter()
        opened = stores(folder / "events.ndjson")
        counted = found[suffix] = Tally()
        for rule in rules:
            if rule.get(suffix):
                got = rows(opened, suffix, f"{rule['id']}.{suffix}", rule[suffix])
                tally(counted, f"{rule['id']}.{suffix}", got, rule["expected_hits"])
        close(opened)
        counted.seconds = perf_counter() - began
        argue(counted, {f"{rule['id']}.{suffix}": rule for rule in rules}, suffix, folder / "events.ndjson")
    return found


def argue(counted: Tally, rules: Mapping[str, Mapping[str, Any]], suffix: str, recorded: Path) -> None:
    """Counts again what differs with GUIDs as this data's decoder printed them, without the braces of the log.

    The expected counts were taken on the decoder's text; a rule that asks for a GUID in braces finds it in the log.
    """
    if not counted.wrong:
        return
    opened = stores(recorded, as_decoded=True)
    wrong, counted.wrong = counted.wrong, []
    for line in wrong:
        name = line.partition(":")[0]
        again = rows(opened, suffix, name, rules[name][suffix])
        if again == rules[name]["expected_hits"]:
            counted.argued.append(f"{line}: exact where GUIDs have no braces, as this data's decoder printed them")
        else:
            counted.wrong.append(line)
    close(opened)


def tally(counted: Tally, name: str, got: int | str, expected: int) -> None:
    """Writes down one rule's result."""
    if got == expected:
        counted.exact += 1
    else:
        counted.wrong.append(f"{name}: {got} instead of {expected}")


def lines(title: str, tallies: dict[str, Tally]) -> Iterator[str]:
    """The result of one part, every rule that differs named."""
    for suffix, counted in tallies.items():
        yield f"{title} {suffix}: {counted.exact} of {counted.all} exact, {counted.seconds:.1f} s"
        yield from (f"  {each}" for each in (*counted.wrong, *counted.argued))


def main(arguments: Sequence[str]) -> int:
    """Prints both parts; the exit code is 1 where a count differs."""
    folder = Path(arguments[0] if arguments else "../shared/samples/dev")
    parts = {"regression": regression(folder / "sigma_regression"), "cross": cross(folder / "cross")}
    for title, tallies in parts.items():
        print("\n".join(lines(title, tallies)))
    return int(any(t.wrong for tallies in parts.values() for t in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
