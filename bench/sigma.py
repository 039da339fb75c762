"""Sigma's regression data as proof: each case's conversions by `detlab query`, counts held against Sigma's.

94 cases, most of whose events are hits; the negative side are the counts of `rule-sets`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Bench, Line, Measure
from bench.process import CommandFailed, run

CASES = "samples/dev/sigma_regression"
# As pySigma's back end for Splunk writes rules: classic Windows logs with the names of fields in the events.
CONDITIONS = {"spl": ("--condition", "source=WinEventLog", "--condition", "system_names=sigma"), "cql": ()}


def count_rows(bench: Bench, query: Path, events: Path) -> int | str:
    """How many rows a query gives, or how the command failed."""
    output = bench.folder / "sigma.out"
    command = bench.detlab("query", query, "--events", events, *CONDITIONS[query.suffix[1:]], "--json")
    try:
        run(command, output=output, folder=bench.folder)
    except CommandFailed as failure:
        return str(failure)
    return len(json.loads(output.read_bytes())["rows"])


def compare(bench: Bench) -> Iterator[Line]:
    """The share of cases with the exact count, a line a language."""
    found = sorted(path.parent for path in bench.require_shared(CASES).glob("*/expected.json"))
    cases = found[: bench.size(len(found), quick=2)]
    for language in CONDITIONS:
        wrong = []
        for case in cases:
            expected = json.loads((case / "expected.json").read_text("utf-8"))["expected"]
            counted = count_rows(bench, case / f"query.{language}", case / "events.ndjson")
            if counted != expected:
                wrong.append(case.name)
                bench.say(f"  {case.name}.{language}: {counted} instead of {expected}")
        subject = f"{language}, {len(cases)} regression cases"
        exact = 1 - len(wrong) / len(cases)
        rows = f"not exact: {' '.join(wrong)}" if wrong else "all counts exact"
        yield Line(
            measure="sigma",
            subject=subject,
            yardstick="counts of Sigma's own data",
            value=exact,
            bar=1.0,
            at_least=True,
            rows=rows,
            equal=not wrong,
        )


MEASURES = (Measure("sigma", "exact counts of Sigma's regression data, in SPL and CQL", compare),)
