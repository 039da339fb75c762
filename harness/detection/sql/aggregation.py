"""Aggregates and window measures as SQL: the filter, the order and the frame around a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.detection.plan.expressions import Aggregation, Literal
from harness.detection.plan.passes.requirements import sensitive
from harness.detection.plan.passes.whole_numbers import is_whole
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.expressions import Printer
from harness.record import record


@record(kw_only=True)
class OrderKey:
    """One key of the current order: a physical column and its direction."""

    column: str
    descending: bool = False
    nulls_first: bool = False

    def flipped(self) -> OrderKey:
        """The same for the opposite order."""
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    def sql(self, table: str | None = None) -> exp.Ordered:
        """As a member of ORDER BY."""
        return order_term(b.sql_column(self.column, table), self.descending, self.nulls_first)


Order = tuple[OrderKey, ...]


def order_term(value: exp.Expression, descending: bool = False, nulls_first: bool = False) -> exp.Ordered:
    """A member of ORDER BY; nulls last unless said otherwise."""
    return exp.Ordered(this=value, desc=descending, nulls_first=nulls_first)


def order_by(keys: Sequence[exp.Expression]) -> exp.Order | None:
    """ORDER BY, if there is something to order by."""
    return exp.Order(expressions=keys) if keys else None


@record(kw_only=True)
class Around:
    """What stands around an aggregate function: which rows count, in which order, over which window.

    A spelling gets it as its first argument and calls it for each engine function that it uses. `crowded` says that it
    is one of very many.
    """

    where: exp.Expression | None = None
    order: tuple[exp.Ordered, ...] = ()
    own_order: bool = False
    window: exp.Window | None = None
    whole: bool = False
    """Whether the arguments hold only counts."""
    crowded: bool = False

    def __call__(
        self,
        name: str,
        *arguments: exp.Expression,
        present: exp.Expression | None = None,
        distinct: bool = False,
        in_order: bool = False,
        order: Sequence[exp.Ordered] = (),
    ) -> exp.Expression:
        """The function of that name.

        Rows where `present` is null do not count; `in_order` gives it its rows in their order, `order` in another.
        """
        inside = list(arguments)
        if distinct:
            inside = [exp.Distinct(expressions=inside)]
        # Inside of OVER the window's own order holds already, unless the aggregate brings one.
        keys = list(order) or (list(self.order) if in_order and (self.window is None or self.own_order) else [])
        if keys:
            inside[-1] = exp.Order(this=inside[-1], expressions=keys)
        call: exp.Expression = b.fn(name, *inside)
        conditions = [c for c in (self.where, None if present is None else b.not_null(present)) if c is not None]
        if conditions:
            call = exp.Filter(call, b.sql_balanced(exp.And, conditions))
        return self.over(call)

    def over(self, call: exp.Expression) -> exp.Expression:
        """The call with its OVER clause, if there is one."""
        return call if self.window is None else self.window.around(call)

    def nth(self, which: str, value: exp.Expression) -> exp.Expression:
        """The `first` or the `last` value that is not null, in row order."""
        if self.window is None or self.own_order:
            return self(which, value, present=value, in_order=True)
        # DuckDB has no FILTER for first_value and last_value ("not implemented for the window function"), but IGNORE
        # NULLS, so rows that do not count become null.
        kept = value if self.where is None else b.sql_case((self.where, value))
        function = exp.FirstValue if which == "first" else exp.LastValue
        return self.over(exp.IgnoreNulls(this=function(this=kept)))


def compile_aggregation(
    printer: Printer,
    aggregation: Aggregation,
    current: Order,
    window: exp.Window | None = None,
    whole: frozenset[str] = frozenset(),
    crowded: bool = False,
) -> exp.Expression:
    """SQL of an aggregation over the printer's relation, whose current order and columns of counts are given."""
    spelling = printer.dialect.spelling(aggregation.operation)
    kinds = [printer.kind(a) for a in aggregation.arguments]
    wanted = printer.wanted(aggregation, kinds)
    arguments = [printer(a, k) for a, k in zip(aggregation.arguments, wanted, strict=True)]
    # A spelling may write an argument several times (its FILTER, its order), so each is a column first.
    arguments = [printer.simple(s, e) for s, e in zip(arguments, aggregation.arguments, strict=True)]
    around = build_around(printer, aggregation, current)
    if not printer.dialect.orders and (window is None or around.own_order):
        around = replace(around, order=number_rows(printer, around.order) if takes_order(aggregation) else ())
    around = replace(
        around,
        window=window,
        whole=all(is_whole(a, whole) for a in aggregation.arguments),
        crowded=crowded,
    )
    made: exp.Expression | None
    if aggregation.operation in printer.dialect.with_kinds:
        made = spelling(around, *arguments, kinds=tuple(w or k for w, k in zip(wanted, kinds, strict=True)))
    else:
        made = spelling(around, *arguments)
    return printer.dialect.spell_out(aggregation.operation, partly=True) if made is None else made


def takes_order(aggregation: Aggregation) -> bool:
    """Whether an aggregate's value hangs on the order of rows."""
    return sensitive(aggregation) or bool(aggregation.order)


def number_rows(printer: Printer, order: Sequence[exp.Ordered]) -> tuple[exp.Ordered, ...]:
    """An order as the number of the row in it, for engines whose aggregates take none."""
    if not order or printer.hoist is None:
        return tuple(order)
    partition = list(printer.group_keys)
    numbering = exp.Window(this=b.fn("row_number"), partition_by=partition, order=order_by(list(order)))
    return (order_term(printer.hoist(numbering, Literal(None))),)


def build_around(printer: Printer, aggregation: Aggregation, current: Order) -> Around:
    """The rows that count, and their order: the aggregation's own, or the current one."""
    keys = [order_term(printer(k.expression), k.descending, k.nulls_first) for k in aggregation.order]
    return Around(
        where=None if aggregation.where is None else printer(aggregation.where),
        order=tuple(keys) if keys else tuple(k.sql() for k in current),
        own_order=bool(keys),
    )
