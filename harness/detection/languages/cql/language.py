"""The language, and a parsed query over a schema."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.enclosure import Enclosure
from harness.detection.invisible_characters import DOUBLE_QUOTED_TEXT, refuse_invisible_characters
from harness.detection.language import Plan, ReferenceEntry, Settings, Strictness, Switch
from harness.detection.languages.cql import functions
from harness.detection.languages.cql.confinement import confine_query
from harness.detection.languages.cql.discovery import arrays, reads_unnamed_fields
from harness.detection.languages.cql.lint.check import check_query
from harness.detection.languages.cql.parser import parse_query
from harness.detection.languages.cql.planner import keeps_rows, lower_pipeline, row_step, take
from harness.detection.languages.cql.printer import print_pipeline
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.saved_queries import NESTED, expand_saved_queries, saved_text
from harness.detection.languages.cql.scope import TEMPORARY, Scope, Session
from harness.detection.languages.cql.switches import SWITCHES
from harness.detection.languages.cql.syntax import Pipeline, SavedCall, walk_syntax
from harness.detection.plan.expressions import Column, Kind, Schema, SortKey
from harness.detection.plan.nodes import Scan
from harness.detection.plan.passes.requirements import is_decided_by_order
from harness.diagnostics import Finding, RejectedError, Severity, Source, SourceError
from harness.record import record

EQUAL_TIMES_SWITCH = "equal-times"


@record(kw_only=True)
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
        # Not asked: only a plan whose values hang on the order of events depends on the switch.
        reverse = settings.switches.get(EQUAL_TIMES_SWITCH) == "reversed"
        order = (SortKey(Column("@timestamp")), SortKey(Column("@event"), descending=reverse))
        scan = Scan(columns=columns, order=order)
        meaning.events = scan
        flow = Scope(meaning, scan, dict(columns), origin=columns)
        lower_pipeline(flow, expand_saved_queries(meaning, self.pipeline), shown=True)
        finish(flow)
        if is_decided_by_order(flow.node):
            meaning.switch(EQUAL_TIMES_SWITCH)
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
            run=lower_pipeline,
            take=row_step,
            step=take,
            plain=keeps_rows,
        )
        meaning.learn(self.pipeline)
        meaning.unnamed, meaning.arrays = reads_unnamed_fields(self.pipeline), arrays(self.pipeline)
        return meaning

    def render(self) -> str:
        """The query printed again; parsing that gives an equal query."""
        return print_pipeline(self.pipeline)

    def sent_text(self) -> str:
        """The text as it is; saved queries that it names have to be saved there."""
        return self.source.text

    def confine(self, enclosure: Enclosure, until: int | None = None) -> str:
        """The query up to a place, on the events that have the enclosure's tags."""
        return confine_query(self.source.text, self.pipeline, enclosure, until)


def finish(flow: Scope) -> None:
    """Leaves out columns that are no fields, and fields that were taken away."""
    extra = [n for n, k in flow.columns.items() if n.startswith(TEMPORARY) or k is Kind.NULL]
    if extra:
        flow.partition = ()
        kept = flow.visible()
        flow.columns = {n: flow.columns[n] for n in kept}
        flow.select((n, Column(n)) for n in kept)


COMMENT = r"//[^\n]*|/\*.*?\*/"
# A slash behind a word is a division.
LITERAL = rf"{DOUBLE_QUOTED_TEXT}|(?<=[=(,|{{!\s])/(?![/*])(?:[^/\\\n]|\\.)+/"


@record(kw_only=True)
class Cql:
    """The language; see `harness.detection.language.Language`."""

    name: str = "cql"
    product: str = "LogScale"
    platform: str = "logscale"
    remote: str = "logscale"
    switches: tuple[Switch, ...] = SWITCHES

    def parse(
        self, source: Source, dialect: Strictness = Strictness.LENIENT, settings: Settings | None = None
    ) -> CqlQuery:
        """The query of a text. Raises SourceError where it cannot be read, RejectedError where STRICT refuses it."""
        refuse_invisible_characters(source, LITERAL, COMMENT)
        pipeline, parser = parse_query(source, pipes=dialect is Strictness.STRICT)
        check = check_query(pipeline, parser.findings)
        refused = [f for f in check.findings if f.severity is Severity.ERROR]
        if refused and dialect is Strictness.STRICT:
            raise RejectedError(self.product, refused)
        raw = check.raw or any(self.raw_saved(p, settings) for p in walk_syntax(pipeline) if isinstance(p, SavedCall))
        return CqlQuery(
            source=source,
            deviations=tuple(sorted((*refused, *check.liberties), key=lambda f: f.span.start)),
            raw=raw,
            pipeline=pipeline,
            dialect=dialect,
            textual=check.textual,
        )

    def raw_saved(self, part: SavedCall, settings: Settings | None, depth: int = 0) -> bool:
        """Whether a saved query may read the text of events."""
        text = saved_text(settings.saved, part.name) if settings and depth < NESTED else None
        if text is None:
            return False
        pipeline, parser = parse_query(Source(f"${part.name}", text))
        inside = (p for p in walk_syntax(pipeline) if isinstance(p, SavedCall))
        return check_query(pipeline, parser.findings).raw or any(self.raw_saved(p, settings, depth + 1) for p in inside)

    def lint(self, source: Source, settings: Settings | None = None) -> tuple[Finding, ...]:
        """What the product would reject (ERROR) or silently get wrong (WARNING), in the order of the text."""
        try:
            refuse_invisible_characters(source, LITERAL, COMMENT)
            pipeline, parser = parse_query(source, pipes=True)
        except SourceError as error:
            return (error.finding(),)
        return check_query(pipeline, parser.findings).findings

    def reference(self) -> Iterator[ReferenceEntry]:
        """Every function; those are all that LogScale documents."""
        for function in FUNCTIONS.values():
            yield ReferenceEntry(
                kind="function",
                name=function.name,
                probe=f"{function.name}()",
                summary=function.summary,
                reference=function.reference,
                signature=function.signature,
                parameters=tuple(function.parameters),
                examples=function.examples,
                manual=function.manual,
            )


# What importing them does is fill the table of functions.
assert functions

LANGUAGE = Cql()
"""CQL, the query language of LogScale: its text in, a plan out."""
