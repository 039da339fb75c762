"""Data models over the events at hand: datasets as relations.

Reference: reference/spl.md 9
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.detection.languages.spl.cim.dataset import CimDataset
from harness.detection.languages.spl.cim.events import (
    COMMON,
    EVENT_GROUPS,
    common,
    has_tags,
    number_groups,
    parse_mapping,
    providers,
)
from harness.detection.languages.spl.cim.models import CHILDREN, CIM_DATASETS
from harness.detection.languages.spl.coercion import NO, YES, as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, Literal
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern

WORD = late_pattern(r"\w+")
CHILD_NAMES = frozenset(c.name for c in CHILDREN)


def resolve_dataset(model: str, span: Span, named: Iterable[str] = ()) -> tuple[CimDataset, CimDataset | None]:
    """The dataset of a name such as `Endpoint.Processes`, and the child that it narrows to.

    Of a model alone it is the dataset that one of the `named` fields is of, else its first.
    """
    parts = model.strip("\"'").split(".")
    own = [d for d in CIM_DATASETS if d.model.lower() == parts[0].lower()]
    if not own:
        hint = did_you_mean(parts[0], {d.model for d in CIM_DATASETS})
        raise SourceError("unknown-datamodel", f"no data model is called `{parts[0]}`", span, help=hint)
    if len(parts) == 1:
        # `from datamodel=Endpoint` names no dataset; the fields do: `Processes.dest`.
        heads = {part for name in named for part in name.split(".")[:2]}
        return next((d for d in own if d.name in heads), own[0]), None
    wanted = parts[-1].lower()
    root = next((d for d in own if d.name.lower() == wanted), None)
    child = next((c for c in CHILDREN if c.model == own[0].model and c.name.lower() == wanted), None)
    if root is None and child is not None:
        return next(d for d in own if d.name == child.parent), child
    if root is None:
        names = [d.name for d in own] + [c.name for c in CHILDREN if c.model == own[0].model]
        message = f"data model `{own[0].model}` has no dataset `{parts[-1]}`"
        raise SourceError("unknown-dataset", message, span, help=did_you_mean(parts[-1], names))
    return root, None


def list_child_datasets(found: CimDataset) -> tuple[CimDataset, ...]:
    """The parts of a dataset."""
    return tuple(c for c in CHILDREN if c.model == found.model and c.parent == found.name)


def collect_dataset_fields(found: CimDataset) -> frozenset[str]:
    """The names of all fields that a dataset and its parts have."""
    own = {*found.fields, *found.filled, *found.calculated}
    return frozenset(own.union(*(c.fields for c in list_child_datasets(found))))


def enter(scope: Scope, found: CimDataset, span: Span) -> None:
    """Keeps the events that are part of a dataset, and numbers the groups that they belong to."""
    if found.index:
        index = scope.typed("index")
        inside = ops.equal_ci(as_text(index), literal(found.index), span=span) if index.kind is not Kind.NULL else NO
        scope.filter(inside.expression, span)
        return
    scope.filter(has_tags(scope, found.tags, span).expression, span)
    # With tags of their own, events of any group may be part of the dataset.
    number_groups(scope, EVENT_GROUPS if scope.settings.tags else providers(scope, found.tags))
    if found.condition:
        scope.filter(satisfies(scope, found, found.condition).expression, span)


def satisfies(scope: Scope, found: CimDataset, condition: str) -> Typed:
    """Whether an eval expression over a dataset's fields is true."""
    names = WORD.findall(condition)
    values = {n: field_of(scope, found, n) for n in sorted({*names} & (COMMON | collect_dataset_fields(found)))}
    return EvalContext(scope, values).condition(parse_mapping(condition))


