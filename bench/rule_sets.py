"""A folder of 1,434 rules over real events, against the same rules on SQLite in the manner of Zircolite.

Zircolite is no package of PyPI, so a stand-in is measured (`competitors/sigma_sqlite.py`), its rules converted
beforehand. Zircolite 3.7.0 itself took longer by `SLOWER` on the machine where both were measured; its line is the
stand-in's time multiplied by that, the stand-in's own line has no bar.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Bench, Contender, Line, Measure, Result, hold_against

SAMPLE, RULES = "samples/dev/cross/events.ndjson", "samples/dev/cross/rules.ndjson"
EVENTS = 10_015
# Copies of the sample's events, and the bar of CPU against Zircolite.
SIZES = ((1, 1.0), (10, 1.0), (100, 0.2))
# CPU seconds of Zircolite 3.7.0 over those of the stand-in: 3.3 / 1.3, 20.9 / 6.6, about 200 / 62 by their slopes.
SLOWER = {1: 2.5, 10: 3.2, 100: 3.2}
FEW_RULES = 20
LANGUAGES = ("spl", "cql")
# Zircolite's rules are converted beforehand; what corresponds to that are plans which an earlier run has kept.
STATES = ("", ", plans kept")
CONDITIONS = ("--condition", "source=WinEventLog", "--condition", "system_names=sigma")
# It asks for a GUID in braces: the log has them, the decoder that Sigma's counts were taken with left them out, and
# detlab puts them back.
ARGUED = "ab4561b1-6c7e-48a7-ad08-087cfb9ce8f1"


def read_rules(bench: Bench) -> list[dict[str, object]]:
    """The rules with their conversions, fewer in a quick run."""
    lines = bench.require_shared(RULES).read_text("utf-8").splitlines()
    return [json.loads(line) for line in (lines[:FEW_RULES] if bench.quick else lines)]


def write_rules(bench: Bench, language: str) -> Path:
    """A folder of rules as files."""
    rules = read_rules(bench)
    folder = bench.folder / f"rules-{language}-{len(rules)}"
    if not folder.exists():
        folder.mkdir()
        for rule in rules:
            if text := rule.get(language):
                (folder / f"{rule['id']}.{language}").write_text(str(text), "utf-8")
    return folder


def events_of(bench: Bench, copies: int) -> Path:
    """The sample's events, some times over."""
    sample = bench.require_shared(SAMPLE)
    return bench.make(f"mixed-{copies}.ndjson", sys.executable, "-m", "bench.mixed", sample, str(copies), "{}")


def check_counts(bench: Bench, copies: int) -> Callable[[Path], str]:
    """A reader of counts that says how many are those that three engines agreed on, and which are not."""
    expected = {str(rule["id"]): int(str(rule["expected_hits"])) * copies for rule in read_rules(bench)}

    def read(output: Path) -> str:
        answer = json.loads(output.read_bytes())
        counts = answer
        if "covered" in answer:
            counts = {Path(each["path"]).stem: each["rows"] for each in answer["covered"]}
        wrong = sorted(name for name, count in counts.items() if name != ARGUED and count != expected.get(name))
        return f"counts as expected but for {len(wrong)} rules {' '.join(wrong[:5])}".rstrip()

    return read


def coverage(bench: Bench, language: str, events: Path) -> list[str | Path]:
    """The command that runs a folder of rules on events, as pySigma's back end for Splunk takes them to be set up."""
    conditions = CONDITIONS if language == "spl" and bench.has_option("coverage", "--condition") else ()
    return bench.detlab("coverage", write_rules(bench, language), "--events", events, *conditions, "--json")


def contenders(bench: Bench, copies: int) -> Iterator[Contender]:
    """Both languages through `detlab coverage`, with compiled plans kept or not, and the stand-in."""
    events, read = events_of(bench, copies), check_counts(bench, copies)
    rounds = 1 if copies > 10 else 3
    keeps = bench.has_option("coverage", "--no-cache")
    for language in LANGUAGES:
        cache = bench.folder / f"cache-{language}"
        for state in STATES if keeps else STATES[:1]:
            yield Contender(
                name=f"{language}-{copies}{state}",
                commands=[coverage(bench, language, events)],
                digest=read,
                rounds=rounds,
                # 1 says that some rule does not run, which its count then shows.
                codes=(0, 1),
                environment={"XDG_CACHE_HOME": str(cache)},
                fresh=[cache] if state == STATES[0] else [],
            )
    rules = bench.folder / f"rules-{len(read_rules(bench))}.ndjson"
    rules.write_text("".join(f"{json.dumps(rule)}\n" for rule in read_rules(bench)), "utf-8")
    converted = bench.make(f"{rules.stem}.json", sys.executable, "-m", "bench.sigma_sql", rules, "{}")
    command = bench.competitor("sigma_sqlite", converted, events, needs="orjson")
    yield Contender(name=f"sqlite-{copies}", commands=[command], digest=read, rounds=rounds)


def compare(bench: Bench) -> Iterator[Line]:
    """CPU of the whole folder at each size."""
    for copies, bar in SIZES:
        size = f"{copies * EVENTS:,} events"
        if copies > 1 and copies * EVENTS > bench.events:
            missing = f"needs --events {copies * EVENTS} or more"
            yield Line(measure="rule-sets", subject=size, yardstick="Zircolite 3.7.0", bar=bar, missing=missing)
            continue
        results = bench.race(*contenders(bench, copies))
        for language, state in ((each, state) for each in LANGUAGES for state in STATES):
            if found := results.get(f"{language}-{copies}{state}"):
                line = Line(measure="rule-sets", subject=f"{language}{state}, {size}", yardstick="the stand-in")
                yield from hold_both(line, found, results[f"sqlite-{copies}"], copies, bar, judged=not bench.quick)


def hold_both(line: Line, found: Result, stand_in: Result, copies: int, bar: float, *, judged: bool) -> Iterator[Line]:
    """A line against what was measured, and one against Zircolite by what that is known to take beside it."""
    held = replace(hold_against(line, found, stand_in), judged=judged)
    yield held
    if held.value is not None:
        told = f"Zircolite 3.7.0, {SLOWER[copies]:g} times the stand-in"
        yield replace(held, yardstick=told, value=held.value / SLOWER[copies], bar=bar)


MEASURES = (
    Measure("rule-sets", "1,434 rules over 10 k, 100 k and 1 M events, in SPL and CQL, against SQLite", compare),
)
