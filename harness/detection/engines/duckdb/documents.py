"""JSON in DuckDB."""

from __future__ import annotations

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.lists import spell_null_if_empty, spell_present_members
from harness.detection.engines.duckdb.numbers import to_text
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.values.json import normalise_json_path
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn


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
def json_text(t: SQL, path: SQL) -> SQL | None:
    """The value at a path; the first of several."""
    known = path_of(path)
    if known is None:
        return None
    made = spell_json_extract(t, known)
    # DuckDB gives a list as soon as the path has a wildcard, whatever it reaches.
    return fn("list_extract", made, b.sql_integer(1)) if "[*]" in known else made


@DUCKDB.spell(ops.json_list)
def json_list(t: SQL, path: SQL) -> SQL | None:
    """Every value that a path reaches."""
    known = path_of(path)
    if known is None:
        return None
    made = spell_json_extract(t, known)
    return spell_null_if_empty(spell_present_members(made if "[*]" in known else b.array(made)))


@DUCKDB.spell(ops.json_keys)
def json_keys(t: SQL) -> SQL:
    """Names in the object."""
    return spell_null_if_empty(fn("try", fn("json_keys", t)))


@DUCKDB.spell(ops.json_valid)
def json_valid(t: SQL) -> SQL:
    """Whether it is JSON."""
    return fn("json_valid", t)


@DUCKDB.spell(ops.to_json, kinds=True, twice=True)
def to_json(x: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Text quoted, number and boolean bare, list as array."""
    if kinds[0] is Kind.NUMBER:
        # to_json(1.0) is `1.0` in DuckDB; an integer has no fraction in either product's JSON.
        return to_text(x)
    if kinds[0] is Kind.NULL:
        return b.cast(b.sql_null(), "TEXT")
    return b.cast(fn("to_json", x), "TEXT")


def or_null(x: SQL, kind: Kind) -> SQL:
    """A value as JSON, `null` where it is absent."""
    return fn("coalesce", to_json(x, (kind,)), b.sql_text("null"))


@DUCKDB.spell(ops.json_object, kinds=True, twice=True)
def json_object(*x: SQL, kinds: tuple[Kind, ...]) -> SQL:
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
def json_array(*x: SQL, kinds: tuple[Kind, ...]) -> SQL:
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
