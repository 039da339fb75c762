"""Limits of the products that a plan can have reached: told from the plan where its bounds tell, else by a query."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.language import Cut, Plan
from harness.detection.plan.nodes import Derive, Node, Reverse, Select, Sort
from harness.detection.plan.schema import most_rows
from harness.diagnostics import Finding


def find_reached_limits(plan: Plan, events: int, returned: int, more: Callable[[Node], bool]) -> tuple[Finding, ...]:
    """The findings of the product's limits that were reached over so many events, by a plan that returned so many rows.

    `more` says whether a plan has a row; it is asked only where the numbers leave it open.
    """
    return tuple(c.finding for c in plan.cuts if may_cut(c, plan.node, events, returned) and more(c.more))


def may_cut(cut: Cut, root: Node, events: int, returned: int) -> bool:
    """Whether a limit can have been reached: there are enough events, and enough rows where all of them come out."""
    if cut.rows is not None and most_rows(cut.rows, events) <= cut.most:
        return False
    # Bounds told from the plan spare most queries a statement of their own.
    return returned >= cut.most or cut.kept is None or not is_row_for_row(root, cut.kept)


def is_row_for_row(root: Node, kept: Node) -> bool:
    """Whether every row of a relation comes out of a plan that stands on it."""
    while root is not kept:
        if not isinstance(root, Derive | Select | Sort | Reverse):
            return False
        root = root.source
    return True
