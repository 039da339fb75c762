"""Text operations in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn


def spell_text_by_name(name: str) -> Callable[..., SQL]:
    """A function of the same arguments under DuckDB's own name."""
    return lambda *arguments: fn(name, *arguments)


for operation, name in {
    ops.lower: "lower",
    ops.upper: "upper",
    ops.replace_text: "replace",
    ops.trim: "trim",
    ops.trim_start: "ltrim",
    ops.trim_end: "rtrim",
    ops.reverse: "reverse",
    ops.md5: "md5",
    ops.sha1: "sha1",
    ops.sha256: "sha256",
    ops.url_encode: "url_encode",
}.items():
    DUCKDB.spell(operation)(spell_text_by_name(name))


@DUCKDB.spell(ops.length)
def length(t: SQL) -> SQL:
    """Code points, as a double."""
    return b.cast(fn("length", t), "DOUBLE")


@DUCKDB.spell(ops.concat)
def concat(*t: SQL) -> SQL:
    """A || b; null if one is null."""
    # `||` and not concat(), which leaves nulls out.
    whole = b.sql_bracket(t[0])
    for each in t[1:]:
        whole = exp.DPipe(this=whole, expression=b.sql_bracket(each))
    return whole if len(t) > 1 else t[0]


@DUCKDB.spell(ops.substring, twice=True)
def substring(t: SQL, start: SQL, size: SQL | None = None) -> SQL:
    """Substring by code points; a start before the first character is the first."""
    arguments = [t, from_front(t, start)]
    if size is not None and not (b.is_literal(size) and b.read_literal(size) is None):
        arguments.append(fn("greatest", b.sql_place(size), b.sql_integer(0)))
    return fn("substring", *arguments)


def from_front(t: SQL, start: SQL) -> SQL:
    """The place counted from the front."""
    if b.is_literal(start) and b.read_literal(start) is not None and b.read_literal(start) >= 0:
        return b.sql_integer(max(1, int(b.read_literal(start))))
    # DuckDB takes substring('abc', 0, 2) for 'a': it counts the place before the first as one of the two.
    counted = b.sql_infix(exp.Add, fn("length", t.copy()), b.sql_infix(exp.Add, b.sql_place(start), b.sql_integer(1)))
    behind = fn("greatest", counted, b.sql_integer(1))
    if b.is_literal(start):
        return behind
    front = fn("greatest", b.sql_place(start.copy()), b.sql_integer(1))
    return b.sql_case((exp.LT(this=b.sql_place(start.copy()), expression=b.sql_integer(0)), behind), default=front)


@DUCKDB.spell(ops.position)
def position(t: SQL, part: SQL) -> SQL:
    """instr, as a double."""
    return b.cast(fn("instr", t, part), "DOUBLE")


@DUCKDB.spell(ops.repeat)
def repeat(t: SQL, n: SQL) -> SQL:
    """Repeats the text."""
    return fn("repeat", t, fn("greatest", b.sql_place(n), b.sql_integer(0)))


@DUCKDB.spell(ops.pad_start, twice=True)
def pad_start(t: SQL, n: SQL, filling: SQL) -> SQL:
    """Lpad that never cuts."""
    # DuckDB's lpad cuts what is longer.
    wide = fn("greatest", b.sql_place(n), fn("length", t.copy()))
    return fn("lpad", t, b.cast(wide, "INT"), filling)


@DUCKDB.spell(ops.base64_encode)
def base64_encode(t: SQL) -> SQL:
    """Of the UTF-8 bytes."""
    return fn("to_base64", fn("encode", t))
