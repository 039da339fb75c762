"""Sigma's regression data and real events as proof: exact counts of converted rules in both languages.

    python -m bench.sigma ../shared/samples/dev

`sigma_regression/*/` holds a rule's conversions, its events and how many of them it finds; `cross/` 1,434 rules and
10,015 events, most rules finding none. Everything is counted by the engine from the published text of the conversion.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from harness.detection.engine import engine
from harness.detection.language import Settings, language
from harness.detection.plan.expressions import Aggregation
from harness.detection.plan.nodes import Aggregate
from harness.diagnostics import HarnessError, Source
from harness.telemetry.replay import replay
from harness.verdict.store import Store

CONDITIONS = {"spl": {"source": "WinEventLog", "system_names": "sigma"}, "cql": {}}
SUFFIXES = ("spl", "cql")


@dataclass
class Tally:
    """How many rules gave the expected count, and those that did not."""

    exact: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def all(self) -> int:
        """Every rule that was tried."""
        return self.exact + len(self.wrong)


Stores = dict[bool, Store]
COUNT = (("n", Aggregation("count")),)


def stores(recorded: Path) -> Stores:
    """The events with and without their own text, each in an engine of its own."""
    telemetry = replay(recorded)
    return {raw: Store(engine("duckdb"), lambda _: telemetry) for raw in (False, True)}


def close(opened: Stores) -> None:
    """Gives the engines back."""
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
        return int(store.engine.run(found).rows[0][0])
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
    return found


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
        yield from (f"  {each}" for each in counted.wrong)


def main(arguments: Sequence[str]) -> int:
    """Prints both parts; the exit code is 1 where a count differs."""
    folder = Path(arguments[0] if arguments else "../shared/samples/dev")
    parts = {"regression": regression(folder / "sigma_regression"), "cross": cross(folder / "cross")}
    for title, tallies in parts.items():
        print("\n".join(lines(title, tallies)))
    return int(any(t.wrong for tallies in parts.values() for t in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
