"""SELECT statements under construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import expressions as exp

from harness.detection.sql import build as b


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectQuery:
    """A SELECT and the physical columns that it gives."""

    sql: exp.Select
    held: frozenset[str]


def select_columns_only(items: Mapping[str, exp.Expression], source: str | None = None) -> SelectQuery:
    """SELECT of exactly these physical columns."""
    # A column under its own name needs no alias; statements of 500 columns are printed and parsed for every rule.
    made = [v if isinstance(v, exp.Column) and v.name == n else b.alias(v, n) for n, v in items.items()]
    return SelectQuery(sql=build_select(made, source), held=frozenset(items))


def build_select(items: list[exp.Expression], source: str | None = None, short: str | None = None) -> exp.Select:
    """SELECT items FROM source; a relation without columns gets the hidden column `~`."""
    # An empty SELECT list is a syntax error in SQL, and the number of rows counts even where no column is read.
    query = exp.Select(expressions=items or [b.alias(b.sql_null(), "~")])
    if source is not None:
        # sqlglot 30 keeps FROM and WITH under `from_` and `with_`; under the old keys it prints
        # nothing and says nothing.
        query.set("from_", exp.From(this=table_as(source, short)))
    return query


def table_as(name: str, short: str | None = None) -> exp.Table:
    """A table under a short name."""
    alias = exp.TableAlias(this=exp.to_identifier(short)) if short else None
    return exp.Table(this=exp.to_identifier(name), alias=alias)
