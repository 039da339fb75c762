"""CQL, the query language of CrowdStrike LogScale (formerly Humio)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.detection.language import ReferenceEntry, Settings, Strictness, SupportState, Switch
from harness.detection.languages.cql import functions
from harness.detection.languages.cql.check import check_query
from harness.detection.languages.cql.parser import parse_query
from harness.detection.languages.cql.query import CqlQuery
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.saved import NESTED, saved_text
from harness.detection.languages.cql.switches import SWITCHES
from harness.detection.languages.cql.syntax import SavedCall, walk_syntax
from harness.diagnostics import Finding, RejectedError, Severity, Source, SourceError

assert functions


@dataclass(frozen=True, slots=True, kw_only=True)
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
                state=SupportState.SUPPORTED,
                summary=function.summary,
                reference=function.reference,
            )


LANGUAGE = Cql()
__all__ = ["FUNCTIONS", "LANGUAGE"]
