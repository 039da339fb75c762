"""One dimension for a column of several stored parts, some of which have its texts as they are or codes of another.

A store decides for each part whether a field is worth codes. Where most events have them, the texts of the others get
codes behind those that there are; else a few events would make the engine work on the text of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.plan.dimension import CODE, VALUE, Dimension
from harness.detection.plan.expressions import Kind
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.build import table_as
from harness.detection.sql.codes import Encoded, LookUp, join_look_up
from harness.detection.sql.compilation import Compilation
from harness.record import record

# Chosen, no source: each text of the others is looked up once more.
MOST_OTHERS = 0.25
"""Events without codes of the dimension, for each one with."""


@record(kw_only=True)
class JointDimension:
    """The dimension of a column in all parts; the one that most of them hold codes of, and the code of each text."""

    name: str
    dimension: Dimension
    held: Dimension
    codes: str = ""

    def encode_part(self, c: Compilation, part: StoredPart, short: str) -> tuple[exp.Expression, q.Join | None]:
        """The SQL of a part's code, and the join that it needs under a short name."""
        own = part.dimensions.get(self.name)
        column = b.sql_column(c.names(self.name), "s")
        if own is not None and own.table == self.held.table:
            return column, None
        if own is not None:
            known = f"SELECT d.{CODE}, e.{CODE} AS {VALUE} FROM {own.table} AS d JOIN {self.codes} AS e USING ({VALUE})"
            recoded = Dimension(c.keep_query(known), Kind.EVENT, own.measure)
            join = join_look_up(LookUp(encoded=Encoded(code=column, dimension=recoded)), short)
            return b.sql_column(VALUE, short), join
        text = column if self.name in part.columns else b.sql_text(part.constants[self.name])
        on = b.eq(text, b.sql_column(VALUE, short))
        return b.sql_column(CODE, short), q.Join(this=table_as(self.codes, short), on=on, side="LEFT")


def find_joint_dimension(c: Compilation, parts: Sequence[StoredPart], name: str, kind: Kind) -> JointDimension | None:
    """The dimension of a column in all parts that have it, if most of their events hold codes of one."""
    having = [p for p in parts if name in p.columns or name in p.constants]
    dimensions = {d.table: d for p in having if (d := p.dimensions.get(name)) is not None and d.kind is kind}
    if not dimensions:
        return None
    rows = {t: sum(p.count() for p in having if is_coded(p, name, t)) for t in dimensions}
    held = dimensions[max(rows, key=lambda table: rows[table])]
    total = sum(p.count() for p in having)
    if c.codes_from and total < max(c.codes_from, held.size):
        return None
    others = [p for p in having if not is_coded(p, name, held.table)]
    if not others:
        return JointDimension(name=name, dimension=held, held=held)
    fits = kind is Kind.TEXT and all(p.columns.get(name, Kind.TEXT) is kind and p.file for p in others)
    many = c.codes_from > 0 and total - rows[held.table] > MOST_OTHERS * rows[held.table]
    if many or not fits:
        return None
    return extend_dimension(c, name, held, others)


def is_coded(part: StoredPart, name: str, table: str) -> bool:
    """Whether a part holds codes of a dimension."""
    own = part.dimensions.get(name)
    return own is not None and own.table == table


def extend_dimension(c: Compilation, name: str, held: Dimension, others: Sequence[StoredPart]) -> JointDimension:
    """The values of a dimension with those of other parts behind them."""
    sources = sorted({list_part_texts(c, part, name) for part in others})
    known = f"{VALUE} IS NOT NULL AND {VALUE} NOT IN (SELECT {VALUE} FROM {held.table} WHERE {VALUE} IS NOT NULL)"
    added = f"SELECT DISTINCT {VALUE} FROM ({' UNION ALL '.join(sources)}) WHERE {known}"
    numbered = f"SELECT CAST({held.size} + row_number() OVER () - 1 AS INTEGER) AS {CODE}, {VALUE} FROM ({added})"
    table = c.keep_query(f"SELECT {CODE}, {VALUE} FROM {held.table} UNION ALL {numbered}")
    codes = c.keep_query(
        f"SELECT {VALUE}, min({CODE}) AS {CODE} FROM {table} WHERE {VALUE} IS NOT NULL GROUP BY {VALUE}"
    )
    # At most so many: nobody counts the texts before they are needed.
    size = held.size + sum(max(1, p.count()) for p in others)
    distinct = held.distinct
    dimension = Dimension(table, held.kind, lambda: (size, distinct))
    return JointDimension(name=name, dimension=dimension, held=held, codes=codes)


def list_part_texts(c: Compilation, part: StoredPart, name: str) -> str:
    """The query of a part's texts in a column."""
    own = part.dimensions.get(name)
    if own is not None:
        return f"SELECT {VALUE} FROM {own.table}"
    if name in part.constants:
        return f"SELECT {c.dialect.print(b.sql_text(part.constants[name]))} AS {VALUE}"
    column = c.dialect.print(b.sql_column(c.names(name)))
    return f"SELECT {column} AS {VALUE} FROM {part.name}"
