"""Tags, event types and common fields of events, made on demand, source by source.

Reference: reference/spl.md 9.3, 11.3 and 11.5

Reference: reference/spl.md 4.1; Splunk Knowledge Manager Manual, event types and tags

Reference: reference/spl.md 9.3
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

from harness.detection.languages.spl.cim import falcon, sysmon, windows
from harness.detection.languages.spl.cim.dataset import EventGroup, EventOrigin
from harness.detection.languages.spl.coercion import (
    NO,
    YES,
    apply_to_elements,
    as_text,
    build_element_parameter,
    literal,
    same_kind,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.expression_parser import EvalGrammar
from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.lexer import ExpandedText, StageCursor
from harness.detection.languages.spl.macros import expand_macros
from harness.detection.languages.spl.parser import PipelineGrammar
from harness.detection.languages.spl.scope import Scope, matches_name_pattern
from harness.detection.languages.spl.syntax import (
    Comparison,
    EvalExpression,
    FieldReference,
    Pipeline,
    SearchArguments,
    Stage,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Filter
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import Source, SourceError, Span

PROXY = EventOrigin(field="sourcetype", ends="proxy", code="")
EDGE = EventGroup(
    origin=PROXY,
    eventtypes=("proxy",),
    tags=("web", "proxy", "network", "communicate"),
    fields={
        "dvc": "host",
        "site": "dest_host",
        "uri_path": "url_path",
        "url": "coalesce(dest_host, dest).url_path",
        "url_domain": "dest_host",
        "direction": '"outbound"',
        "vendor_product": '"proxy"',
    },
)
EVENT_GROUPS: tuple[EventGroup, ...] = (
    *sysmon.SYSMON_GROUPS, *windows.WINDOWS_GROUPS, *falcon.FALCON_GROUPS, EDGE,
    *windows.WINDOWS_REST, *sysmon.SYSMON_REST, *falcon.FALCON_REST,
)  # fmt: skip
"""The first group that an event belongs to gives its fields; those without codes are what is left of an origin."""


# As deep as subsearches may be (reference/spl.md 3.1).
DEEPEST_EVENT_TYPE = 8
# Values of `disabled` in eventtypes.conf and of tags in tags.conf.
ON = ("enabled", "1", "true", "t")


def of_type(scope: Scope, name: str, span: Span) -> list[Typed]:
    """For each event type of that name or pattern whether an event is of it."""
    found: list[Typed] = []
    for own, given in scope.settings.eventtypes.items():
        if (
            matches_name_pattern(name.lower(), own.lower())
            and "search" in given
            and given.get("disabled", "0").lower() not in ON
        ):
            found.append(match_event_type(scope, given["search"], span))
    return found


def with_tag(scope: Scope, tag: str, span: Span, field: str = "") -> list[Typed]:
    """For each thing that bears a tag, an event type or a field's value, whether an event has it."""
    found: list[Typed] = []
    for stanza, entries in scope.settings.tags.items():
        name, _, value = stanza.partition("=")
        if not any(matches_name_pattern(tag.lower(), t.lower()) for t in list_enabled_tags(entries)) or (
            field and name.strip() != field
        ):
            continue
        name, value = name.strip(), unquote(value.strip())
        found += of_type(scope, value, span) if name == "eventtype" else [compare_tag_field(scope, name, value, span)]
    return found


def list_enabled_tags(entries: Mapping[str, str]) -> Iterator[str]:
    """The tags of one stanza that are not switched off."""
    return (tag for tag, state in entries.items() if state.lower() in ON)


