"""What `detlab mutate` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.report.console import Paper, format_count, shorten_line
from harness.report.json_document import VERSION
from harness.verdict.mutate.mutate import Fate, JudgedMutant, Mutation

WHY = {
    Fate.COSMETIC: "cosmetic: values stand more often in a list that no expectation looks at, alerts are as many",
    Fate.TIE: "tie: only a computed fraction that is exactly the number would tell, so nothing is counted",
}
HOW = (
    "equivalent: without comparisons that the plan's own bounds decide, conditions that others cover and columns that "
    "nobody reads the plan is the rule's own"
)


def format_mutation(found: Mutation, paper: Paper, *, verbose: bool = False) -> Iterator[str]:
    """The score, the survivors with their killers, and with `verbose` all other mutants."""
    killed, alive = found.count(Fate.KILLED), found.count(Fate.SURVIVED)
    head = f"{found.rule.name}: {100 * found.score:.1f} % of {format_count(killed + alive, 'mutant')} killed"
    yield paper.paint(head, "good" if not alive else "strong")
    parts = [f"{format_count(found.count(f), str(f))}" for f in NOT_COUNTED if found.count(f)]
    also = (
        f"; not counted: {', '.join(f'{found.count(f)} {f}' for f in NOT_COUNTED if found.count(f))}" if parts else ""
    )
    expectations = "recorded events" if found.recorded else format_count(found.expectations, "expectation")
    yield f"{killed} killed, {alive} survived{also}; {expectations}, {found.seconds:.1f} s"
    for name in found.failing:
        yield f"not used, for the rule itself fails it: {name}"
    if alive:
        yield ""
        names = ["line", "survivor", *([] if found.recorded else ["a scenario that kills it"])]
        rows = [format_survivor_row(found, t)[: len(names)] for t in found.survivors]
        yield from paper.table(names, rows, right=frozenset({0}))
    if verbose:
        rest = [t for t in found.mutants if t.fate is not Fate.SURVIVED]
        yield ""
        rows = [[str(t.mutant.line), t.mutant.what, str(t.fate), t.by] for t in rest]
        yield from paper.table(["line", "mutant", "fate", "by"], rows, right=frozenset({0}))
    yield from format_notes(found, paper)


def format_notes(found: Mutation, paper: Paper) -> Iterator[str]:
    """What the classes mean that do not count, and whether the search for killers came to its end."""
    notes = [HOW] if found.count(Fate.EQUIVALENT) else []
    notes += [text for fate, text in WHY.items() if found.count(fate)]
    if found.recorded:
        notes.append("noticed is a mutant that alerts on another attack, or another number of times on none")
    report = found.search
    if report is not None and not report.probes:
        notes.append("killers are made of scenarios that simulate something, and none of these does (`simulate:`)")
    if report is not None and report.left:
        notes.append(
            f"killers were looked for among {report.probes} probes for {report.seconds:.0f} of {report.allowed:g} s; "
            f"for {format_count(report.left, 'survivor')} there was no time (--seconds)"
        )
    for note in (*notes, *found.remarks):
        yield ""
        yield from paper.paragraph(note, indent=6, first="note:")


NOT_COUNTED = (Fate.EQUIVALENT, Fate.COSMETIC, Fate.TIE, Fate.DUPLICATE, Fate.BROKEN)


def format_survivor_row(found: Mutation, trialled: JudgedMutant) -> list[str]:
    """Cells of a survivor: line, change, file of a killer."""
    looked = found.search is not None and found.search.probes > 0
    killer = trialled.killer.name if trialled.killer else "none found" if looked else "not looked for"
    # 70 columns leave room for a file's name beside it.
    return [str(trialled.mutant.line), shorten_line(trialled.mutant.what, 70), killer]


def list_survivor_rows(found: Mutation) -> tuple[list[str], list[list[str]]]:
    """The survivors as a table; those that a scenario is known to kill come first, since they are soonest mended."""
    order = sorted(found.survivors, key=lambda t: (t.killer is None, t.mutant.line))
    return ["line", "survivor", "a scenario that kills it"], [format_survivor_row(found, t) for t in order]


def encode_mutation(found: Mutation) -> dict[str, Any]:
    """The study for machines."""
    return {
        "document": "mutate",
        "version": VERSION,
        "rule": found.rule.name,
        "score": found.score,
        "expectations": found.expectations,
        "not_used": list(found.failing),
        "seconds": round(found.seconds, 3),
        "search": None
        if found.search is None
        else {
            "probes": found.search.probes,
            "seconds": round(found.search.seconds, 3),
            "allowed_seconds": found.search.allowed,
            "left": found.search.left,
        },
        "counts": {str(f): found.count(f) for f in Fate},
        "mutants": [mutant_object(t) for t in found.mutants],
        "remarks": list(found.remarks),
    }


def mutant_object(trialled: JudgedMutant) -> dict[str, Any]:
    """One mutant for machines."""
    mutant = trialled.mutant
    line, column = mutant.place.position if mutant.place else (None, None)
    return {
        "kind": mutant.kind,
        "change": mutant.what,
        "line": line,
        "column": column,
        "text": mutant.place.text[:200] if mutant.place else None,
        "fate": str(trialled.fate),
        "by": trialled.by or None,
        "killer": {"name": trialled.killer.name, "text": trialled.killer.text} if trialled.killer else None,
    }
