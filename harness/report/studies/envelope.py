"""What `detlab envelope` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.report.console import Paper, format_count
from harness.report.json_document import VERSION
from harness.report.sentences import why_missed
from harness.verdict.envelope import Envelope, Reason
from harness.verdict.envelope_axis import Axis
from harness.verdict.explain import format_value

# Told apart without colours, in a log too.
CAUGHT, MISSED, EDGE_CAUGHT, EDGE_MISSED = "#", ".", "@", "o"
# Both chosen: a map beside its labels fits on 100 columns and a screen.
WIDEST_MAP = 72
TALLEST_MAP = 30


def format_envelope(found: Envelope, paper: Paper) -> Iterator[str]:
    """The map, the variants at its extremes, and reasons beside the edge."""
    head = f"{found.rule.name}: {found.behaviour}, {found.x.name} by {found.y.name}"
    yield paper.paint(head, "strong")
    share = 100 * float(found.caught.mean()) if found.caught.size else 0.0
    yield (
        f"{format_count(found.variants, 'variant')} ({format_count(found.events, 'event')}) in one run, "
        f"{found.seconds:.1f} s: "
        f"{share:.0f} % caught"
    )
    fixed = ", ".join(f"{n} {v}" for n, v in found.fixed.items() if n not in (found.x.name, found.y.name))
    if fixed:
        yield paper.paint(f"all with {fixed}", "dim")
    if found.conditions:
        named = ", ".join(f"{n}={v}" for n, v in found.conditions.items())
        yield paper.paint(f"under the conditions {named}", "dim")
    yield ""
    yield from format_map(found, paper)
    yield ""
    for what, cell in found.extremes():
        yield f"{what}: {describe_cell(found, cell)}"
    if found.reasons:
        yield ""
        yield paper.paint("beside the edge", "dim")
        for reason in found.reasons:
            state = "caught" if reason.caught else "missed"
            yield from paper.paragraph(
                f"{describe_cell(found, reason.cell)}: {state}, {why(reason)}", indent=4, first="  "
            )


def format_map(found: Envelope, paper: Paper) -> Iterator[str]:
    """The map, the largest value of `y` above; of long axes every so many values."""
    across = choose_tick_places(len(found.x), WIDEST_MAP)
    upwards = choose_tick_places(len(found.y), TALLEST_MAP)
    width = max(len(found.y.labels[j]) for j in upwards)
    width = max(width, len(found.y.name))
    yield paper.paint(f"{found.y.name.rjust(width)}", "dim")
    for j in reversed(upwards):
        row = "".join(choose_cell_mark(found, i, j) for i in across)
        yield f"{found.y.labels[j].rjust(width)} {row}"
    yield " " * (width + 1) + format_axis_labels(found.x, across)
    legend = f"{CAUGHT} caught, {MISSED} missed; at the edge {EDGE_CAUGHT} caught, {EDGE_MISSED} missed"
    yield paper.paint(f"{' ' * (width + 1)}{found.x.name}; {legend}", "dim")


def choose_tick_places(size: int, most: int) -> list[int]:
    """Every so many places, the first among them."""
    # Rounded up: dropping values keeps the map within its width.
    return list(range(0, size, -(-size // most)))


def choose_cell_mark(found: Envelope, i: int, j: int) -> str:
    """One cell of the map."""
    caught = bool(found.caught[i, j])
    around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
    shape = found.caught.shape
    edge = any(0 <= a < shape[0] and 0 <= b < shape[1] and found.caught[a, b] != caught for a, b in around)
    return (EDGE_CAUGHT if caught else EDGE_MISSED) if edge else (CAUGHT if caught else MISSED)


def format_axis_labels(axis: Axis, across: list[int]) -> str:
    """The first, the middle and the last label under the map."""
    size = len(across)
    first, middle, last = (axis.labels[across[n]] for n in (0, size // 2, size - 1))
    room = max(0, size - len(first) - len(last))
    return f"{first}{middle.center(room) if room > len(middle) + 2 else ' ' * max(room, 1)}{last}"


def describe_cell(found: Envelope, cell: tuple[int, int]) -> str:
    """A cell in words."""
    return f"{found.x.name} {found.x.labels[cell[0]]}, {found.y.name} {found.y.labels[cell[1]]}"


def list_edge_rows(found: Envelope) -> tuple[list[str], list[list[str]]]:
    """The extremes that are still caught, and the variants beside the edge with their reasons."""
    rows = [[what, describe_cell(found, cell), ""] for what, cell in found.extremes()]
    rows += [["caught" if r.caught else "missed", describe_cell(found, r.cell), why(r)] for r in found.reasons]
    return ["", "variant", "why"], rows


def why(reason: Reason) -> str:
    """Why a variant is caught, by the numbers of its alert, or missed, by where it is lost."""
    if reason.caught:
        alert = next(a for a in reason.alerts if a.malicious)
        numbers = [f"{n} {format_value(v)}" for n, v in alert.fields.items() if isinstance(v, float)]
        return ", ".join(numbers) or "it alerts"
    lost = why_missed(reason.explanation)
    return f"line {lost[0]}: {lost[1]}" if lost else "no alert rests on it"


def encode_envelope(found: Envelope) -> dict[str, Any]:
    """The study for machines; `caught[i][j]` belongs to the i-th value of x and the j-th of y."""
    return {
        "document": "envelope",
        "version": VERSION,
        "rule": found.rule.name,
        "behaviour": found.behaviour,
        "conditions": dict(found.conditions),
        "given": {n: str(v) for n, v in found.fixed.items()},
        "x": axis_object(found.x),
        "y": axis_object(found.y),
        "caught": [[bool(v) for v in row] for row in found.caught.tolist()],
        "rates": [[float(v) for v in row] for row in found.rates.tolist()],
        "variants": found.variants,
        "events": found.events,
        "seconds": round(found.seconds, 3),
        "extremes": [
            {"what": what, "x": found.x.labels[cell[0]], "y": found.y.labels[cell[1]]}
            for what, cell in found.extremes()
        ],
        "edge": [
            {"x": found.x.labels[r.cell[0]], "y": found.y.labels[r.cell[1]], "caught": r.caught, "because": why(r)}
            for r in found.reasons
        ],
    }


def axis_object(axis: Axis) -> dict[str, Any]:
    """An axis for machines."""
    return {"name": axis.name, "varies": str(axis.sort), "labels": list(axis.labels), "unit": axis.unit}
