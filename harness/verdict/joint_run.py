"""Several relations of one plan run as one statement: what they stand on is planned and computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter

from harness.detection.engine import CellValue, ResultRows
from harness.detection.plan.expressions import Column, Literal
from harness.detection.plan.nodes import Node, Select, Union
from harness.detection.plan.schema import columns_of

PART_COLUMN = "@part"


def run_jointly(nodes: Sequence[Node], run: Callable[[Node], ResultRows]) -> list[ResultRows]:
    """The rows of each relation in its order, of one statement."""
    if len(nodes) < 2:
        return [run(node) for node in nodes]
    names = [tuple(columns_of(node)) for node in nodes]
    parts = tuple(
        Select(
            source=node,
            # Names of its own for each: columns of one name would be converted to a kind that holds both.
            columns=((PART_COLUMN, Literal(float(i))), *((f"{i} {n}", Column(n)) for n in names[i])),
        )
        for i, node in enumerate(nodes)
    )
    joint = run(Union(sources=parts))
    number = joint.columns.index(PART_COLUMN)
    places = [[joint.columns.index(f"{i} {n}") for n in own] for i, own in enumerate(names)]
    takers = [itemgetter(*own) if len(own) > 1 else partial(take_one, own) for own in places]
    rows: list[list[tuple[CellValue, ...]]] = [[] for _ in nodes]
    for row in joint.rows:
        part = int(row[number])  # type: ignore[arg-type]
        rows[part].append(takers[part](row))
    return [ResultRows(own, tuple(found)) for own, found in zip(names, rows, strict=True)]


def take_one(places: Sequence[int], row: tuple[CellValue, ...]) -> tuple[CellValue, ...]:
    """The values at these places, of which there is one or none."""
    return tuple(row[at] for at in places)
