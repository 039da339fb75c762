"""The documents of a Sigma file: rules, correlations and filters, each with its places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from harness.diagnostics import SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import Document, YamlNode, cut_span_to_line
from harness.scenario.sigma.detection import Detection, read_detection
from harness.scenario.sigma.values import PlaceholderValues

TIMESPAN = late_pattern(r"(\d+)\s*([smhdwMy])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "M": 30 * 86400, "y": 365 * 86400}
"""Seconds; weeks, months and years are pySigma's, of the lengths that it gives them."""

OPERATORS = ("lt", "lte", "gt", "gte", "eq", "neq")
LOG_SOURCE_KEYS = ("category", "product", "service")


class CorrelationType(StrEnum):
    """What a correlation counts or looks for."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"


@record(kw_only=True)
class LogSource:
    """Where a rule's events come from: category, product, service, each empty where it is not said."""

    category: str = ""
    product: str = ""
    service: str = ""

    def takes_in(self, other: LogSource) -> bool:
        """Whether everything that is said here is said by the other too."""
        return all(getattr(self, k) in ("", getattr(other, k)) for k in LOG_SOURCE_KEYS)


@record(kw_only=True)
class SigmaRule:
    """One rule: where its events come from, and what they are; `filters` have been put into its conditions."""

    title: str
    id: str
    name: str
    source: LogSource
    detection: Detection
    document: Document
    filters: tuple[str, ...] = ()

    @property
    def span(self) -> Span:
        """Where its title stands."""
        return cut_span_to_line(self.document.key(["title"]).to(self.document.span(["title"])))


@record(kw_only=True)
class SigmaCorrelation:
    """A rule over other rules: what of theirs has to come together, within which time, for which group."""

    title: str
    id: str
    name: str
    type: CorrelationType
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: timedelta
    condition: Mapping[str, float]
    field: tuple[str, ...]
    percentile: float
    expression: str
    aliases: Mapping[str, Mapping[str, str]]
    generate: bool
    document: Document

    @property
    def span(self) -> Span:
        """Where its title stands."""
        return cut_span_to_line(self.document.key(["title"]).to(self.document.span(["title"])))


@record(kw_only=True)
class SigmaFilter:
    """An exception for rules by id or name, or for `any` of a log source."""

    title: str
    rules: tuple[str, ...]
    source: LogSource
    detection: Detection
    document: Document

    def concerns(self, rule: SigmaRule) -> bool:
        """Whether the rule is one of those that are filtered."""
        return self.source.takes_in(rule.source) and (not self.rules or bool({rule.id, rule.name} & set(self.rules)))


SigmaDocument = SigmaRule | SigmaCorrelation | SigmaFilter


def is_sigma(content: Any) -> bool:
    """Whether plain data is a Sigma rule, a correlation, a filter, or the shared part of several rules."""
    if not isinstance(content, dict):
        return False
    if content.get("action") in ("global", "reset", "repeat"):
        return True
    return any(isinstance(content.get(k), dict) for k in ("correlation", "filter")) or (
        {"logsource", "detection"} <= content.keys()
    )


def read_sigma_document(document: Document, given: PlaceholderValues) -> SigmaDocument:
    """One document as what it is. Raises SourceError at the place that does not fit."""
    content = document.value
    if "correlation" in content:
        return read_correlation(document)
    if "filter" in content:
        return read_filter(document, given)
    return SigmaRule(
        title=read_title(document),
        id=str(content.get("id") or ""),
        name=str(content.get("name") or ""),
        source=read_log_source(document),
        detection=read_detection(require(document.root, "detection", document), given),
        document=document,
    )


def read_title(document: Document) -> str:
    """The title; the specification asks for one."""
    if not document.value.get("title"):
        raise SourceError("sigma-rule", "`title` is missing", cut_span_to_line(document.root.span))
    return str(document.value["title"])


def require(node: YamlNode, key: str, document: Document) -> YamlNode:
    """The node of a key that has to be there."""
    found = node.child(key)
    if found is None:
        raise SourceError("sigma-rule", f"`{key}` is missing", cut_span_to_line(node.span))
    return found


def read_log_source(document: Document) -> LogSource:
    """The log source of a rule or a filter."""
    node = require(document.root, "logsource", document)
    content = node.value
    if not isinstance(content, dict) or not any(content.get(k) for k in LOG_SOURCE_KEYS):
        message = "`logsource` says at least one of category, product and service"
        raise SourceError("sigma-logsource", message, cut_span_to_line(node.span))
    return LogSource(**{k: str(content.get(k) or "").lower() for k in LOG_SOURCE_KEYS})


def read_filter(document: Document, given: PlaceholderValues) -> SigmaFilter:
    """A filter: the rules that it concerns and the condition that they have to fulfil besides."""
    node = require(document.root, "filter", document)
    named = require(node, "rules", document).value
    rules = named if isinstance(named, list) else [named]
    concerned = () if named == [] or str(named).lower() == "any" else tuple(str(r) for r in rules)
    return SigmaFilter(
        title=read_title(document),
        rules=concerned,
        source=read_log_source(document),
        detection=read_detection(node, given, leave_out=("rules",)),
        document=document,
    )


