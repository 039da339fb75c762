"""A parsed query, and what it means over a schema."""

from __future__ import annotations

from dataclasses import dataclass

from harness.detection.language import Plan, Settings, Strictness
from harness.detection.languages.cql import lowering
from harness.detection.languages.cql.asking import arrays, reads_unnamed_fields
from harness.detection.languages.cql.flow import Scope
from harness.detection.languages.cql.meaning import TEMPORARY, Session
from harness.detection.languages.cql.printer import print_pipeline
from harness.detection.languages.cql.saved import expand_saved_queries
from harness.detection.languages.cql.syntax import Pipeline
from harness.detection.plan.expressions import Column, Kind, Schema, SortKey
from harness.detection.plan.nodes import Scan
from harness.diagnostics import Finding, Source, SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class CqlQuery:
    """A query of CQL; see `harness.detection.language.Query`."""

    source: Source
    deviations: tuple[Finding, ...]
    raw: bool
    pipeline: Pipeline
    dialect: Strictness
    textual: frozenset[str]

    def plan(self, columns: Schema, settings: Settings) -> Plan:
        """The meaning over a schema; raises SourceError for what is not supported."""
        try:
            return self.lowered(columns, settings)
        except RecursionError:
            message = "the query is nested too deep to be run"
            raise SourceError("too-deep", message, self.source.whole()) from None

    def lowered(self, columns: Schema, settings: Settings) -> Plan:
        """The plan, step by step."""
        meaning = self.meaning(columns, settings)
        order = tuple(SortKey(Column(n)) for n in ("@timestamp", "@event"))
        scan = Scan(columns=columns, order=order)
        meaning.events = scan
        flow = Scope(meaning, scan, dict(columns), origin=columns)
        lowering.lower_pipeline(flow, expand_saved_queries(meaning, self.pipeline), shown=True)
        finish(flow)
        return Plan(
            node=flow.node,
            steps=meaning.settled(),
            switches=dict(meaning.switches),
            reads=frozenset(meaning.reads),
            findings=tuple(meaning.findings),
            asked=meaning.asked,
            cuts=tuple(meaning.cuts),
        )

    def meaning(self, columns: Schema, settings: Settings) -> Session:
        """What the reading of this query starts with."""
        meaning = Session(
            source=self.source,
            dialect=self.dialect,
            settings=settings,
            schema=columns,
            textual=self.textual if self.dialect is Strictness.LENIENT else frozenset(),
            run=lowering.lower_pipeline,
            take=lowering.row_step,
            step=lowering.take,
            plain=lowering.keeps_rows,
        )
        meaning.learn(self.pipeline)
        meaning.unnamed, meaning.arrays = reads_unnamed_fields(self.pipeline), arrays(self.pipeline)
        return meaning

    def render(self) -> str:
        """The query printed again; parsing that gives an equal query."""
        return print_pipeline(self.pipeline)


def finish(flow: Scope) -> None:
    """Leaves out columns that are no fields, and fields that were taken away."""
    extra = [n for n, k in flow.columns.items() if n.startswith(TEMPORARY) or k is Kind.NULL]
    if extra:
        flow.partition = ()
        kept = flow.visible()
        flow.columns = {n: flow.columns[n] for n in kept}
        flow.select((n, Column(n)) for n in kept)
