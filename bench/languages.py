"""What reading, planning and compiling a query takes, by commands over many: the start of a process is taken off.

`detlab compile` of a published rule less that of a rule of one condition, `detlab coverage` of many variants of a rule
less one of them, `detlab lint` of all queries of a corpus less one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import PACK, Bench, Contender, Line, Measure, Result, Unmeasured
from bench.rule_sets import SAMPLE

# Seconds of CPU a rule, and corpus queries a second of CPU.
COMPILE_BAR, CORPUS_BAR = 0.015, 1500.0
COLUMNS, VARIANTS = 500, 60
# Of one column: a rule that gives all of them would be the larger one.
LEAST = {
    "spl": "index=wineventlog EventCode=3 | table host\n",
    "cql": "#event_simpleName=NetworkConnectIP4 | select([ComputerName])\n",
}
MARKS = {"spl": "TotalConnections > 50", "cql": "TotalConnections > 50"}


def wide_events(bench: Bench, columns: int) -> Path:
    """The fewest real events that have so many columns between them; a made one where there are no samples."""
    path = bench.folder / f"columns-{columns}.ndjson"
    try:
        lines = bench.require_shared(SAMPLE).read_text("utf-8").splitlines()
    except Unmeasured:
        names = {f"Field{number:03}": "value" for number in range(columns)}
        event = {"EventID": "3", "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "WS01", **names}
        lines = [json.dumps(event)]
    seen: set[str] = set()
    kept = []
    for line in lines:
        names_of = set(json.loads(line))
        if not names_of <= seen and len(seen | names_of) <= columns:
            seen |= names_of
            kept.append(line)
    path.write_text("".join(f"{line}\n" for line in kept), "utf-8")
    return path


def write_variants(bench: Bench, language: str, number: int) -> Path:
    """A folder of variants of the published rule that differ in a literal, so that no cache knows them."""
    folder = bench.folder / f"variants-{language}-{number}"
    folder.mkdir(exist_ok=True)
    text = (PACK / "T1583.004" / f"server.{language}").read_text("utf-8")
    for each in range(number):
        # Never the literal of another folder or of the published rule.
        changed = text.replace(MARKS[language], f"TotalConnections > {1000 * number + each}")
        (folder / f"variant-{each:04}.{language}").write_text(changed, "utf-8")
    return folder


def compare_variants(bench: Bench) -> Iterator[Line]:
    """CPU a further rule at so many columns, in both languages."""
    events, many = wide_events(bench, COLUMNS), bench.size(VARIANTS, quick=3)
    for language in MARKS:
        folders = {number: write_variants(bench, language, number) for number in (1, many)}
        results = bench.race(
            *(
                Contender(
                    name=f"{language}, variants {number}",
                    commands=[bench.detlab("coverage", folder, "--events", events, "--json")],
                    codes=(0, 1),
                    fresh=[bench.cache],
                )
                for number, folder in folders.items()
            )
        )
        few, all_of = (results[f"{language}, variants {number}"] for number in (1, many))
        spent = (all_of.cost.cpu - few.cost.cpu) / (many - 1)
        subject = f"{language} at {COLUMNS} columns, with two runs"
        # Without a bar: coverage also runs each rule, over no events and over these.
        line = Line(measure="compile", subject=subject, yardstick="15 ms", judged=not bench.quick)
        yield replace(line, value=spent / COMPILE_BAR, cost=all_of.cost)
        yield compare_compile(bench, language, events)


def compare_compile(bench: Bench, language: str, events: Path) -> Line:
    """CPU of `detlab compile` for the published rule, less that for a rule of one condition and one column."""
    least = bench.folder / f"least.{language}"
    least.write_text(LEAST[language], "utf-8")
    rules = (least, PACK / "T1583.004" / f"server.{language}")
    results = bench.race(
        *(
            Contender(
                name=f"compile {rule.name}",
                commands=[bench.detlab("compile", rule, "--events", events)],
                fresh=[bench.cache],
            )
            for rule in rules
        )
    )
    spent = net([results[f"compile {rule.name}"] for rule in rules])
    subject = f"{language} at {COLUMNS} columns, cold"
    line = Line(measure="compile", subject=subject, yardstick="15 ms", bar=1.0, judged=not bench.quick)
    return replace(line, value=spent / COMPILE_BAR, cost=results[f"compile {rules[1].name}"].cost)


def compare_corpora(bench: Bench) -> Iterator[Line]:
    """Queries a second of CPU that the command looks through."""
    for language in MARKS:
        corpus = bench.require_shared(f"corpora/{language}")
        found = sorted(corpus.rglob(f"*.{language}"))[: bench.size(100_000, quick=20)]
        macros = ("--macros", corpus / "macros.json") if (corpus / "macros.json").exists() else ()
        contenders = [
            Contender(
                name=f"lint {len(files)} {language}", commands=[bench.detlab("lint", *files, *macros)], codes=(0, 1)
            )
            for files in (found[:1], found)
        ]
        results = list(bench.race(*contenders).values())
        line = Line(measure="corpus", subject=contenders[1].name, yardstick="1,500 a second", bar=1.0, at_least=True)
        rate = (len(found) - 1) / net(results)
        yield replace(line, value=rate / CORPUS_BAR, cost=results[1].cost, judged=not bench.quick)


def net(results: list[Result]) -> float:
    """CPU of the second result without what the first takes; never nothing."""
    return max(results[1].cost.cpu - results[0].cost.cpu, 1e-3)


MEASURES = (
    Measure(
        "compile",
        "either published rule over 500 columns: CPU of compiling it, and a further variant in a folder",
        compare_variants,
    ),
    Measure("corpus", "published queries that `detlab lint` looks through in a second", compare_corpora),
)
