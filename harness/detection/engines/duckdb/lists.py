"""Lists and JSON in DuckDB."""

from __future__ import annotations

from typing import Any

from harness.detection.engines.duckdb.aggregates import DUCKDB_AGGREGATES, spell_null_if_empty
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.numbers import duckdb_to_number, duckdb_to_text
from harness.detection.engines.duckdb.statistics import LIST_MEASURES
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operations import PLAN_OPERATIONS
from harness.detection.plan.values.json import normalise_json_path
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn, lambda_of, sql_parameter
from harness.detection.sql.dialect import Construct


def spell_present_members(lists: SQL) -> SQL:
    """The members that are not null."""
    return fn("list_filter", lists, lambda_of("x", b.not_null(sql_parameter("x"))))


def spell_member_count(lists: SQL) -> SQL:
    """The number of elements as an integer."""
    return fn("len", lists)


@DUCKDB.spell(ops.list_)
def duckdb_listed(*t: SQL) -> SQL:
    """The texts that are not null."""
    return spell_null_if_empty(b.cast(spell_present_members(b.array(*t)), "TEXT[]"))


@DUCKDB.spell(ops.list_concat)
def duckdb_list_concat(*lists: SQL) -> SQL:
    """The elements of all lists in order; null lists count as empty."""
    nothing = b.cast(b.array(), "TEXT[]")
    # DuckDB 2.0.0 passes null lists over by itself; COALESCE says it for whatever version comes.
    return spell_null_if_empty(fn("list_concat", *(fn("coalesce", x, nothing) for x in lists)))


@DUCKDB.spell(ops.list_length)
def duckdb_list_length(lists: SQL) -> SQL:
    """How many, as a double."""
    return b.cast(spell_member_count(lists), "DOUBLE")


@DUCKDB.spell(ops.list_get)
def duckdb_list_get(lists: SQL, i: SQL) -> SQL:
    """The element at a place."""
    return fn("list_extract", lists, b.sql_place(i))


@DUCKDB.spell(ops.list_slice, twice=True)
def duckdb_list_slice(lists: SQL, i: SQL, j: SQL) -> SQL:
    """Both ends included; a place before the first is the first."""
    return spell_null_if_empty(fn("list_slice", lists, b.sql_place(i), b.sql_place(j)))


@DUCKDB.spell(ops.list_join)
def duckdb_list_join(lists: SQL, separator: SQL) -> SQL:
    """The elements with the separator between them."""
    if b.is_literal(separator):
        # Only with a literal: DuckDB wants "a constant expression" for the separator.
        return fn("array_to_string", lists, separator)
    body = exp.DPipe(this=exp.DPipe(this=sql_parameter("x"), expression=separator), expression=sql_parameter("y"))
    return fn("list_reduce", lists, lambda_of("x y", body))


@DUCKDB.spell(ops.list_split)
def duckdb_list_split(t: SQL, separator: SQL) -> SQL:
    """The pieces between."""
    return fn("string_split", t, separator)


@DUCKDB.spell(ops.list_distinct, twice=True)
def duckdb_list_distinct(lists: SQL) -> SQL:
    """Each element at its first place."""
    # DuckDB's list_distinct forgets the order: ['b', 'a', 'b'] becomes ['a', 'b'].
    first = b.eq(fn("list_position", lists, sql_parameter("x")), sql_parameter("i"))
    return fn("list_filter", lists, lambda_of("x i", first))


@DUCKDB.spell(ops.list_sort)
def duckdb_list_sort(lists: SQL) -> SQL:
    """By bytes."""
    return fn("list_sort", lists)


@DUCKDB.spell(ops.list_reverse)
def duckdb_list_reverse(lists: SQL) -> SQL:
    """Backwards."""
    return fn("list_reverse", lists)


@DUCKDB.spell(ops.list_contains)
def duckdb_list_contains(lists: SQL, t: SQL) -> SQL:
    """Has this element."""
    return fn("list_contains", lists, t)


@DUCKDB.spell(ops.list_position)
def duckdb_list_position(lists: SQL, t: SQL) -> SQL:
    """Place of the first such element."""
    # DuckDB 2.0.0 gives null where there is none; NULLIF covers a 0 as well.
    return b.cast(fn("nullif", fn("list_position", lists, t), b.sql_integer(0)), "DOUBLE")