def field_of(scope: Scope, found: CimDataset, name: str) -> Typed:
    """A field of a dataset; one that is never missing there is `unknown` where the event has none."""
    written = found.calculated.get(name)
    if written is None:
        value = common(scope, name)
    else:
        names = {*WORD.findall(written)} & (COMMON | collect_dataset_fields(found))
        value = EvalContext(scope, {n: common(scope, n) for n in sorted(names)}).value(parse_mapping(written))
    if name not in found.filled:
        return value
    if value.kind is Kind.NULL:
        return literal("unknown")
    shown = as_text(value)
    if value.kind is Kind.LIST:
        return ops.coalesce(value, ops.list_(literal("unknown")))
    empty = ops.equal(shown, literal(""))
    missing = ops.or_(ops.is_null(shown), empty)
    # Web counts a lone hyphen as missing too (reference/spl.md 9.2).
    if found.model == "Web":
        missing = ops.or_(missing, ops.equal(shown, literal("-")))
    return ops.if_(missing, literal("unknown"), shown)


def local_name(found: CimDataset, name: str) -> str | None:
    """The field that a qualified name such as `Processes.dest` means; None if it is of another dataset."""
    head, _, rest = name.strip("\"'").partition(".")
    if head != found.name and not any(c.name == head for c in list_child_datasets(found)):
        return None
    # `All_Changes.Endpoint_Changes.dest` is the root's `dest`: children inherit fields.
    while rest.partition(".")[0] in CHILD_NAMES and "." in rest:
        rest = rest.partition(".")[2]
    return rest or None


def select_qualified(
    scope: Scope, found: CimDataset, child: CimDataset | None, span: Span, *, local: bool = False
) -> None:
    """Makes the current events those of a dataset, its fields under their qualified names.

    With `local` those that the query names without the dataset are there under their qualified names too.
    """
    enter(scope, found, span)
    names = {n: field for n in scope.session.words if (field := local_name(found, n)) and "*" not in field}
    if local:
        named = (n for n in COMMON | collect_dataset_fields(found) if scope.session.mentions(n))
        names.update({f"{found.name}.{n}": n for n in named})
    added = [(name, field_of(scope, found, field)) for name, field in sorted(names.items())]
    conditions = build_child_condition(scope, found, child, span)
    if scope.session.mentions("nodename"):
        added.append(("nodename", nodenames(scope, found, span)))
    scope.filter(conditions.expression, span)
    scope.derive(added, span)


def add_fields(scope: Scope, found: CimDataset, names: Iterable[str], span: Span) -> None:
    """Adds fields of a dataset under their qualified names."""
    added = [(f"{found.name}.{n}", field_of(scope, found, n)) for n in names]
    scope.derive([(n, v) for n, v in added if n not in scope.columns and v.kind is not Kind.NULL], span)


def build_child_condition(scope: Scope, found: CimDataset, child: CimDataset | None, span: Span) -> Typed:
    """The condition that makes a child of a dataset."""
    if child is None:
        return YES
    conditions = [has_tags(scope, child.tags, span)] if child.tags else []
    if child.condition:
        conditions.append(satisfies(scope, found, child.condition))
    return conditions[0] if len(conditions) == 1 else apply(ops.and_, *conditions)


def nodenames(scope: Scope, found: CimDataset, span: Span) -> Typed:
    """The names of the datasets that an event is part of."""
    names = [literal(found.name), literal(f"{found.model}.{found.name}")]
    for child in list_child_datasets(found):
        inside = build_child_condition(scope, found, child, span)
        # No event can be of that child.
        if isinstance(inside.expression, Literal):
            continue
        for name in (child.name, f"{found.name}.{child.name}"):
            names.append(ops.if_(inside, literal(name), Typed(TYPED_NULL.expression, Kind.TEXT)))
    return apply(ops.list_concat, *(ops.list_(n) for n in names))


def select_unqualified(scope: Scope, found: CimDataset, child: CimDataset | None, span: Span) -> None:
    """Makes the current events those of a dataset, its fields under their own names."""
    enter(scope, found, span)
    names = sorted(n for n in COMMON | collect_dataset_fields(found) if scope.session.mentions(n))
    added = [(n, field_of(scope, found, n)) for n in names]
    scope.filter(build_child_condition(scope, found, child, span).expression, span)
    scope.derive(added, span)