def match_event_type(scope: Scope, search: str, span: Span) -> Typed:
    """Whether an event satisfies the search of an event type, which stands at a place of the query."""
    scope.session.searches += 1
    if scope.session.searches > DEEPEST_EVENT_TYPE:
        raise SourceError(
            "too-deep", f"more than {DEEPEST_EVENT_TYPE} event types or saved searches inside one another", span
        )
    own = expand_macros(Source(span.source.name, search), scope.settings)
    place = ExpandedText(span.source, own.text, [(0, span.start, span.end)], strict=scope.session.text.strict)
    pipeline = PipelineGrammar(place).whole()
    # eventtypes.conf allows no pipes and no subsearches.
    if len(pipeline.stages) != 1 or not isinstance(pipeline.stages[0].arguments, SearchArguments):
        raise scope.unsupported("an event type or a saved search of more than one search, as a condition,", span)
    found = lower_event_type(scope, pipeline, span)
    scope.session.searches -= 1
    return found


def compare_tag_field(scope: Scope, field: str, value: str, span: Span) -> Typed:
    """Whether a field has a value."""
    term = Comparison(Word(field, True, span), "=", Word(value, True, span), False, span)
    return lower_event_type(scope, Pipeline((Stage("search", SearchArguments(term), span),), False, span), span)


def lower_event_type(scope: Scope, pipeline: Pipeline, span: Span) -> Typed:
    """The condition of a search over the current rows."""
    # Run on a copy of the rows: what it adds to them is the condition.
    branch = scope.branch()
    scope.session.run(pipeline, branch)
    if branch.node is scope.node:
        return YES
    if not isinstance(branch.node, Filter) or branch.node.source is not scope.node:
        raise scope.unsupported("an event type with a subsearch", span)
    return ops.is_true(Typed(branch.node.condition, Kind.BOOLEAN))


GROUP_COLUMN = "@group"
GROUP_NUMBERS = {id(group): float(number) for number, group in enumerate(EVENT_GROUPS)}
COMMON = frozenset(n for g in EVENT_GROUPS for n in g.fields)

MADE: dict[tuple[str | Kind, ...], Typed] = {}
# Chosen, no source: some 200 mappings in the kinds that fields have in practice, and an end to growth.
MOST_MADE = 10_000


@cache
def parse_mapping(expression: str) -> EvalExpression:
    """A mapping's eval expression, without places."""
    source = Source("cim", expression)
    found = EvalGrammar(StageCursor(ExpandedText(source, expression), 0, len(expression))).whole()
    # A place in a mapping is none in the search, and equal expressions have to be equal to be made once.
    placeless: EvalExpression = strip_spans(found)
    return placeless


