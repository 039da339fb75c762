"""Equal relations of several plans made one, so that a statement over all of them writes each once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from harness.detection.plan.nodes import Node, list_own_parts, list_sources, walk_nodes


class SharedNodes:
    """The relations of plans seen so far; planning a query twice gives equal nodes, which a plan tells by identity."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], list[Node]] = {}
        self.made: dict[int, Node] = {}
        # Nodes that nobody else keeps would be collected, and their ids given to others.
        self.kept: list[Node] = []

    def __call__(self, root: Node) -> Node:
        """The plan with every relation that an earlier plan had in place of its own equal one."""
        for node in walk_nodes(root):
            if id(node) not in self.made:
                self.made[id(node)] = self.find_equal(node)
                self.kept.append(node)
        return self.made[id(root)]

    def find_equal(self, node: Node) -> Node:
        """A relation over sources that are shared already: the known one that is equal, or itself from now on."""
        sources = [self.made[id(s)] for s in list_sources(node)]
        own = list_own_parts(node)
        # What a node says itself may hold mappings, which are no keys.
        same = self.known.setdefault((type(node), node.span, *map(id, sources)), [])
        for each in same:
            if list_own_parts(each) == own:
                return each
        made = node if all(a is b for a, b in zip(sources, list_sources(node), strict=True)) else self.over(node)
        same.append(made)
        return made

    def over(self, node: Node) -> Node:
        """A node over what its sources became."""
        changed: dict[str, Any] = {}
        for each in fields(node):
            value = getattr(node, each.name)
            if isinstance(value, Node):
                changed[each.name] = self.made[id(value)]
            elif isinstance(value, tuple) and value and isinstance(value[0], Node):
                changed[each.name] = tuple(self.made[id(v)] for v in value)
        return replace(node, **changed)
