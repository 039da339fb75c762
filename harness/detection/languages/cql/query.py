"""A parsed query, and what it means over a schema."""

from __future__ import annotations

from dataclasses import dataclass

from harness.detection.language import Dialect, Plan, Settings
from harness.detection.languages.cql import lowering
from harness.detection.languages.cql.asking import arrays, unnamed
from harness.detection.languages.cql.flow import Flow
from harness.detection.languages.cql.meaning import TEMPORARY, Meaning
from harness.detection.languages.cql.printer import render
from harness.detection.languages.cql.saved import unfolded
from harness.detection.languages.cql.syntax import Pipeline
from harness.detection.plan.columns import Columns, Kind
from harness.detection.plan.expressions import Column
from harness.detection.plan.nodes import Scan, SortKey
from harness.diagnostics import Finding, Source, SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class CqlQuery:
    """A query of CQL; see `harness.detection.language.Query`."""

    source: Source
    deviations: tuple[Finding, ...]
    raw: bool
    pipeline: Pipeline
    dialect: Dialect
    textual: frozenset[str]

    def plan(self, columns: Columns, settings: Settings) -> Plan:
        """The meaning over a schema; raises SourceError for what is not supported."""
        try:
            return self.lowered(columns, settings)
        except RecursionError:
            message = "the query is nested too deep to be run"
            raise SourceError("too-deep", message, self.source.whole()) from None

    def lowered(self, columns: Columns, settings: Settings) -> Plan:
        """The plan, step by step."""
        meaning = self.meaning(columns, settings)
        order = tuple(SortKey(Column(n)) for n in ("@timestamp", "@event"))
        scan = Scan(columns=columns, order=order)
        meaning.events = scan
        flow = Flow(meaning, scan, dict(columns), origin=columns)
        lowering.run(flow, unfolded(meaning, self.pipeline), shown=True)
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

    def meaning(self, columns: Columns, settings: Settings) -> Meaning:
        """What the reading of this query starts with."""
        meaning = Meaning(
            source=self.source,
            dialect=self.dialect,
            settings=settings,
            schema=columns,
            textual=self.textual if self.dialect is Dialect.LENIENT else frozenset(),
            run=lowering.run,
            take=lowering.row_step,
            step=lowering.take,
            plain=lowering.plain,
        )
        meaning.learn(self.pipeline)
        meaning.unnamed, meaning.arrays = unnamed(self.pipeline), arrays(self.pipeline)
        return meaning

    def render(self) -> str:
        """The query printed again; parsing that gives an equal query."""
        return render(self.pipeline)


def finish(flow: Flow) -> None:
    """Leaves out columns that are no fields, and fields that were taken away."""
    extra = [n for n, k in flow.columns.items() if n.startswith(TEMPORARY) or k is Kind.NULL]
    if extra:
        flow.partition = ()
        kept = flow.visible()
        flow.columns = {n: flow.columns[n] for n in kept}
        flow.select((n, Column(n)) for n in kept)
