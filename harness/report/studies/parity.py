"""What `detlab parity` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.report.console import Paper, format_count, shorten_line
from harness.report.json_document import VERSION
from harness.report.sentences import why_missed
from harness.verdict.parity import Compared, Parity, ParityDifference


def format_parity(found: Parity, paper: Paper) -> Iterator[str]:
    """Agreement on scenarios and probes, the scenarios that differ, and the changes that would settle them."""
    one, two = (r.name for r in found.rules)
    agreed = sum(c.agree for c in found.scenarios)
    what = "cause" if found.recorded else "scenario"
    yield paper.paint(f"{one} and {two}: agree on {agreed} of {format_count(len(found.scenarios), what)}", "strong")
    if found.probes:
        same = sum(c.agree for c in found.probes)
        probes = format_count(len(found.probes), "probe")
        yield f"and on {same} of {probes} made from the texts of both; {found.seconds:.1f} s"
    rows = [scenario_row(c) for c in found.scenarios if not c.alike]
    if rows:
        yield ""
        head = [what, "first", "second", "" if found.recorded else "the silent one"]
        yield from paper.table(head, rows, right=frozenset({1, 2}))
        yield paper.paint(
            "alerts of each; both alerting with other numbers is agreement, other keys make other rows", "dim"
        )
    if found.differences:
        yield ""
        rows = [difference_row(d, found) for d in found.differences]
        yield from paper.table(
            ["in", "line", "this alone would settle it", "cases", "for example"], rows, right=frozenset({3})
        )
    for remark in found.remarks:
        yield ""
        yield from paper.paragraph(remark, indent=6, first="note:")


def scenario_row(compared: Compared) -> list[str]:
    """Cells of a scenario: name, alerts of both rules, reason of the silent one."""
    a, b = compared.sides
    silent = next((s for s in compared.sides if s.explanation is not None), None)
    why = why_missed(silent.explanation) if silent else None
    reason = (
        f"line {why[0]}: {why[1]}"
        if why
        else ("" if compared.agree or None in (a.explanation, b.explanation) else "no alert")
    )
    name = Path(compared.name).stem if compared.name.endswith((".yaml", ".yml")) else compared.name
    return [shorten_line(name, 50), str(a.alerts), str(b.alerts), shorten_line(reason, 60)]


def difference_row(difference: ParityDifference, found: Parity) -> list[str]:
    """One separating clause as cells."""
    name = found.rules[difference.side].name.rpartition("/")[2]
    mutant = difference.mutant
    example = shorten_line(difference.cases[0].rpartition("/")[2], 40)
    # Cut in the middle: the beginning names the change, the end the clause.
    return [name, str(mutant.line), shorten_line(mutant.what, 60), str(len(difference.cases)), example]


def encode_parity(found: Parity) -> dict[str, Any]:
    """The study for machines."""
    return {
        "document": "parity",
        "version": VERSION,
        "rules": [r.name for r in found.rules],
        "agree": found.agree,
        "seconds": round(found.seconds, 3),
        "scenarios": [case_object(c) for c in found.scenarios],
        "probes": {"total": len(found.probes), "differing": [case_object(c) for c in found.probes if not c.agree]},
        "differences": [
            {
                "rule": found.rules[d.side].name,
                "kind": d.mutant.kind,
                "change": d.mutant.what,
                "line": d.mutant.line,
                "cases": list(d.cases),
            }
            for d in found.differences
        ],
        "remarks": list(found.remarks),
    }


def case_object(compared: Compared) -> dict[str, Any]:
    """One case for machines."""
    reasons = [why_missed(s.explanation) if s.explanation else None for s in compared.sides]
    return {
        "name": compared.name,
        "alerts": [s.alerts for s in compared.sides],
        "agree": compared.agree,
        "lost": [f"line {r[0]}: {r[1]}" if r else None for r in reasons],
    }
