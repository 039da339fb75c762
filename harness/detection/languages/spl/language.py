"""SPL, the search processing language of Splunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.detection.enclosure import Enclosure
from harness.detection.invisible_characters import DOUBLE_QUOTED_TEXT, refuse_invisible_characters
from harness.detection.language import Plan, ReferenceEntry, Settings, Strictness, Switch
from harness.detection.languages.spl.confinement import confine_search
from harness.detection.languages.spl.field_usage import BLOCKS, collect_mentions
from harness.detection.languages.spl.lexer import ExpandedText
from harness.detection.languages.spl.lint import lint_pipeline
from harness.detection.languages.spl.macros import expand_macros
from harness.detection.languages.spl.parser import PipelineGrammar
from harness.detection.languages.spl.planner import plan
from harness.detection.languages.spl.printer import pipeline_text
from harness.detection.languages.spl.reference import entries_of_spl
from harness.detection.languages.spl.switches import SWITCHES
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.plan.expressions import Schema
from harness.diagnostics import Finding, RejectedError, Source, SourceError
from harness.record import record

LONGEST_SEARCH = 1 << 18
COMMENT = "```.*?```"


@dataclass(slots=True)
class SplQuery:
    """A parsed search."""

    source: Source = field(compare=False)
    pipeline: Pipeline
    text: ExpandedText = field(compare=False, repr=False)
    names: frozenset[str] = field(compare=False, repr=False)
    deviations: tuple[Finding, ...] = field(default=(), compare=False)
    raw: bool = field(default=False, compare=False)

    def plan(self, columns: Schema, settings: Settings) -> Plan:
        """The meaning over a schema; raises SourceError for what is not supported."""
        return plan(self.pipeline, self.text, self.names, columns, settings)

    def render(self) -> str:
        """The search printed again, its macros expanded; parsing that gives an equal query."""
        return pipeline_text(self.pipeline)

    def sent_text(self) -> str:
        """The search with its macros expanded and its comments taken out."""
        return self.text.text

    def confine(self, enclosure: Enclosure, until: int | None = None) -> str:
        """The search up to a place, in the enclosure's indexes."""
        return confine_search(self.source.text, self.pipeline, enclosure, until)


@record
class Spl:
    """The language as the rest of the harness sees it."""

    name: str = "spl"
    product: str = "Splunk"
    platform: str = "splunk"
    remote: str = "splunk"
    switches: tuple[Switch, ...] = SWITCHES

    def parse(
        self, source: Source, dialect: Strictness = Strictness.LENIENT, settings: Settings | None = None
    ) -> SplQuery:
        """The query of a text. Raises SourceError where it cannot be read, RejectedError where STRICT refuses it."""
        if len(source.text) > LONGEST_SEARCH:
            raise SourceError("too-long", f"a search of more than {LONGEST_SEARCH:,} characters", source.span(0, 1))
        refuse_invisible_characters(source, DOUBLE_QUOTED_TEXT, COMMENT)
        strict = dialect is Strictness.STRICT
        chosen = settings or Settings()
        text = expand_macros(source, chosen, strict=strict)
        pipeline = PipelineGrammar(text).whole()
        if strict and text.findings:
            raise RejectedError(self.product, text.findings)
        names, raw = collect_mentions(pipeline)
        told = bool(chosen.props or chosen.eventtypes) or "savedsearch" in names or not names.isdisjoint(BLOCKS)
        return SplQuery(source, pipeline, text, names, tuple(text.findings), raw or told)

    def lint(self, source: Source, settings: Settings | None = None) -> tuple[Finding, ...]:
        """What Splunk would reject (ERROR) or silently get wrong (WARNING), in the order of the text."""
        chosen = settings or Settings()
        try:
            query = self.parse(source, Strictness.LENIENT, chosen)
        except SourceError as error:
            return (error.finding(),)
        return lint_pipeline(query.pipeline, query.text, query.names, query.deviations, chosen)

    def reference(self) -> Iterator[ReferenceEntry]:
        """Every command and function that Splunk documents or detlab has."""
        return entries_of_spl()


LANGUAGE = Spl()