@DUCKDB.spell(ops.list_zip, twice=True)
def duckdb_list_zip(x: SQL, y: SQL, separator: SQL) -> SQL:
    """Pairs up to the shorter one."""
    size = b.sql_infix(exp.Add, fn("least", spell_member_count(x), spell_member_count(y)), b.sql_integer(1))
    # DuckDB's list_zip pads the shorter list with nulls instead of ending with it.
    pair = fn("list_extract", x, sql_parameter("i")), separator, fn("list_extract", y, sql_parameter("i"))
    body = exp.DPipe(this=exp.DPipe(this=pair[0], expression=b.sql_bracket(pair[1])), expression=pair[2])
    known = b.sql_balanced(exp.And, [b.not_null(x), b.not_null(y)])
    return b.sql_case((known, fn("list_transform", fn("range", b.sql_integer(1), size), lambda_of("i", body))))


@DUCKDB.spell(ops.list_filter)
def duckdb_list_filter(lists: SQL, condition: SQL) -> SQL:
    """Elements for which it is true."""
    return spell_null_if_empty(fn("list_filter", lists, condition))


@DUCKDB.spell(ops.list_map)
def duckdb_list_map(lists: SQL, change: SQL) -> SQL:
    """What it makes of each, without nulls."""
    return spell_null_if_empty(spell_present_members(fn("list_transform", lists, change)))


@DUCKDB.spell(ops.list_any)
def duckdb_list_any(lists: SQL, condition: SQL) -> SQL:
    """Whether an element is true; null of a null list."""
    return b.sql_infix(exp.GT, spell_member_count(fn("list_filter", lists, condition)), b.sql_integer(0))


@DUCKDB.spell(ops.list_index)
def duckdb_list_index(lists: SQL, condition: SQL) -> SQL:
    """Place of the first for which it is true."""
    return duckdb_list_position(fn("list_transform", lists, condition), b.sql_truth(True))


@DUCKDB.spell(ops.list_statistic)
def duckdb_list_statistic(lists: SQL, statistic: SQL, fraction: SQL | None = None) -> SQL | None:
    """list_aggregate of the elements that are numbers."""
    if not b.is_literal(statistic) or not (fraction is None or b.is_literal(fraction)):
        return None
    name = b.read_literal(statistic)
    numbers = spell_present_members(fn("list_transform", lists, lambda_of("x", duckdb_to_number(sql_parameter("x")))))
    operation = ops.percentile_rank if name == "rank" else PLAN_OPERATIONS[name]
    if operation in LIST_MEASURES:
        return LIST_MEASURES[operation](numbers)
    more = [] if fraction is None or name not in ("percentile", "rank") else [fraction]
    return b.cast(fn("list_aggregate", numbers, b.sql_text(DUCKDB_AGGREGATES[operation]), *more), "DOUBLE")


@DUCKDB.spell(ops.list_mode)
def duckdb_list_mode(lists: SQL) -> SQL:
    """The mode of the sorted list."""
    # Of equally frequent ones DuckDB takes the first in the list.
    return fn("list_aggregate", fn("list_sort", lists), b.sql_text("mode"))


@DUCKDB.spell(ops.events_joined, kinds=True)
def duckdb_events_joined(*events: SQL, kinds: tuple[Kind, ...] = (Kind.EVENT,)) -> SQL:
    """Distinct events of all, ascending."""
    known = [(e, k) for e, k in zip(events, kinds, strict=True) if k in (Kind.EVENT, Kind.EVENTS)]
    nothing = b.cast(b.array(), "BIGINT[]")
    lists = [
        fn("coalesce", e if k is Kind.EVENTS else b.sql_case((b.not_null(e), b.array(e))), nothing) for e, k in known
    ]
    if not lists:
        return b.cast(b.sql_null(), "BIGINT[]")
    return fn("nullif", fn("list_sort", fn("list_distinct", fn("list_concat", *lists))), nothing)


@DUCKDB.spell(Construct.MAP_OF)
def map_of(keys: SQL, values: SQL) -> SQL:
    """A map of all rows."""
    return fn("map", fn("list", keys), fn("list", values))


@DUCKDB.spell(Construct.MAP_VALUE)
def map_value(table: SQL, key: SQL) -> SQL:
    """What a map has for a key."""
    # map_extract gives a list, empty where the key is not there.
    return fn("list_extract", fn("map_extract", table, key), b.sql_integer(1))


