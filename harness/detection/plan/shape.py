"""Which columns each node of a plan gives."""

from __future__ import annotations

from harness.detection.plan.columns import Kind, Schema, merge_kinds
from harness.detection.plan.kinds import kind_of
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Join,
    JoinKind,
    Node,
    Scan,
    Select,
    Union,
    Unnest,
    Values,
    Window,
    list_sources,
    walk_nodes,
)


def columns_of(node: Node, known: dict[int, Schema] | None = None) -> Schema:
    """The columns of the relation, in order; `known` keeps those of nodes already seen, by identity."""
    known = {} if known is None else known
    for each in walk_nodes(node):
        if id(each) not in known:
            known[id(each)] = own_columns(each, known)
    return known[id(node)]


def own_columns(node: Node, known: dict[int, Schema]) -> Schema:
    """The columns of one node, those of its sources being known."""
    below = [known[id(s)] for s in list_sources(node)]
    match node:
        case Scan(columns=columns) | Values(columns=columns):
            return columns
        case Select(columns=named):
            return {n: kind_of(e, below[0]) for n, e in named}
        case Derive(columns=named) | Window(measures=named):
            return {**below[0], **{n: kind_of(e, below[0]) for n, e in named}}
        case Aggregate(keys=keys, measures=measures):
            return {n: kind_of(e, below[0]) for n, e in (*keys, *measures)}
        case Join(kind=kind, columns=named):
            if kind in (JoinKind.SEMI, JoinKind.ANTI):
                return below[0]
            taken = {n: kind_of(e, below[1]) for n, e in named}
            # A name that both sides have keeps the left value where there is no partner, so it must hold both kinds.
            return {**below[0], **{n: merge_kinds(below[0].get(n, Kind.NULL), k) for n, k in taken.items()}}
        case Union():
            joint: dict[str, Kind] = {}
            for columns in below:
                for name, k in columns.items():
                    joint[name] = merge_kinds(joint.get(name, Kind.NULL), k)
            return joint
        case Unnest(column=column, position=position):
            place = {position: Kind.NUMBER} if position else {}
            return {**below[0], column: Kind.TEXT, **place}
        case _:
            return below[0]
