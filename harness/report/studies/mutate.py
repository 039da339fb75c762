"""What `detlab mutate` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.report.console import Paper, format_count, shorten_line
from harness.report.json_document import VERSION
from harness.verdict.mutate.mutate import Fate, JudgedMutant, Mutation

HOW = (
    "equivalent: without comparisons that the plan's own bounds decide, conditions that others cover and columns that "
    "nobody reads the plan is the rule's own"
)


def format_mutation(found: Mutation, paper: Paper, *, verbose: bool = False) -> Iterator[str]:
    """The score, the survivors with their killers, and with `verbose` all other mutants."""
    killed, alive = found.count(Fate.KILLED), found.count(Fate.SURVIVED)
    head = f"{found.rule.name}: {100 * found.score:.1f} % of {format_count(killed + alive, 'mutant')} killed"
    yield paper.paint(head, "good" if not alive else "strong")
    parts = [
        f"{format_count(found.count(f), str(f))}"
        for f in (Fate.EQUIVALENT, Fate.DUPLICATE, Fate.BROKEN)
        if found.count(f)
    ]
    also = (
        f"; not counted: {', '.join(f'{found.count(f)} {f}' for f in NOT_COUNTED if found.count(f))}" if parts else ""
    )
    expectations = format_count(found.expectations, "expectation")
    yield f"{killed} killed, {alive} survived{also}; {expectations}, {found.seconds:.1f} s"
    for name in found.failing:
        yield f"not used, for the rule itself fails it: {name}"
    if alive:
        yield ""
        yield from paper.table(
            ["line", "survivor", "a scenario that kills it"],
            [format_survivor_row(t) for t in found.survivors],
            right=frozenset({0}),
        )
    if verbose:
        rest = [t for t in found.mutants if t.fate is not Fate.SURVIVED]
        yield ""
        rows = [[str(t.mutant.line), t.mutant.what, str(t.fate), t.by] for t in rest]
        yield from paper.table(["line", "mutant", "fate", "by"], rows, right=frozenset({0}))
    if found.count(Fate.EQUIVALENT):
        yield ""
        yield from paper.paragraph(HOW, indent=6, first="note:")


NOT_COUNTED = (Fate.EQUIVALENT, Fate.DUPLICATE, Fate.BROKEN)


def format_survivor_row(trialled: JudgedMutant) -> list[str]:
    """Cells of a survivor: line, change, file of a killer."""
    killer = trialled.killer.name if trialled.killer else "none found"
    # 70 columns leave room for a file's name beside it.
    return [str(trialled.mutant.line), shorten_line(trialled.mutant.what, 70), killer]


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
        "counts": {str(f): found.count(f) for f in Fate},
        "mutants": [mutant_object(t) for t in found.mutants],
    }


def mutant_object(trialled: JudgedMutant) -> dict[str, Any]:
    """One mutant for machines."""
    mutant = trialled.mutant
    line, column = mutant.place.source.position(mutant.place.start) if mutant.place else (None, None)
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
