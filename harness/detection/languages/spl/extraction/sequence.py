"""The fields of events while they are extracted one setting after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.extraction.props import Confs, WantedFields, build_value_where
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError
from harness.telemetry.indexing.props import Props

# ASCII's unit separator: in no name, and in no text of a log.
PAIR_SEPARATOR = "\x1f"
KEPT = frozenset({"_time", "_raw", "index", "source", "sourcetype", "host"})
"""What no text of an event changes."""
PAIR, JSON, XML = "=", "{", "<"
"""What stands before a name that events told, saying how they did."""


@dataclass(slots=True, kw_only=True)
class Sequence:
    """The relation so far; `told` are names found in the events, None where nobody could look.

    `names` are lists of such names, one for each way in which an event's text has them. While the sequence is `asking`
    it only makes those, and the fields that they are taken from.
    """

    scope: Scope
    confs: Confs
    transforms: Props
    wanted: WantedFields
    told: frozenset[str] | None = None
    asking: bool = False
    names: list[Typed] = field(default_factory=list)

    def put(self, name: str, value: Typed, guard: Typed) -> None:
        """A field that stays as it was where there was one."""
        if name in KEPT:
            return
        old, new = self.scope.typed(name), build_value_where(guard, value)
        if new.kind is not Kind.NULL:
            self.scope.derive([(name, prefer_old(old, new))])

    def add(self, name: str, value: Typed, guard: Typed) -> None:
        """More values of a field."""
        old, new = self.scope.typed(name), build_value_where(guard, value)
        if new.kind is Kind.NULL or name in KEPT:
            return
        both_lists = [as_multivalue(v) for v in (old, new) if v.kind is not Kind.NULL]
        self.scope.derive([(name, apply(ops.list_concat, *both_lists) if len(both_lists) > 1 else both_lists[0])])

    def replaced(self, name: str, value: Typed, guard: Typed) -> Typed:
        """A value where a condition holds, what the field was elsewhere."""
        old = self.scope.typed(name)
        if old.kind is Kind.NULL:
            return build_value_where(guard, value) if value.kind is not Kind.NULL else TYPED_NULL
        new, kept = align_kinds(value, old)
        return new if build_value_where(guard, kept) is kept else ops.if_(guard, new, kept)

    def raw(self) -> Typed:
        """The text of the event."""
        return as_text(self.scope.typed("_raw"))

    def candidates(self, mark: str) -> list[str]:
        """Names that events may have: those they told, else those that the query says."""
        if self.told is None:
            return self.wanted.guesses()
        return sorted(n[1:] for n in self.told if n[:1] == mark and n[1:] in self.wanted)

    def pairs(self, pairs: Typed, guard: Typed, *, several: bool, clean: bool) -> None:
        """Fields from a list of names and values."""
        made = build_value_where(guard, clean_pair_names(pairs) if clean else pairs)
        if made.kind is Kind.NULL:
            return
        complete, mark = keep_complete_pairs(made), self.scope.session.fresh("pairs")
        # In a column, since each wanted field is cut out of the same list.
        self.scope.derive([(mark, complete)])
        known = Typed(Column(mark), complete.kind)
        if self.asking:
            self.names.append(each_of(known, lambda e: ops.concat(literal(PAIR), extract_pair_name(e))))
            return
        for name in self.candidates(PAIR):
            if several:
                self.add(name, select_values_by_name(known, name), guard)
            else:
                self.put(name, ops.list_get(select_values_by_name(known, name), literal(1.0)), guard)

    def attempt(self, name: str, make: Callable[[], object]) -> None:
        """Makes a field; what is not supported is an error only if the query itself names the field."""
        try:
            make()
        except SourceError as error:
            # One setting that cannot be read must not stop searches that have nothing to do with its field.
            if self.wanted.names is not None or self.scope.session.mentions(name):
                raise
            self.scope.session.warn(error.code, f"`{name}` is not made: {error.message}", error.span, error.help)


def align_kinds(new: Typed, old: Typed) -> tuple[Typed, Typed]:
    """Two values of one kind."""
    if Kind.NULL in (new.kind, old.kind):
        return new, old
    if Kind.LIST in (new.kind, old.kind):
        return as_multivalue(new), as_multivalue(old)
    return (new, old) if new.kind is old.kind else (as_text(new), as_text(old))


def prefer_old(old: Typed, new: Typed) -> Typed:
    """The old value, or the new one where there is none."""
    if old.kind is Kind.NULL:
        return new
    first, second = align_kinds(old, new)
    return ops.coalesce(first, second)


def drop_empty_text(value: Typed) -> Typed:
    """The text, which is no field where it is empty."""
    return ops.if_(ops.equal(value, literal("")), TYPED_NULL, value) if value.kind is Kind.TEXT else value


def extract_pair_name(element: Typed) -> Typed:
    """The name in a pair."""
    return ops.list_get(ops.list_split(element, literal(PAIR_SEPARATOR)), literal(1.0))


def value_of(element: Typed) -> Typed:
    """The value in a pair."""
    at = ops.add(ops.position(element, literal(PAIR_SEPARATOR)), literal(1.0))
    return ops.substring(element, at, TYPED_NULL)


def clean_pair_names(pairs: Typed) -> Typed:
    """Pairs whose names have only letters, digits and underscores, neither digit nor underscore first."""

    def clean(element: Typed) -> Typed:
        flags, every = literal(""), literal(True)
        name = ops.regex_replace(extract_pair_name(element), literal("[^A-Za-z0-9_]"), flags, literal("_"), every)
        name = ops.regex_replace(name, literal("^[0-9_]+"), flags, literal(""), literal(False))
        return ops.concat(name, literal(PAIR_SEPARATOR), value_of(element))

    return each_of(pairs, clean)


def keep_complete_pairs(pairs: Typed) -> Typed:
    """Pairs with a name and a value."""
    parameter, element = build_element_parameter(pairs)
    unnamed = ops.starts_with(element, literal(PAIR_SEPARATOR))
    empty = ops.ends_with(element, literal(PAIR_SEPARATOR))
    return apply_to_elements(ops.list_filter, pairs, parameter, ops.not_(ops.or_(unnamed, empty)))


def select_values_by_name(pairs: Typed, name: str) -> Typed:
    """All values under a name."""
    parameter, element = build_element_parameter(pairs)
    named = apply_to_elements(
        ops.list_filter, pairs, parameter, ops.starts_with(element, literal(name + PAIR_SEPARATOR))
    )
    return each_of(named, lambda e: ops.substring(e, literal(float(len(name) + 2)), TYPED_NULL))


def each_of(values: Typed, change: Callable[[Typed], Typed]) -> Typed:
    """What a change makes of each element."""
    parameter, element = build_element_parameter(values)
    return apply_to_elements(ops.list_map, values, parameter, change(element))
