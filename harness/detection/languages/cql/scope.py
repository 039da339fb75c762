"""What the reading of one query shares, and the relation that it has built so far."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.detection.language import Cut, Lookup, Settings, Step, Strictness
from harness.detection.languages.cql.coercion import can_merge_derives, found_in
from harness.detection.languages.cql.switches import DEFAULTS
from harness.detection.languages.cql.syntax import FreeText, Pipeline, QueryParameter, Syntax, Word, walk_syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal, Schema
from harness.detection.plan.nodes import Derive, Filter, Node, Select, list_sources
from harness.detection.plan.schema import kind_of, own_columns
from harness.diagnostics import Finding, Severity, Source, Span
from harness.late_pattern import late_pattern

if TYPE_CHECKING:
    from harness.detection.languages.cql.row import RowScope


ARRAY_MEMBER = late_pattern(r"(.*?)\[(\d+)\]\.(.+)", re.S)
PART = late_pattern(r"[^.\[\]]+|\[\d+\]|\[\]")
MERGED = 100


def build_json_member(element: Expression, name: str) -> Expression:
    """A member of an object that an array holds as JSON: under its whole name, or step by step."""
    quoted = [p.replace("\\", "\\\\").replace('"', '\\"') for p in (name, *PART.findall(name))]
    flat = ops.json_text(element, Literal(f'$."{quoted[0]}"'))
    if len(quoted) == 2:
        return flat
    steps = "".join(p if p.startswith("[") else f'."{p}"' for p in quoted[1:])
    return ops.coalesce(flat, ops.json_text(element, Literal("$" + steps)))


@dataclass(slots=True)
class Scope:
    """A relation that grows step by step.

    `timed` says that it is in the order of `@timestamp`, `events` that its rows are still events. Steps that make
    other rows do so apart for each combination of the columns in `partition`, which they keep.
    """

    meaning: Session
    node: Node
    columns: dict[str, Kind]
    timed: bool = True
    events: bool = True
    partition: tuple[str, ...] = ()
    present: frozenset[str] = frozenset({"@timestamp"})
    span: Span | None = None
    origin: Schema = field(default_factory=dict)

    def fresh(self) -> Scope:
        """All events again, for a sub-query."""
        meaning = self.meaning
        assert meaning.events is not None
        return Scope(meaning, meaning.events, dict(meaning.schema), origin=meaning.schema, span=self.span)

    def become(self, node: Node, *others: Scope) -> None:
        """Takes a node that reads this relation, and perhaps others, for the relation."""
        known: dict[int, Schema] = {id(f.node): f.columns for f in (self, *others)}
        for below in list_sources(node):
            known.setdefault(id(below), self.columns)
        self.columns = dict(own_columns(node, known))
        self.node = node

    def copy(self) -> Scope:
        """The same relation, to go another way from here."""
        return replace(self, columns=dict(self.columns))

    def keep(self, value: Expression, name: str | None = None) -> Column:
        """A column with this value."""
        column = name or self.meaning.temporary()
        self.derive(((column, value),), None)
        return Column(column)

    def derive(self, named: tuple[tuple[str, Expression], ...], span: Span | None) -> None:
        """Columns added or replaced; next to a step that did so too, and that they do not read, both are one."""
        before = self.node
        if not isinstance(before, Derive) or len(before.columns) > MERGED or not can_merge_derives(before, named):
            self.become(Derive(source=self.node, columns=named, span=span))
            return
        kinds = {n: kind_of(e, self.columns) for n, e in named}
        place = span if before.span is None else before.span if span is None else before.span.to(span)
        self.node = Derive(
            source=before.source, columns=tuple({**dict(before.columns), **dict(named)}.items()), span=place
        )
        self.columns |= kinds
        self.meaning.merged[id(before)] = (before, self.node)

    def require(self, condition: Expression, span: Span | None) -> None:
        """Only rows for which the condition is true."""
        if condition != Literal(True):
            self.become(Filter(source=self.node, condition=condition, span=span))
            self.present |= found_in(condition)

    def visible(self) -> tuple[str, ...]:
        """Columns that are fields and hold something."""
        return tuple(n for n, k in self.columns.items() if not n.startswith(TEMPORARY) and k is not Kind.NULL)

    def select(self, named: Iterable[tuple[str, Expression]], span: Span | None = None) -> None:
        """Exactly these columns, and what the flow itself needs."""
        chosen = dict(named)
        kept: dict[str, Expression] = {
            n: Column(n) for n in self.columns if n.startswith(TEMPORARY) or n in self.partition
        }
        if self.meaning.searches and self.events:
            gone = [n for n in self.columns if n in self.meaning.schema and n not in chosen]
            kept |= {f"{TEMPORARY}{n}": Column(n) for n in gone if f"{TEMPORARY}{n}" not in self.columns}
        self.become(Select(source=self.node, columns=tuple({**kept, **chosen}.items()), span=span))


TEMPORARY = "@~"


@dataclass(slots=True, kw_only=True)
class Session:
    """What the reading of one query knows and collects."""

    source: Source
    dialect: Strictness
    settings: Settings
    schema: Schema
    switches: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    collected: list[tuple[Expression, int]] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    tables: dict[str, Scope] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    searches: bool = False
    textual: frozenset[str] = frozenset()
    run: Callable[[Scope, Pipeline], None]
    take: Callable[[RowScope, Syntax], None]
    step: Callable[[Scope, Syntax], None]
    plain: Callable[[Syntax], bool]
    events: Node | None = None
    merged: dict[int, tuple[Node, Node]] = field(default_factory=dict)
    made: int = 0
    grown: int = 0
    joined: int = 0
    interval: tuple[float | None, float | None] | None = None
    unnamed: bool = False
    arrays: frozenset[str] = frozenset()
    asked: bool = False
    questions: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)

    def switch(self, name: str) -> str:
        """The value of a switch, which the meaning then depends on."""
        default = DEFAULTS[name]
        value = self.switches[name] = self.settings.switches.get(name, default)
        return value

    def temporary(self) -> str:
        """A new column's name that is no field."""
        self.made += 1
        return f"{TEMPORARY}{self.made}"

    def tell(
        self,
        code: str,
        what: str,
        message: str,
        span: Span,
        help: str | None = None,
        severity: Severity = Severity.WARNING,
    ) -> None:
        """Notes something once for each `what`."""
        if (code, what) not in self.told:
            self.told.add((code, what))
            self.findings.append(Finding(code=code, span=span, message=message, help=help, severity=severity))

    def learn(self, pipeline: Pipeline) -> None:
        """What a query's text tells before it is read: fields it names, defaults it gives, whether it searches."""
        parts = walk_syntax(pipeline)
        defaults = {p.name: p.default.text for p in parts if isinstance(p, QueryParameter) and p.default is not None}
        self.defaults = {**defaults, **self.defaults}
        self.mentioned |= {p.text for p in parts if isinstance(p, Word)}
        self.searches = self.searches or any(isinstance(p, FreeText) for p in parts)

    def settled(self) -> tuple[Step, ...]:
        """The steps, each with the node that its assignments ended up in."""
        return tuple(replace(s, node=self.latest(s.node)) for s in self.steps)

    def latest(self, node: Node) -> Node:
        """The node that took this one's place."""
        passed = []
        while id(node) in self.merged:
            passed.append(node)
            node = self.merged[id(node)][1]
        for each in passed:
            self.merged[id(each)] = (each, node)
        return node

    def lookup(self, name: str) -> Lookup | None:
        """The table of that name, with or without its folder and suffix."""
        tables = self.settings.lookups
        short = name.rpartition("/")[2]
        for wanted in (name, short, short.removesuffix(".csv")):
            if wanted in tables:
                return tables[wanted]
        return None
