"""Data models over the events at hand: tags and common fields made on demand, datasets as relations.

Reference: reference/spl.md 9
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from typing import Any

from harness.detection.languages.spl.cim.models import CHILDREN, DATASETS, Dataset
from harness.detection.languages.spl.cim.sources import GROUPS, Group
from harness.detection.languages.spl.coercion import NO, NOTHING, Typed, apply, each, literal, over, same_kind, text
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.reader import Reader
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Expression
from harness.detection.languages.spl.text import Text
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Column, Literal
from harness.diagnostics import Source, SourceError, Span, did_you_mean

GROUP = "@group"
COMMON = frozenset(n for g in GROUPS for n in g.fields)


@cache
def parsed(expression: str) -> Expression:
    """A mapping's eval expression, without places."""
    source = Source("cim", expression)
    found = EvalGrammar(Reader(Text(source, expression), 0, len(expression))).whole()
    placeless: Expression = unplaced(found)
    return placeless


def unplaced(node: Any) -> Any:
    """The same expression with no place in any text."""
    if isinstance(node, tuple):
        return tuple(unplaced(n) for n in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changes = {f.name: None if f.name == "span" else unplaced(getattr(node, f.name)) for f in fields(node)}
    return replace(node, **changes)


def belongs(scope: Scope, group: Group) -> Typed:
    """Whether an event is of a group: by its source and code."""
    source, code = scope.typed("source"), scope.typed("EventCode")
    if source.kind is Kind.NULL or (group.codes and code.kind is Kind.NULL):
        return NO
    return origin(group.source, tuple(group.codes), source, code)


@lru_cache(1024)
def origin(name: str, codes: tuple[str, ...], source: Typed, code: Typed) -> Typed:
    """Whether a source ends with a name and an event's code is one of some."""
    conditions = [apply("ends_with_ci", text(source), literal(name))]
    if codes:
        conditions.append(apply("in", text(code), *(literal(c) for c in codes)))
    return conditions[0] if len(conditions) == 1 else apply("and", *conditions)


def tagged(scope: Scope, field: str, value: str, span: Span) -> Typed:
    """Whether an event has a tag or event type by what the add-ons say of it."""
    wanted = value.lower().strip("*")
    some = "*" in value
    parts: list[Typed] = []
    for group in GROUPS:
        names = group.tags if field == "tag" else group.eventtypes
        if any(wanted in n if some else wanted == n for n in names):
            parts.append(belongs(scope, group))
    parts = [p for p in parts if not (isinstance(p.expression, Literal) and p.expression.value is False)]
    if not parts:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return apply("or", *parts, span=span)


def number_groups(scope: Scope, groups: tuple[Group, ...]) -> None:
    """Adds a hidden column with the number of the group that an event belongs to, the first of several."""
    if GROUP in scope.columns:
        return
    found: Typed = Typed(NOTHING.expression, Kind.NUMBER)
    for group in reversed(groups):
        condition = belongs(scope, group)
        if not isinstance(condition.expression, Literal):
            found = apply("if", condition, literal(float(GROUPS.index(group))), found)
    if not isinstance(found.expression, Literal):
        scope.derive([(GROUP, found)])


@cache
def ways(name: str) -> tuple[tuple[str, tuple[Typed, ...]], ...]:
    """The expressions that make a common field, each with the numbers of the groups that make it so."""
    found: dict[str, tuple[Typed, ...]] = {}
    for place, group in enumerate(GROUPS):
        if name in group.fields:
            written = group.fields[name]
            found[written] = (*found.get(written, ()), literal(float(place)))
    return tuple(found.items())


def common(scope: Scope, name: str) -> Typed:
    """A common field: the event's own of that name, else what the add-ons make of its other fields."""
    own = scope.typed(name)
    made: list[tuple[Typed, Typed]] = []
    for written, places in ways(name) if GROUP in scope.columns else ():
        value = Context(scope).value(parsed(written))
        if value.kind is not Kind.NULL:
            made.append((apply("in", Typed(Column(GROUP), Kind.NUMBER), *places), value))
    if not made:
        return own
    found = Context(scope).choose(made, NOTHING)
    if own.kind is Kind.NULL:
        return found
    first, second = same_kind([own, found])
    return apply("coalesce", first, second)


def enrich(scope: Scope) -> None:
    """Adds the common fields that the query names and the events do not all carry."""
    wanted = [n for n in sorted(COMMON) if scope.session.mentions(n)]
    if not wanted or "source" not in scope.columns:
        return
    reads = set(scope.session.reads)
    number_groups(scope, tuple(g for g in GROUPS if any(n in g.fields for n in wanted)))
    added = [(n, v) for n in wanted if (v := common(scope, n)).kind is not Kind.NULL and v != scope.typed(n)]
    scope.session.reads.difference_update(n for n in wanted if n not in scope.session.schema)
    if not added:
        scope.session.reads.intersection_update(reads)
    scope.derive(added)


def dataset(model: str, span: Span) -> tuple[Dataset, Dataset | None]:
    """The dataset of a name such as `Endpoint.Processes`, and the child that it narrows to."""
    parts = model.strip("\"'").split(".")
    own = [d for d in DATASETS if d.model.lower() == parts[0].lower()]
    if not own:
        hint = did_you_mean(parts[0], {d.model for d in DATASETS})
        raise SourceError("unknown-datamodel", f"no data model is called `{parts[0]}`", span, help=hint)
    if len(parts) == 1:
        return own[0], None
    root = next((d for d in own if d.name.lower() == parts[1].lower()), None)
    child = next((c for c in CHILDREN if c.model == own[0].model and c.name.lower() == parts[-1].lower()), None)
    if child is not None:
        root = next(d for d in own if d.name == child.parent)
    if root is None:
        hint = did_you_mean(parts[1], [d.name for d in own])
        raise SourceError(
            "unknown-dataset", f"data model `{own[0].model}` has no dataset `{parts[1]}`", span, help=hint
        )
    return root, child


def member(scope: Scope, found: Dataset, span: Span) -> Typed:
    """Whether an event is part of a dataset."""
    if found.index:
        index = scope.typed("index")
        return apply("equal_ci", text(index), literal(found.index), span=span) if index.kind is not Kind.NULL else NO
    own = scope.typed("tag")
    groups = tuple(g for g in GROUPS if set(found.tags) <= set(g.tags))
    number_groups(scope, groups)
    parts: list[Typed] = []
    if GROUP in scope.columns:
        parts.append(apply("not", apply("is_null", Typed(Column(GROUP), Kind.NUMBER)), span=span))
    if own.kind is Kind.LIST:
        parameter, element = each(own)
        carried = [over("list_any", own, parameter, apply("equal_ci", element, literal(t))) for t in found.tags]
        parts.append(apply("is_true", apply("and", *carried)))
    elif own.kind is Kind.TEXT and len(found.tags) == 1:
        parts.append(apply("is_true", apply("equal_ci", own, literal(found.tags[0]))))
    if not parts:
        return Typed(Literal(False, span), Kind.BOOLEAN)
    return apply("or", *parts, span=span) if len(parts) > 1 else parts[0]


def field_of(scope: Scope, found: Dataset, name: str) -> Typed:
    """A field of a dataset; one that is never missing there is `unknown` where the event has none."""
    written = found.calculated.get(name)
    if written is None:
        value = common(scope, name)
    else:
        names = {n for n in COMMON | set(found.filled) | {name} if n in written}
        value = Context(scope, {n: common(scope, n) for n in names}).value(parsed(written))
    if name not in found.filled:
        return value
    if value.kind is Kind.NULL:
        return literal("unknown")
    shown = text(value)
    if value.kind is Kind.LIST:
        return apply("coalesce", value, apply("list", literal("unknown")))
    empty = apply("equal", shown, literal(""))
    missing = apply("or", apply("is_null", shown), empty)
    if found.model == "Web":
        missing = apply("or", missing, apply("equal", shown, literal("-")))
    return apply("if", missing, literal("unknown"), shown)


def local_name(found: Dataset, name: str) -> str | None:
    """The field that a qualified name such as `Processes.dest` means; None if it is of another dataset."""
    head, _, rest = name.strip("\"'").partition(".")
    if head == found.name or any(c.name == head and c.parent == found.name for c in CHILDREN):
        first, _, inner = rest.partition(".")
        return inner if inner and any(c.name == first for c in CHILDREN) else rest or None
    return None


def qualified(scope: Scope, found: Dataset, child: Dataset | None, span: Span) -> None:
    """Makes the current events those of a dataset, its fields under their qualified names."""
    scope.filter(member(scope, found, span).expression, span)
    named = sorted(n for n in scope.session.words if local_name(found, n))
    added = []
    for name in named:
        local = local_name(found, name)
        if local and "*" not in local:
            added.append((name, field_of(scope, found, local)))
    conditions = narrowing(scope, found, child)
    if scope.session.mentions("nodename"):
        added.append(("nodename", nodenames(scope, found)))
    scope.filter(conditions.expression, span)
    scope.derive(added, span)


def narrowing(scope: Scope, found: Dataset, child: Dataset | None) -> Typed:
    """The condition that makes a child of a dataset."""
    if child is None:
        return Typed(Literal(True), Kind.BOOLEAN)
    written = parsed(child.condition)
    names = {n for n in COMMON | set(found.filled) if n in child.condition}
    return Context(scope, {n: field_of(scope, found, n) for n in names}).condition(written)


def nodenames(scope: Scope, found: Dataset) -> Typed:
    """The names of the datasets that an event is part of."""
    names = [literal(found.name)]
    for child in CHILDREN:
        if child.parent == found.name:
            inside = narrowing(scope, found, child)
            for name in (child.name, f"{found.name}.{child.name}"):
                names.append(apply("if", inside, literal(name), Typed(NOTHING.expression, Kind.TEXT)))
    return apply("list_concat", *(apply("list", n) for n in names))


def plain(scope: Scope, found: Dataset, child: Dataset | None, span: Span) -> None:
    """Makes the current events those of a dataset, its fields under their own names."""
    scope.filter(member(scope, found, span).expression, span)
    names = [n for n in sorted(COMMON | set(found.filled) | set(found.calculated)) if scope.session.mentions(n)]
    added = [(n, field_of(scope, found, n)) for n in names]
    scope.filter(narrowing(scope, found, child).expression, span)
    scope.derive(added, span)
