"""Many rules on the same recorded events: what they share is read, presented and coded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness.detection.content import Content, read_content_beside
from harness.detection.filters.filter_set import HOST_COLUMNS, FilterSet, Hits
from harness.detection.kept_plans import KeptPlan, PlanCache
from harness.detection.language import Plan, Query, Settings, Strictness, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Schema
from harness.detection.plan.filter_json import decode_filter_plan, encode_filter_plan
from harness.detection.plan.nodes import Aggregate, Named, Node
from harness.detection.plan.schema import columns_of
from harness.detection.view_columns import without_hidden
from harness.diagnostics import HarnessError, Source
from harness.kept_files import digest_texts
from harness.record import record
from harness.telemetry.events.event import TIME, Telemetry
from harness.telemetry.platform import UNITS_PER_SECOND, View, platform
from harness.value_digest import ValueDigest
from harness.verdict.store import compute_search_now

NewPlan = tuple[str, str, KeptPlan]
"""A plan to be kept: over what, of which rule."""
NO_PLAN = (ValueError, KeyError, TypeError, RecursionError)


@record(kw_only=True)
class FolderContent:
    """What rules of one folder refer to, the settings that it makes, and a digest of these."""

    content: Content
    settings: Settings
    digest: str


@record(kw_only=True)
class Found:
    """What a filter finds, how many places of it were read leniently, and its plan, if that is to be kept."""

    hits: Hits
    deviations: int
    new: NewPlan | None = None


@record(kw_only=True)
class Presented:
    """Events as one platform shows them under some conditions, and a digest of their columns."""

    filters: FilterSet
    columns: Schema
    digest: str


class RuleSet:
    """Rules that run on the same events, whose plans may have been kept by a run before."""

    def __init__(self, telemetry: Telemetry, given: Content, reading: Strictness, cache: PlanCache) -> None:
        """`given` is content that comes before what lies beside a rule."""
        self.telemetry, self.given, self.reading, self.cache = telemetry, given, reading, cache
        self.now = compute_search_now(telemetry)
        self.presented: dict[tuple[str, tuple[tuple[str, str], ...], bool], Presented] = {}
        self.contents: dict[Path, FolderContent] = {}

    def content_for(self, rule: Path) -> FolderContent:
        """What a rule refers to; the same for all rules of a folder."""
        if rule.parent not in self.contents:
            content = self.given.over(read_content_beside(rule))
            settings = replace(content.settings(Settings()), now=self.now)
            self.contents[rule.parent] = FolderContent(
                content=content, settings=settings, digest=ValueDigest().add(settings, self.reading).text()
            )
        return self.contents[rule.parent]

    def present(self, name: str, conditions: Mapping[str, str], *, raw: bool = False) -> Presented:
        """The events as a platform shows them, with their own text where a rule may read it."""
        key = (name, tuple(sorted(conditions.items())), raw)
        if key not in self.presented:
            filters = self.present_texts(name, conditions) if raw else self.present_fields(name, conditions)
            columns = without_hidden(filters.kinds)
            kinds = "\n".join(f"{n}\t{k}" for n, k in columns.items())
            self.presented[key] = Presented(filters=filters, columns=columns, digest=digest_texts(repr(key), kinds))
        return self.presented[key]

    def present_fields(self, name: str, conditions: Mapping[str, str]) -> FilterSet:
        """All events without their own text."""
        return FilterSet(platform(name).present(self.telemetry, conditions))

    def present_texts(self, name: str, conditions: Mapping[str, str]) -> FilterSet:
        """Events with their own text, which is made only of the kinds that a rule may find: it costs most of all."""
        place, events = platform(name), self.telemetry.events

        def load(numbers: Sequence[int]) -> Sequence[View]:
            chosen = [events[n] for n in numbers]
            # An event without a time has that of the last one of all.
            if any(each.columns.column(TIME).null_count for each in chosen):
                every = place.present(self.telemetry, conditions, raw=True)
                return [every[n] for n in numbers]
            return place.present(replace(self.telemetry, events=tuple(chosen)), conditions, raw=True)

        empty = tuple(each.with_columns(each.columns.slice(0, 0)) for each in events)
        return FilterSet(place.present(replace(self.telemetry, events=empty), conditions, raw=True), load)

    def find_kept(self, path: Path, spoken: str, text: Source, conditions: Mapping[str, str]) -> Found | None:
        """What a rule finds by a plan of it that was kept; None where there is none."""
        shown, key = self.place(path, spoken, text, conditions)
        kept = self.cache.plans(key[0]).get(key[1])
        if kept is None:
            return None
        if kept.raw:
            shown, _ = self.place(path, spoken, text, conditions, raw=True)
        try:
            hits = shown.filters.find(decode_filter_plan(kept.steps, shown.columns), checked=True)
        # What is kept is whole, but its author may have been another: then the rule's text is read.
        except NO_PLAN:
            return None
        return None if hits is None else Found(hits=hits, deviations=kept.deviations)

    def find(self, path: Path, spoken: str, query: Query, conditions: Mapping[str, str]) -> Found | None:
        """What a rule finds that only filters; None of any other."""
        _, key = self.place(path, spoken, query.source, conditions)
        shown, _ = self.place(path, spoken, query.source, conditions, raw=query.raw)
        try:
            plan: Plan = query.plan(shown.columns, self.content_for(path).settings)
        except HarnessError:
            # It is told where the rule is run by its engine, with the stage that it got to.
            return None
        if plan.asked or plan.cuts:
            return None
        hits = shown.filters.find(plan.node)
        steps = None if hits is None else encode_filter_plan(plan.node)
        if hits is None or steps is None:
            return None
        deviations = len(query.deviations)
        return Found(
            hits=hits, deviations=deviations, new=(*key, KeptPlan(steps=steps, raw=query.raw, deviations=deviations))
        )

    def place(
        self, path: Path, spoken: str, text: Source, conditions: Mapping[str, str], *, raw: bool = False
    ) -> tuple[Presented, tuple[str, str]]:
        """The events that a rule sees, and where its plan is kept: by all that it follows from."""
        content = self.content_for(path)
        named = {**content.content.inputs, **conditions}
        shown = self.present(language(spoken).platform, named, raw=raw)
        return shown, (digest_texts(shown.digest, content.digest), digest_texts(spoken, text.text))


def summarize_rows(node: Node) -> Aggregate:
    """A plan that gives the number of another's rows, and their hosts and times where it has columns for these."""
    columns = columns_of(node)
    measures: list[Named] = [("rows", ops.count())]
    host = next((n for n in HOST_COLUMNS if columns.get(n) is Kind.TEXT), None)
    if host is not None:
        measures.append(("hosts", ops.values(Column(host))))
    time = find_time_column(columns)
    if time is not None:
        measures += [("first", ops.minimum(Column(time))), ("last", ops.maximum(Column(time)))]
    return Aggregate(source=node, keys=(), measures=tuple(measures))


def find_time_column(columns: Schema) -> str | None:
    """The column with the time of an event, if a relation has one."""
    return next((n for n in UNITS_PER_SECOND if columns.get(n) is Kind.NUMBER), None)


def read_summary(record: Mapping[str, object], columns: Schema) -> Hits:
    """What such a plan gave."""
    units = UNITS_PER_SECOND.get(find_time_column(columns) or "", 1.0)
    rows, hosts = record["rows"], record.get("hosts")
    first, last = record.get("first"), record.get("last")
    return Hits(
        rows=int(rows) if isinstance(rows, int | float) else 0,
        hosts=frozenset(map(str, hosts)) if isinstance(hosts, list) else frozenset(),
        first=first / units if isinstance(first, int | float) else None,
        last=last / units if isinstance(last, int | float) else None,
    )
