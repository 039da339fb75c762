"""KQL as far as `where` goes: `Table | where Field == "text"`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.detection.language import Plan, ReferenceEntry, Settings, Step, Strictness, Switch
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, NULL, Column, Expression, Kind, Literal, Schema, SortKey
from harness.detection.plan.nodes import Filter, Node, Scan
from harness.diagnostics import Finding, Source, SourceError, Span

OPERATOR = re.compile(r"\|\s*(\w+)\s*([^|]*)")
CONDITION = re.compile(r'([\w#@.]+)\s*==\s*"([^"]*)"\s*')
CLOCK = "@timestamp"


@dataclass(frozen=True, kw_only=True)
class KqlQuery:
    """A table and its conditions, each with its place."""

    source: Source
    table: str
    conditions: tuple[tuple[str, str, Span], ...]
    deviations: tuple[Finding, ...] = ()
    raw: bool = False

    def plan(self, columns: Schema, settings: Settings) -> Plan:
        """A filter for each `where`."""
        node: Node = Scan(columns=columns, order=(SortKey(Column(CLOCK)), SortKey(Column(EVENT_COLUMN))))
        steps = []
        for name, text, span in self.conditions:
            field: Expression = Column(name, span) if columns.get(name, Kind.NULL) is not Kind.NULL else NULL
            node = Filter(source=node, condition=ops.equal(field, Literal(text), span=span), span=span)
            steps.append(Step(span, node, "where"))
        reads = frozenset({CLOCK, *(name for name, _, _ in self.conditions)})
        return Plan(node=node, steps=tuple(steps), reads=reads)

    def render(self) -> str:
        """The query printed again."""
        return " ".join([self.table, *(f'| where {name} == "{text}"' for name, text, _ in self.conditions)])


@dataclass(frozen=True, kw_only=True)
class Kql:
    """The language."""

    name: str = "kql"
    product: str = "Sentinel"
    platform: str = "logscale"
    remote: str = ""
    switches: tuple[Switch, ...] = ()

    def parse(
        self, source: Source, dialect: Strictness = Strictness.LENIENT, settings: Settings | None = None
    ) -> KqlQuery:
        """Raises SourceError for any operator but `where`."""
        conditions = []
        for found in OPERATOR.finditer(source.text):
            place = source.span(found.start(1), found.end(1))
            if found[1] != "where":
                raise SourceError("unsupported", f"the operator `{found[1]}` is not supported", place)
            asked = CONDITION.fullmatch(found[2])
            if asked is None:
                raise SourceError("syntax", 'expected `field == "text"`', place)
            conditions.append((asked[1], asked[2], source.span(found.start(1), found.end())))
        table = source.text.partition("|")[0].strip()
        return KqlQuery(source=source, table=table, conditions=tuple(conditions))

    def lint(self, source: Source, settings: Settings | None = None) -> tuple[Finding, ...]:
        """What cannot be read."""
        try:
            self.parse(source)
        except SourceError as error:
            return (error.finding(),)
        return ()

    def reference(self) -> Iterator[ReferenceEntry]:
        """What Kusto documents, in so far as a test needs it."""
        yield ReferenceEntry(kind="operator", name="where", summary="Keeps rows.", usage=r"\|\s*where\b")
        because = "an error names it"
        yield ReferenceEntry(kind="operator", name="summarize", because=because, probe="T | summarize count()")


LANGUAGE = Kql()