@DUCKDB.spell(Construct.ELEMENTS)
def elements(lists: SQL) -> SQL:
    """One row for each element."""
    return fn("unnest", lists)


@DUCKDB.spell(Construct.UNNEST)
def duckdb_unnest(lists: SQL, name: str, place: str, keep_empty: bool) -> list[Any]:
    """Select items that make a row of each element, and its place from 0."""
    source = fn("coalesce", lists, b.array(b.sql_null())) if keep_empty else lists
    places = b.sql_infix(exp.Sub, fn("generate_subscripts", source, b.sql_integer(1)), b.sql_integer(1))
    return [b.alias(fn("unnest", source), name), b.alias(b.cast(places, "DOUBLE"), place)]


def path_of(path: SQL) -> str | None:
    """The path as DuckDB writes it, None for no literal; a path that is none reaches nothing."""
    if not b.is_literal(path) or not isinstance(b.read_literal(path), str):
        return None
    # A key that no event has: DuckDB raises for a path that it cannot read, and this one reaches nothing.
    return normalise_json_path(b.read_literal(path)) or '$."\\u0000"'


def spell_json_extract(t: SQL, path: str) -> SQL:
    """json_extract_string, null of text that is no JSON."""
    # Without TRY "Malformed JSON" of one event would end the whole query.
    return fn("try", fn("json_extract_string", t, b.sql_text(path)))


@DUCKDB.spell(ops.json_text)
def duckdb_json_text(t: SQL, path: SQL) -> SQL | None:
    """The value at a path; the first of several."""
    known = path_of(path)
    if known is None:
        return None
    made = spell_json_extract(t, known)
    # DuckDB gives a list as soon as the path has a wildcard, whatever it reaches.
    return fn("list_extract", made, b.sql_integer(1)) if "[*]" in known else made


@DUCKDB.spell(ops.json_list)
def duckdb_json_list(t: SQL, path: SQL) -> SQL | None:
    """Every value that a path reaches."""
    known = path_of(path)
    if known is None:
        return None
    made = spell_json_extract(t, known)
    return spell_null_if_empty(spell_present_members(made if "[*]" in known else b.array(made)))


@DUCKDB.spell(ops.json_keys)
def duckdb_json_keys(t: SQL) -> SQL:
    """Names in the object."""
    return spell_null_if_empty(fn("try", fn("json_keys", t)))


@DUCKDB.spell(ops.json_valid)
def duckdb_json_valid(t: SQL) -> SQL:
    """Whether it is JSON."""
    return fn("json_valid", t)


@DUCKDB.spell(ops.to_json, kinds=True, twice=True)
def duckdb_to_json(x: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Text quoted, number and boolean bare, list as array."""
    if kinds[0] is Kind.NUMBER:
        # to_json(1.0) is `1.0` in DuckDB; an integer has no fraction in either product's JSON.
        return duckdb_to_text(x)
    if kinds[0] is Kind.NULL:
        return b.cast(b.sql_null(), "TEXT")
    return b.cast(fn("to_json", x), "TEXT")


def or_null(x: SQL, kind: Kind) -> SQL:
    """A value as JSON, `null` where it is absent."""
    return fn("coalesce", duckdb_to_json(x, (kind,)), b.sql_text("null"))


@DUCKDB.spell(ops.json_object, kinds=True, twice=True)
def duckdb_json_object(*x: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """An object as text."""
    pairs = []
    for i in range(0, len(x) - 1, 2):
        pairs += [
            b.sql_text("," if i else "{"),
            or_null(x[i], kinds[i]),
            b.sql_text(":"),
            or_null(x[i + 1], kinds[i + 1]),
        ]
    return spell_text_chain(pairs or [b.sql_text("{")], "}")


@DUCKDB.spell(ops.json_array, kinds=True, twice=True)
def duckdb_json_array(*x: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """An array as text."""
    items = []
    for i, (each, kind) in enumerate(zip(x, kinds, strict=True)):
        items += [b.sql_text("," if i else "["), or_null(each, kind)]
    return spell_text_chain(items or [b.sql_text("[")], "]")


def spell_text_chain(parts: list[SQL], end: str) -> SQL:
    """All parts as one text."""
    whole = parts[0]
    for each in [*parts[1:], b.sql_text(end)]:
        whole = exp.DPipe(this=whole, expression=b.sql_bracket(each))
    return whole
