"""Lists in Spark SQL, and rows of their elements."""

from __future__ import annotations

from typing import Any

from harness.detection.engines.spark.dialect import SPARK, find_spark_text, spark_place
from harness.detection.engines.spark.text import spell_spark_by_name
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn, lambda_of, sql_parameter
from harness.detection.sql.dialect import Construct

for operation, name in {
    ops.list_join: "array_join",
    ops.list_distinct: "array_distinct",
    ops.list_sort: "sort_array",
    ops.list_reverse: "reverse",
    ops.list_contains: "array_contains",
}.items():
    SPARK.spell(operation)(spell_spark_by_name(name))


def spell_spark_array(kind: str) -> SQL:
    """An array of nothing."""
    return b.cast(fn("array"), kind)


def spell_spark_filled(lists: SQL) -> SQL:
    """Null for a list of nothing."""
    return fn("nullif", lists, spell_spark_array("TEXT[]"))


@SPARK.spell(ops.list_)
def spark_listed(*t: SQL) -> SQL:
    """The texts that are not null."""
    return spell_spark_filled(fn("array_compact", b.cast(fn("array", *t), "TEXT[]")))


@SPARK.spell(ops.list_concat)
def spark_list_concat(*lists: SQL) -> SQL:
    """The elements of all lists in order; null lists count as empty."""
    return spell_spark_filled(fn("concat", *(fn("coalesce", x, spell_spark_array("TEXT[]")) for x in lists)))


@SPARK.spell(ops.list_filter)
def spark_list_filter(lists: SQL, condition: SQL) -> SQL:
    """Elements for which it is true."""
    return spell_spark_filled(fn("filter", lists, condition))


@SPARK.spell(ops.list_map)
def spark_list_map(lists: SQL, change: SQL) -> SQL:
    """What it makes of each, without nulls."""
    return spell_spark_filled(fn("array_compact", fn("transform", lists, change)))


@SPARK.spell(ops.list_any)
def spark_list_any(lists: SQL, condition: SQL) -> SQL:
    """Whether an element is true; null of a null list."""
    # `exists` is null where one is null and none is true; `size` of null may be -1.
    return b.sql_infix(exp.GT, fn("array_size", fn("filter", lists, condition)), b.sql_integer(0))


@SPARK.spell(ops.list_index)
def spark_list_index(lists: SQL, condition: SQL) -> SQL:
    """Place of the first for which it is true."""
    return spark_list_position(fn("transform", lists, condition), b.sql_truth(True))


@SPARK.spell(ops.list_position)
def spark_list_position(lists: SQL, t: SQL) -> SQL:
    """Place of the first such element."""
    return b.cast(fn("nullif", fn("array_position", lists, t), b.sql_integer(0)), "DOUBLE")


@SPARK.spell(ops.list_length)
def spark_list_length(lists: SQL) -> SQL:
    """The number of elements as a double."""
    return b.cast(fn("array_size", lists), "DOUBLE")


@SPARK.spell(ops.list_get, twice=True)
def spark_list_get(lists: SQL, i: SQL) -> SQL:
    """The element at a place, null outside."""
    # element_at raises outside of the array in Spark 4, and at place 0 even the one that tries.
    place = b.cast(spark_place(i), "INT")
    return fn("try_element_at", lists, fn("nullif", place, b.sql_integer(0)))


@SPARK.spell(ops.list_slice, twice=True)
def spark_list_slice(lists: SQL, i: SQL, j: SQL) -> SQL:
    """The elements whose places lie between, both ends included; a place before the first is the first."""
    place = b.sql_infix(exp.Add, sql_parameter("i"), b.sql_integer(1))
    from_first = exp.GTE(this=exp.Paren(this=place), expression=find_spark_end(lists, i))
    to_last = exp.LTE(this=exp.Paren(this=place.copy()), expression=find_spark_end(lists, j))
    kept = lambda_of("x i", exp.And(this=from_first, expression=to_last))
    return spell_spark_filled(fn("filter", lists.copy(), kept))


def find_spark_end(lists: SQL, end: SQL) -> SQL:
    """A place counted from the front, in brackets."""
    place = b.sql_bracket(spark_place(end.copy()))
    behind = b.sql_infix(exp.Add, fn("array_size", lists.copy()), b.sql_infix(exp.Add, place, b.sql_integer(1)))
    return b.sql_case((exp.LT(this=place.copy(), expression=b.sql_integer(0)), behind), default=place.copy())


@SPARK.spell(ops.list_split)
def spark_list_split(t: SQL, separator: SQL) -> SQL | None:
    """Split by a text, which Spark takes for a regular expression."""
    known = find_spark_text(separator)
    if not known:
        return None
    return fn("split", t, b.sql_text("".join(c if c.isalnum() else "\\" + c for c in known)))


@SPARK.spell(ops.list_zip, twice=True)
def spark_list_zip(x: SQL, y: SQL, separator: SQL) -> SQL:
    """Pairs up to the shorter one, which zip_with would pad with nulls."""
    pair = fn("concat", sql_parameter("x"), separator, sql_parameter("y"))
    return fn("array_compact", fn("zip_with", x, y, lambda_of("x y", pair)))


@SPARK.spell(ops.events_joined, kinds=True)
def spark_events_joined(*events: SQL, kinds: tuple[Kind, ...] = (Kind.EVENT,)) -> SQL:
    """Distinct events of all, ascending."""
    known = [(e, k) for e, k in zip(events, kinds, strict=True) if k in (Kind.EVENT, Kind.EVENTS)]
    lists = [
        fn("coalesce", e, spell_spark_array("BIGINT[]")) if k is Kind.EVENTS else fn("array_compact", fn("array", e))
        for e, k in known
    ]
    if not lists:
        return b.cast(b.sql_null(), "BIGINT[]")
    joined = fn("sort_array", fn("array_distinct", fn("concat", *lists)))
    return fn("nullif", joined, spell_spark_array("BIGINT[]"))


@SPARK.spell(Construct.UNNEST)
def spark_unnest(lists: SQL, name: str, place: str, keep_empty: bool) -> list[Any]:
    """A select item that makes a row of each element, with its place from 0."""
    source = fn("coalesce", lists, fn("array", b.sql_null())) if keep_empty else lists
    row = fn("struct", b.cast(sql_parameter("i"), "DOUBLE"), sql_parameter("x"))
    pairs = fn("transform", source, lambda_of("x i", row))
    return [
        exp.Aliases(this=fn("inline", pairs), expressions=[exp.to_identifier(n, quoted=True) for n in (place, name)])
    ]