def read_correlation(document: Document) -> SigmaCorrelation:
    """A correlation with its condition."""
    node = require(document.root, "correlation", document)
    content = node.value
    if not isinstance(content, dict):
        raise SourceError("sigma-correlation", "`correlation` is a mapping", cut_span_to_line(node.span))
    kind = read_type(node, document)
    rules = require(node, "rules", document).value
    condition, field, percentile, expression = read_count(node, kind)
    document_value = document.value
    return SigmaCorrelation(
        title=read_title(document),
        id=str(document_value.get("id") or ""),
        name=str(document_value.get("name") or ""),
        type=kind,
        rules=tuple(str(r) for r in (rules if isinstance(rules, list) else [rules])),
        group_by=read_texts(content.get("group-by")),
        timespan=read_timespan(require(node, "timespan", document)),
        condition=condition,
        field=field,
        percentile=percentile,
        expression=expression,
        aliases={
            str(alias): {str(rule): str(name) for rule, name in of.items()}
            for alias, of in (content.get("aliases") or {}).items()
            if isinstance(of, dict)
        },
        generate=bool(document_value.get("generate") or content.get("generate")),
        document=document,
    )


def read_texts(value: Any) -> tuple[str, ...]:
    """A text or a list of them."""
    return tuple(str(v) for v in (value if isinstance(value, list) else [] if value is None else [value]))


def read_type(node: YamlNode, document: Document) -> CorrelationType:
    """The type of a correlation."""
    written = require(node, "type", document)
    try:
        return CorrelationType(str(written.value))
    except ValueError:
        known = [str(t) for t in CorrelationType]
        hint = did_you_mean(str(written.value), known) or f"one of {', '.join(known)}"
        message = f"no correlation is of type `{written.value}`"
        raise SourceError("sigma-correlation", message, written.span, help=hint) from None


def read_timespan(node: YamlNode) -> timedelta:
    """A span of time: a number and a letter."""
    found = TIMESPAN.fullmatch(str(node.value))
    if found is None:
        raise SourceError("sigma-correlation", f"`{node.value}` is no timespan", node.span, help="write 10m, 1h or 2d")
    return timedelta(seconds=int(found[1]) * UNITS[found[2]])


def read_count(node: YamlNode, kind: CorrelationType) -> tuple[Mapping[str, float], tuple[str, ...], float, str]:
    """The bounds of a condition, the fields and percentile that it is about, and an expression over rules."""
    written = node.child("condition")
    temporal = kind in (CorrelationType.TEMPORAL, CorrelationType.TEMPORAL_ORDERED)
    if written is None:
        if temporal:
            return {}, (), 0, ""
        raise SourceError("sigma-correlation", "`condition` is missing", cut_span_to_line(node.span))
    if written.members is None:
        if temporal:
            return {}, (), 0, str(written.value)
        hint = "write {gte: 3}"
        raise SourceError(
            "sigma-correlation", "`condition` is a mapping here", cut_span_to_line(written.span), help=hint
        )
    fields = read_texts((written.child("field") or YamlNode(span=written.span, plain=True)).value)
    bounds: dict[str, float] = {}
    for name, (place, value) in written.members.items():
        if name in OPERATORS:
            if not isinstance(value.value, int | float) or isinstance(value.value, bool):
                raise SourceError("sigma-correlation", f"`{name}` takes a number", value.span)
            bounds[name] = float(value.value)
        elif name not in ("field", "percentile"):
            hint = did_you_mean(name, OPERATORS) or f"one of {', '.join(OPERATORS)}"
            raise SourceError("sigma-correlation", f"`{name}` compares nothing", place, help=hint)
    if not bounds:
        raise SourceError("sigma-correlation", "`condition` has no bound", cut_span_to_line(written.span))
    if kind.startswith("value") and not fields:
        raise SourceError("sigma-correlation", f"`field` is missing for {kind}", cut_span_to_line(written.span))
    percentile = written.child("percentile")
    return bounds, fields, float(percentile.value) if percentile else 50.0, ""


def fulfils(count: float, bounds: Mapping[str, float]) -> bool:
    """Whether a count is within all bounds of a condition."""
    tests: Mapping[str, Callable[[float, float], bool]] = {
        "lt": float.__lt__,
        "lte": float.__le__,
        "gt": float.__gt__,
        "gte": float.__ge__,
        "eq": float.__eq__,
        "neq": float.__ne__,
    }
    return all(tests[name](float(count), bound) for name, bound in bounds.items())


def list_referenced(documents: Sequence[SigmaDocument]) -> frozenset[str]:
    """The ids and names that correlations use up: such rules are no alerts of their own unless it says `generate`."""
    return frozenset(name for d in documents if isinstance(d, SigmaCorrelation) and not d.generate for name in d.rules)
