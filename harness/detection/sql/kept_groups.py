"""Groups that are kept as a table: the events behind them are read once for all that is asked of them.

A query is followed by questions to the groups that it stands on: whether a limit cut them, whether a threshold was a
tie. Read from files of millions of events, each of these would cost as much as the query.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.detection.plan.nodes import Aggregate, Limit, Node, Scan, list_sources, walk_nodes
from harness.detection.plan.passes.derived_columns import replace_sources
from harness.detection.sql.relation import Stored
from harness.record import record


@record(kw_only=True)
class KeptGroup:
    """An aggregation, the scan that has its rows, where that finds them, and the physical names of its columns."""

    node: Node
    scan: Scan
    stored: Stored
    names: Mapping[str, str]


@dataclass(slots=True)
class KeptGroups:
    """The aggregations that an engine holds the rows of, each known by its identity."""

    known: dict[int, KeptGroup] = field(default_factory=dict)

    def remember_group(self, group: KeptGroup) -> None:
        """Takes one in."""
        # The node is kept with it, so that its id is not given to another one.
        self.known[id(group.node)] = group

    def forget_tables(self, tables: Collection[str]) -> None:
        """Leaves out those whose tables are gone."""
        self.known = {key: g for key, g in self.known.items() if g.scan.table not in tables}

    def scan_known_groups(self, root: Node) -> tuple[Node, list[KeptGroup]]:
        """The plan with scans in place of what is known, and which these are."""
        if not self.known:
            return root, []
        made: dict[int, Node] = {}
        found: dict[int, KeptGroup] = {}
        for node in walk_nodes(root):
            group = self.known.get(id(node))
            if group is None:
                made[id(node)] = replace_sources(node, tuple(made[id(s)] for s in list_sources(node)))
            else:
                made[id(node)], found[id(node)] = group.scan, group
        return made[id(root)], list(found.values())


def find_lasting_groups(root: Node) -> list[Node]:
    """The aggregations that are asked for more than once: the last ones of a plan, and those that a limit cuts."""
    found: list[Node] = []
    asked = {id(root)}
    # From the root down, so that all readers of a node have spoken before its sources are asked.
    for node in reversed(list(walk_nodes(root))):
        if isinstance(node, Aggregate) and id(node) in asked:
            found.append(node)
        if isinstance(node, Limit) or (id(node) in asked and not isinstance(node, Aggregate)):
            asked.update(id(s) for s in list_sources(node))
    return found
