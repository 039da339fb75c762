"""The selections of a Sigma rule: items of a field and its values, keywords, lists and mappings of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from harness.diagnostics import SourceError, Span
from harness.record import record
from harness.scenario.document import YamlNode, cut_span_to_line
from harness.scenario.sigma.condition import Combination, ConditionTree, Negation, SelectionName, parse_condition
from harness.scenario.sigma.values import ItemValues, PlaceholderValues, apply_modifiers


@record(kw_only=True)
class DetectionItem:
    """A field and what its values ask of it; without a `field` they are keywords, found anywhere in an event."""

    field: str
    values: ItemValues
    modifiers: tuple[str, ...]
    span: Span

    def __str__(self) -> str:
        return "|".join((self.field or "keywords", *self.modifiers))


@record
class DetectionGroup:
    """Items or groups of which `every` one has to fit, or any."""

    members: tuple[DetectionNode, ...]
    every: bool


@record
class DetectionNegation:
    """What must not fit."""

    member: DetectionNode


@record
class NamedSelection:
    """A selection where the condition names it."""

    name: str
    member: DetectionNode


DetectionNode = DetectionItem | DetectionGroup | DetectionNegation | NamedSelection


@record(kw_only=True)
class Detection:
    """Selections by name, and each condition over them as one tree."""

    selections: Mapping[str, DetectionNode]
    conditions: tuple[DetectionNode, ...]
    spans: tuple[Span, ...]
    placeholders: Mapping[str, Span] = field(default_factory=dict)


def read_detection(node: YamlNode, given: PlaceholderValues, leave_out: tuple[str, ...] = ()) -> Detection:
    """The detection of a rule, or of a filter, whose other keys are left out. Raises SourceError at its place."""
    if node.members is None:
        raise SourceError("sigma-detection", "`detection` is a mapping of selections", cut_span_to_line(node.span))
    kept = {n: m for n, m in node.members.items() if n not in ("condition", "timeframe", *leave_out)}
    selections = {name: read_selection(value, given) for name, (_, value) in kept.items()}
    if not selections:
        raise SourceError("sigma-detection", "`detection` has no selection", cut_span_to_line(node.span))
    written = node.child("condition")
    if written is None:
        hint = "add `condition: selection`"
        raise SourceError("sigma-condition", "`condition` is missing", cut_span_to_line(node.span), help=hint)
    texts = written.items if written.items is not None else [written]
    trees = [parse_condition(str(t.value or ""), t.span, list(selections)) for t in texts]
    return Detection(
        selections=selections,
        conditions=tuple(insert_selections(tree, selections) for tree in trees),
        spans=tuple(t.span for t in texts),
        placeholders=dict(find_placeholders(node)),
    )


def insert_selections(tree: ConditionTree, selections: Mapping[str, DetectionNode]) -> DetectionNode:
    """A condition with its selections in place of their names."""
    match tree:
        case SelectionName(name):
            return NamedSelection(name, selections[name])
        case Negation(member):
            return DetectionNegation(insert_selections(member, selections))
        case Combination(members, every):
            return DetectionGroup(tuple(insert_selections(m, selections) for m in members), every)


def read_selection(node: YamlNode, given: PlaceholderValues) -> DetectionNode:
    """A selection: all members of a mapping, any member of a list, else a keyword."""
    if node.members is not None:
        items = tuple(read_item(name, place, value, given) for name, (place, value) in node.members.items())
        return DetectionGroup(items, every=True)
    if node.items is None:
        return read_item("", node.span, node, given)
    # Keywords of a list are one item, so that they are looked for together.
    words = [n for n in node.items if n.items is None and n.members is None]
    groups = [read_selection(n, given) for n in node.items if n.items is not None or n.members is not None]
    if words:
        values = apply_modifiers([w.value for w in words], (), node.span, given)
        groups.append(DetectionItem(field="", values=values, modifiers=(), span=cut_span_to_line(node.span)))
    return groups[0] if len(groups) == 1 else DetectionGroup(tuple(groups), every=False)


def read_item(key: str, place: Span, node: YamlNode, given: PlaceholderValues) -> DetectionItem:
    """The item that `Field|modifier: values` says."""
    name, *modifiers = key.split("|")
    if node.members is not None or any(n.members is not None or n.items is not None for n in node.items or ()):
        message = f"the values of `{key}` are texts or numbers, one or a list"
        raise SourceError("sigma-detection", message, cut_span_to_line(node.span))
    values = [n.value for n in node.items] if node.items is not None else [node.value]
    span = place.to(node.span) if node.items is None else place
    # PCRE's escapes are the author's own text: `\d` in YAML without quotes is already what was meant.
    return DetectionItem(
        field=name,
        values=apply_modifiers(values, modifiers, span, given),
        modifiers=tuple(modifiers),
        span=span,
    )


def find_placeholders(node: YamlNode) -> Iterator[tuple[str, Span]]:
    """The values behind `expand` that hold a placeholder, with their places."""
    for key, (_, value) in (node.members or {}).items():
        if "expand" in key.split("|")[1:]:
            for each in value.items if value.items is not None else [value]:
                yield str(each.value), each.span
        yield from find_placeholders(value)
    for below in node.items or ():
        yield from find_placeholders(below)


def walk_items(node: DetectionNode) -> Iterator[DetectionItem]:
    """Every item of a tree."""
    match node:
        case DetectionItem():
            yield node
        case DetectionGroup():
            for member in node.members:
                yield from walk_items(member)
        case DetectionNegation() | NamedSelection():
            yield from walk_items(node.member)
