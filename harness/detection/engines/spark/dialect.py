"""Spark SQL's table of primitives, its types, and what a statement needs before it is printed."""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import Any, ClassVar

from sqlglot import expressions as exp
from sqlglot.dialects.spark import Spark as SparkOfSqlglot

from harness.detection.engines.spark.functions import name_spark_function
from harness.detection.plan.expressions import Kind
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql.build import SQL
from harness.detection.sql.dialect import SqlDialect, spell_shared


class SparkSQL(SparkOfSqlglot):  # type: ignore[misc]
    """Spark SQL as sqlglot prints it, but for casts that may fail."""

    class Generator(SparkOfSqlglot.Generator):  # type: ignore[misc]
        """The same with TRY_CAST, which sqlglot prints as CAST for Spark: that raises in Spark 4."""

        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            **SparkOfSqlglot.Generator.TRANSFORMS,
            exp.TryCast: lambda self, e: f"TRY_CAST({self.sql(e, 'this')} AS {self.sql(e, 'to')})",
        }


def prepare_spark_statement(statement: exp.Expression) -> None:
    """Changes a statement where Spark wants more than SQL does."""
    for window in statement.find_all(exp.Window):
        # "Window function row_number() requires window to be ordered"; any order will do where the plan has none.
        if isinstance(window.this, exp.Anonymous) and window.this.name in NUMBERING and not window.args.get("order"):
            window.set("order", exp.Order(expressions=[exp.Ordered(this=b.sql_integer(1), nulls_first=True)]))
    for node in statement.find_all(exp.Table, exp.Subquery):
        name = node.args.get("alias")
        if isinstance(name, exp.TableAlias) and isinstance(name.this, exp.Identifier):
            name.set("this", name_spark_table(name.this.name))
    for column in statement.find_all(exp.Column):
        if isinstance(column.args.get("table"), exp.Identifier):
            column.set("table", name_spark_table(column.args["table"].name))


def cut_statement(whole: q.Query) -> tuple[list[tuple[str, q.Query]], q.Query]:
    """The parts of a statement that several others read, in order and by name, and what is left of it.

    Spark plans and runs a CTE once for each of its readers.
    """
    ctes = {cte.alias.name: cte for cte in whole.ctes}
    reads = {name: {t.name for t in cte.this.find_all(q.Table)} for name, cte in ctes.items()}
    readers = Counter(t.name for t in whole.find_all(q.Table))
    kept = [name for name in ctes if readers[name] > 1]
    if not kept:
        return [], whole

    def stand(query: q.Query, needed: set[str]) -> q.Query:
        # A CTE reads only earlier ones.
        parts = []
        for name in reversed(ctes):
            if name in needed and name not in kept:
                needed |= reads[name]
                parts.append(ctes[name])
        made = copy(query)
        made.ctes = parts[::-1]
        return made

    bare = stand(whole, set())
    made = [(name, stand(ctes[name].this, set(reads[name]))) for name in kept]
    return made, stand(whole, {t.name for t in bare.find_all(q.Table)})


NUMBERING = ("row_number", "lag", "lead")


def name_spark_table(name: str) -> exp.Expression:
    """A short name of a relation that no column has."""
    # In a subquery Spark takes `l.host` for the field of a column called l, if the events have one.
    return exp.to_identifier(name if name.startswith("~") else "~" + name, quoted=True)


SPARK = SqlDialect(
    name="spark",
    prints_as=SparkSQL,
    prepare=prepare_spark_statement,
    name_function=name_spark_function,
    orders=False,
    moves_frames=False,
    computes=True,
    types={
        Kind.TEXT: "TEXT",
        Kind.NUMBER: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.LIST: "TEXT[]",
        Kind.NULL: "TEXT",
        Kind.EVENT: "BIGINT",
        Kind.EVENTS: "BIGINT[]",
    },
)
spell_shared(SPARK)


def spark_place(value: SQL) -> SQL:
    """A number used as a place or a count: an integer literal where it is one, else rounded towards zero."""
    if b.is_literal(value) and b.read_literal(value) is not None:
        return b.sql_integer(int(b.read_literal(value)))
    # Spark's cast of a double cuts, and its `trunc` is of dates.
    return b.try_cast(value, "BIGINT")


def find_spark_text(value: SQL) -> str | None:
    """The text of a literal, None for anything else."""
    found = b.read_literal(value) if b.is_literal(value) else None
    return found if isinstance(found, str) else None