def strip_spans(node: Any) -> Any:
    """The same expression with no place in any text."""
    if isinstance(node, tuple):
        return tuple(strip_spans(n) for n in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changes = {f.name: None if f.name == "span" else strip_spans(getattr(node, f.name)) for f in fields(node)}
    return replace(node, **changes)


def belongs(scope: Scope, group: EventGroup) -> Typed:
    """Whether an event is of a group: by its origin and code."""
    origin = group.origin
    named = scope.typed(origin.field)
    code = scope.typed(origin.code) if group.codes else TYPED_NULL
    if named.kind is Kind.NULL or (group.codes and code.kind is Kind.NULL):
        return NO
    return coming_from(origin, group.codes, named, code)


@lru_cache(1024)
def coming_from(origin: EventOrigin, codes: tuple[str, ...], named: Typed, code: Typed) -> Typed:
    """Whether a field ends as an origin says, and an event's code is one of some."""
    conditions = [ops.ends_with_ci(as_text(named), literal(origin.ends))]
    if codes:
        conditions.append(ops.in_(as_text(code), *(literal(c) for c in codes)))
    return conditions[0] if len(conditions) == 1 else apply(ops.and_, *conditions)


def provides(scope: Scope, group: EventGroup, tags: frozenset[str]) -> bool:
    """Whether a group's events have all these tags; disputed ones count if their switch says so."""
    if tags <= set(group.tags):
        return True
    if not group.disputed or not tags <= {*group.tags, *group.disputed} or belongs(scope, group) is NO:
        return False
    # Add-ons differ (the older one of reference/spl.md 9.3 tags event 3 as port); asked only where it can matter.
    return scope.session.switch(group.switch) == group.value


def providers(scope: Scope, tags: tuple[str, ...]) -> tuple[EventGroup, ...]:
    """The groups whose events have all these tags."""
    wanted = frozenset(tags)
    return tuple(g for g in EVENT_GROUPS if provides(scope, g, wanted))


def match_any_group(scope: Scope, groups: tuple[EventGroup, ...], span: Span | None = None) -> Typed:
    """Whether an event is of one of some groups."""
    parts = [p for p in (belongs(scope, g) for g in groups) if p is not NO]
    if not parts:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return apply(ops.or_, *parts, span=span)


def carries(scope: Scope, tags: tuple[str, ...]) -> Typed | None:
    """Whether an event's own `tag` field has all these tags; None if no event has such a field."""
    own = scope.typed("tag")
    if own.kind is Kind.LIST:
        parameter, element = build_element_parameter(own)
        carried = [apply_to_elements(ops.list_any, own, parameter, ops.equal_ci(element, literal(t))) for t in tags]
        return ops.is_true(carried[0] if len(carried) == 1 else apply(ops.and_, *carried))
    # A field of one value cannot have two tags.
    if own.kind is Kind.TEXT and len(tags) == 1:
        return ops.is_true(ops.equal_ci(own, literal(tags[0])))
    return None


def has_tags(scope: Scope, tags: tuple[str, ...], span: Span | None = None) -> Typed:
    """Whether an event has all these tags, by what is known of it or by its own field."""
    own = carries(scope, tags)
    ways = [
        p for p in (match_any_group(scope, providers(scope, tags), span), own or NO, by_content(scope, tags, span)) if p
    ]
    ways = [w for w in ways if not isinstance(w.expression, Literal)]
    if not ways:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return ways[0] if len(ways) == 1 else apply(ops.or_, *ways, span=span)


def by_content(scope: Scope, tags: tuple[str, ...], span: Span | None) -> Typed:
    """Whether an event has all these tags, of which the content given tells at least one."""
    # Tags of one event may come from several event types, so each is asked for by itself.
    told = {t: with_tag(scope, t, span) for t in tags} if scope.settings.tags and span is not None else {}
    if not any(told.values()):
        return NO
    each_tag = [ops.or_(match_any_group(scope, providers(scope, (t,))), *told[t]) for t in tags]
    return each_tag[0] if len(each_tag) == 1 else apply(ops.and_, *each_tag)


def match_tag(scope: Scope, field: str, value: str, span: Span, bearer: str = "") -> Typed:
    """Whether an event has a tag or event type by what add-ons and the content given say of it.

    `*` in the value stands for any run of characters. A tag may be asked for of one field alone, its `bearer`.
    """
    wanted = value.lower().strip("*")
    found: list[EventGroup] = []
    for group in EVENT_GROUPS:
        names = (*group.tags, *group.disputed) if field == "tag" else group.eventtypes
        meant = [n for n in names if (wanted in n if "*" in value else wanted == n)]
        if any(field != "tag" or provides(scope, group, frozenset([n])) for n in meant):
            found.append(group)
    given = of_type(scope, value, span) if field == "eventtype" else with_tag(scope, value, span, bearer)
    known = match_any_group(scope, tuple(found), span)
    if not given:
        return known
    return apply(ops.or_, *given, *([] if isinstance(known.expression, Literal) else [known]), span=span)


def number_groups(scope: Scope, groups: tuple[EventGroup, ...]) -> None:
    """Adds a hidden column with the number of the group that an event belongs to, the first of several."""
    if GROUP_COLUMN in scope.columns:
        return
    own = tuple(g for g in groups if belongs(scope, g) is not NO)
    found = number_event_group(
        tuple(GROUP_NUMBERS[id(g)] for g in own), tuple((n, scope.columns[n]) for n in sorted(origins(own)))
    )
    if not isinstance(found.expression, Literal):
        scope.groups = frozenset(GROUP_NUMBERS[id(g)] for g in own)
        scope.derive([(GROUP_COLUMN, found)])


def origins(groups: Iterable[EventGroup]) -> set[str]:
    """The fields that tell what groups an event is of."""
    return {g.origin.field for g in groups} | {g.origin.code for g in groups if g.codes}


@lru_cache(1024)
def number_event_group(groups: tuple[float, ...], fields: tuple[tuple[str, Kind], ...]) -> Typed:
    """The number of the first of some groups that an event belongs to, over fields of such kinds."""
    columns = {name: Typed(Column(name), kind) for name, kind in fields}
    found: Typed = Typed(TYPED_NULL.expression, Kind.NUMBER)
    # Nested from the last to the first, so that the first group that fits decides.
    for number in reversed(groups):
        group = EVENT_GROUPS[int(number)]
        named, code = columns[group.origin.field], columns[group.origin.code] if group.codes else TYPED_NULL
        found = ops.if_(coming_from(group.origin, group.codes, named, code), literal(number), found)
    return found


@cache
def ways(name: str) -> tuple[tuple[str, tuple[Typed, ...]], ...]:
    """The expressions that make a common field, each with the numbers of the groups that make it so."""
    found: dict[str, tuple[Typed, ...]] = {}
    for place, group in enumerate(EVENT_GROUPS):
        if name in group.fields:
            written = group.fields[name]
            found[written] = (*found.get(written, ()), literal(float(place)))
    return tuple(found.items())


@cache
def collect_mapping_fields(written: str) -> tuple[str, ...]:
    """The fields that a mapping reads."""
    named = {part.name: None for part in walk_query(parse_mapping(written)) if isinstance(part, FieldReference)}
    return tuple(name for name in named if name not in ("true", "false", "null"))


def evaluate_mapping(scope: Scope, written: str) -> Typed:
    """What a mapping makes of the current rows; made once for rows whose fields are of the same kinds.

    One that depends on a switch, or has something to say, is made anew for each query.
    """
    key = (written, scope.settings.zone, *[scope.typed(name).kind for name in collect_mapping_fields(written)])
    found = MADE.get(key)
    if found is None:
        session = scope.session
        before = (len(session.used), len(session.findings))
        found = EvalContext(scope).value(parse_mapping(written))
        # What asked a switch or told something must do so again in the next search.
        if before == (len(session.used), len(session.findings)) and len(MADE) < MOST_MADE:
            MADE[key] = found
    return found


def common(scope: Scope, name: str) -> Typed:
    """A common field: the event's own of that name, else what the add-ons make of its other fields."""
    own = scope.typed(name)
    made: list[tuple[Typed, Typed]] = []
    for written, all_places in ways(name) if GROUP_COLUMN in scope.columns else ():
        places = [p for p in all_places if p.constant in scope.groups]
        value = evaluate_mapping(scope, written) if places else TYPED_NULL
        if value.kind is not Kind.NULL:
            made.append((ops.in_(Typed(Column(GROUP_COLUMN), Kind.NUMBER), *places), value))
    if not made:
        return own
    found = EvalContext(scope).choose(made, TYPED_NULL)
    if own.kind is Kind.NULL:
        return found
    # An event's own field wins: exports of Splunk have the fields of their add-ons already.
    first, second = same_kind([own, found])
    return ops.coalesce(first, second)


def enrich(scope: Scope) -> None:
    """Adds the common fields that the query names and the events do not all carry."""
    wanted = [n for n in sorted(COMMON) if scope.session.mentions(n)]
    if not wanted or not {"source", "sourcetype"} & set(scope.columns):
        return
    reads = set(scope.session.reads)
    number_groups(scope, tuple(g for g in EVENT_GROUPS if any(n in g.fields for n in wanted)))
    added = [(n, v) for n in wanted if (v := common(scope, n)).kind is not Kind.NULL and v != scope.typed(n)]
    # Asking for a common field is no reading of it: it need not be in the store.
    scope.session.reads.difference_update(n for n in wanted if n not in scope.session.schema)
    if not added:
        scope.session.reads.intersection_update(reads)
    scope.derive(added)
