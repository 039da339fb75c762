"""Events on their way through a query: the relation so far, and one row of it while a step is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.detection.languages.cql.coercion import (
    as_common_kind,
    as_number,
    as_text,
    as_truth,
    coalesce_values,
    never_null,
)
from harness.detection.languages.cql.scope import ARRAY_MEMBER, TEMPORARY, Scope, Session, build_json_member
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Kind, Literal, walk_expressions
from harness.detection.plan.operations import all_of
from harness.detection.plan.schema import kind_of
from harness.diagnostics import Severity, SourceError, Span, did_you_mean, group_by_beginning
from harness.late_pattern import late_pattern

ARRAY_ELEMENT = late_pattern(r"(.*)\[(\d+)\]", re.S)
INLINE = 6
SUGGESTED = 20
FIELD_NAME_MARKS = "#@_"


class RowScope:
    """One row of a flow while a step, a branch or an aggregate's argument is read.

    What is assigned lies over the flow's columns until `flush`; so branches can be read side by side.
    """

    __slots__ = ("conditions", "flow", "implied", "inline", "local", "offers", "overlay")

    def __init__(self, flow: Scope, overlay: dict[str, Expression] | None = None, *, local: bool = False) -> None:
        self.flow, self.local, self.inline = flow, local, True
        self.overlay: dict[str, Expression] = dict(overlay or {})
        self.conditions: list[Expression] = []
        self.offers: dict[str, Expression] = {}
        self.implied: str | None = None

    @property
    def meaning(self) -> Session:
        """What the reading of the query knows."""
        return self.flow.meaning

    def kind(self, value: Expression) -> Kind:
        """What an expression over this row holds."""
        return kind_of(value, self.flow.columns)

    def has(self, name: str) -> bool:
        """Whether the row may have the field."""
        return self.read(name, quiet=True) is not NULL

    def read(self, name: str, span: Span | None = None, *, quiet: bool = False) -> Expression:
        """The value of a field, null if there is none of that name."""
        if name in self.overlay:
            return self.overlay[name]
        if name in self.flow.columns:
            if name in self.meaning.schema:
                self.meaning.reads.add(name)
            return Column(name, span)
        found = ARRAY_ELEMENT.fullmatch(name)
        if found and (listed := self.listed(found[1] + "[]")) is not None:
            return ops.list_get(listed, Literal(int(found[2]) + 1), span=span)
        member = ARRAY_MEMBER.fullmatch(name)
        if member and (listed := self.listed(member[1] + "[]")) is not None:
            return build_json_member(ops.list_get(listed, Literal(int(member[2]) + 1)), member[3])
        if not quiet and span is not None and self.flow.events:
            message = f"no event has a field `{name}` here"
            self.meaning.tell("absent-field", name, message, span, self.near(name), Severity.NOTE)
        elif not quiet and span is not None and not self.local:
            own = f"did you mean `_{name}`?" if f"_{name}" in self.flow.columns else None
            self.meaning.tell("absent-field", name, f"no row has a field `{name}` here", span, own or self.near(name))
        return NULL

    def near(self, name: str) -> str | None:
        """The field that was meant, perhaps; looked for only for the first few that there are not."""
        find_hint = self.meaning.settings.find_hint
        elsewhere = find_hint(name) if find_hint else None
        few = len(self.meaning.told) < SUGGESTED and ("absent-field", name) not in self.meaning.told
        if not few:
            return elsewhere
        first = name.lstrip(FIELD_NAME_MARKS)[:1].lower()
        begun_alike = group_by_beginning(tuple(self.flow.columns), FIELD_NAME_MARKS).get(first, ())
        alike = [n for n in begun_alike if not n.startswith(TEMPORARY)]
        return elsewhere or did_you_mean(name, alike)

    def listed(self, name: str) -> Expression | None:
        """The column or assignment that holds a whole array, if one does."""
        if name in self.overlay:
            return self.overlay[name]
        return Column(name) if self.flow.columns.get(name) is Kind.LIST else None

    def array(self, name: str) -> Expression:
        """The array `name[]`: its own column, or the elements `name[0]`, `name[1]` up to the first gap."""
        plain = name.replace("`", "").removesuffix("[]")
        listed = self.listed(plain + "[]")
        if listed is not None:
            return listed
        elements: list[Expression] = []
        gap: Expression = Literal(False)
        for i in range(1000):
            value = self.read(f"{plain}[{i}]", quiet=True)
            if value is NULL:
                break
            text = self.text(value)
            elements.append(text if i == 0 else ops.if_(gap, NULL, text))
            missing = ops.is_null(text)
            gap = missing if i == 0 else ops.or_(gap, missing)
        return ops.list_(*tuple(elements)) if elements else NULL

    def text(self, value: Expression | str, span: Span | None = None) -> Expression:
        """A field or a value as text."""
        return as_text(self.read(value, span) if isinstance(value, str) else value, self.flow.columns)

    def number(self, value: Expression | str, span: Span | None = None) -> Expression:
        """A field or a value as a number."""
        return as_number(self.read(value, span) if isinstance(value, str) else value, self.flow.columns)

    def truth(self, value: Expression | str) -> Expression:
        """A field or a value as a condition."""
        return as_truth(self.read(value) if isinstance(value, str) else value, self.flow.columns)

    def alike(self, *values: Expression) -> tuple[Expression, ...]:
        """The values in one kind."""
        return as_common_kind(values, self.flow.columns)

    def first(self, *values: Expression) -> Expression:
        """The first value that is not null."""
        return coalesce_values(values, self.flow.columns)

    def assign(self, name: str, value: Expression) -> None:
        """Gives a field a value; where that is null the field stays as it was."""
        if self.kind(value) is Kind.BOOLEAN:
            value = self.text(value)
        if self.kind(value) is Kind.LIST:
            plain = name.removesuffix("[]")
            self.forget_elements(plain)
            name = plain + "[]"
        elif name not in self.flow.columns and name not in self.overlay and self.assign_element(name, value):
            return
        self.put(name, self.first(value, self.read(name, quiet=True)))

    def assign_element(self, name: str, value: Expression) -> bool:
        """Gives one element of an array that is held whole a value; false if there is no such array."""
        found = ARRAY_ELEMENT.fullmatch(name)
        listed = self.listed(found[1] + "[]") if found else None
        if not found or listed is None:
            return False
        at = int(found[2])
        whole = ops.list_concat(
            *([ops.list_slice(listed, Literal(1), Literal(at))] if at else []),
            ops.list_(self.text(value)),
            ops.list_slice(listed, Literal(at + 2), Literal(-1)),
        )
        fits = ops.greater_equal(ops.coalesce(ops.list_length(listed), Literal(0)), Literal(at))
        given = ops.not_(ops.is_null(value))
        self.put(found[1] + "[]", ops.if_(ops.and_(fits, given), whole, listed))
        return True

    def forget_elements(self, plain: str) -> None:
        """Drops elements that are fields of their own."""
        for known in (*self.flow.columns, *self.overlay):
            found = ARRAY_ELEMENT.fullmatch(known)
            if found and found[1] == plain:
                self.overlay[known] = NULL

    def put(self, name: str, value: Expression) -> None:
        """Gives a field exactly this value, null included."""
        if not self.inline and sum(1 for _ in walk_expressions(value)) > INLINE:
            value = self.keep(value)
        self.overlay[name] = value

    def keep(self, value: Expression) -> Expression:
        """The value as something cheap to repeat."""
        if self.local or isinstance(value, Column | Literal):
            return value
        return self.flow.keep(value)

    def offer(self, name: str, value: Expression) -> None:
        """A field that a filter finds on the way; it counts where the filter stands for itself."""
        self.offers[name] = value

    def accept(self) -> None:
        """Assigns what was offered."""
        offers, self.offers = self.offers, {}
        for name, value in offers.items():
            self.assign(name, value)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """What is offered inside is not taken."""
        before = dict(self.offers)
        try:
            yield
        finally:
            self.offers = before

    def require(self, condition: Expression) -> None:
        """Only where the condition is true."""
        if condition != Literal(True):
            self.conditions.append(condition)

    def condition(self) -> Expression:
        """All that was required."""
        return all_of(tuple(self.conditions))

    def branch(self) -> RowScope:
        """A row that starts as this one is now."""
        made = RowScope(self.flow, self.overlay, local=self.local)
        made.implied, made.inline = self.implied, self.local
        return made

    def flush(self, span: Span | None) -> None:
        """Makes the flow what this row has become."""
        flow = self.flow
        if self.conditions:
            flow.require(self.condition(), span)
        if self.overlay:
            self.remember()
            there = {n for n, v in self.overlay.items() if never_null(v, flow.present)}
            flow.derive(tuple(self.overlay.items()), span)
            flow.present = (flow.present - self.overlay.keys()) | there
        if "@timestamp" in self.overlay:
            flow.timed = False
        self.overlay, self.conditions = {}, []

    def remember(self) -> None:
        """Keeps what events came with in the fields that change, for free text further on."""
        flow, meaning = self.flow, self.flow.meaning
        if not (meaning.searches and flow.events):
            return
        changed = [n for n in self.overlay if n in meaning.schema and f"{TEMPORARY}{n}" not in flow.columns]
        if changed:
            kept = tuple((f"{TEMPORARY}{n}", Column(n)) for n in changed)
            flow.derive(kept, None)

    def unsupported(self, what: str, span: Span, help: str | None = None) -> SourceError:
        """The error for what is not supported."""
        return SourceError("unsupported", f"{what} is not supported", span, help=help)
