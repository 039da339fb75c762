"""Conditions in DuckDB."""

from __future__ import annotations

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import spell_shared
from harness.detection.sql.expressions import caseless

spell_shared(DUCKDB)


@DUCKDB.spell(ops.equal_ci)
def equal_ci(x: SQL, y: SQL) -> SQL:
    """lower(x) = lower(y)."""
    return b.eq(*spell_caseless_pair(x, y))


@DUCKDB.spell(ops.in_ci)
def in_ci(x: SQL, *others: SQL) -> SQL:
    """lower(x) IN (...)."""
    return exp.In(this=spell_lower_case(x), expressions=[spell_lower_case(o) for o in others])


def spell_caseless_pair(x: SQL, y: SQL) -> tuple[SQL, SQL]:
    """Both sides as they are compared without case; a literal without letters needs no folding."""
    # Case cannot matter without letters, so the column is compared as it is stored.
    if b.is_literal(y) and isinstance(b.read_literal(y), str) and caseless(b.read_literal(y)):
        return x, y
    return spell_lower_case(x), spell_lower_case(y)


def spell_lower_case(x: SQL) -> SQL:
    """Text in lower case, a literal at once; as DuckDB does it, one code point for one."""
    if b.is_literal(x) and isinstance(b.read_literal(x), str):
        return b.sql_text(simple_lower(b.read_literal(x)))
    return fn("lower", x)


def simple_lower(text: str) -> str:
    """Each code point's own lower-case form, where that is one code point."""
    # Python makes two code points of U+0130, DuckDB one; where they differ the literal stays as it is.
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@DUCKDB.spell(ops.starts_with)
def starts_with(x: SQL, y: SQL) -> SQL:
    """Begins with."""
    return fn("starts_with", x, y)


@DUCKDB.spell(ops.ends_with)
def ends_with(x: SQL, y: SQL) -> SQL:
    """suffix(x, y)."""
    return fn("suffix", x, y)


@DUCKDB.spell(ops.contains)
def contains(x: SQL, y: SQL) -> SQL:
    """Has inside."""
    return fn("contains", x, y)


@DUCKDB.spell(ops.starts_with_ci)
def starts_with_ci(x: SQL, y: SQL) -> SQL:
    """starts_with of both in lower case."""
    return ilike(x, y, "", "%") or fn("starts_with", *spell_caseless_pair(x, y))


@DUCKDB.spell(ops.ends_with_ci)
def ends_with_ci(x: SQL, y: SQL) -> SQL:
    """Suffix of both in lower case."""
    return ilike(x, y, "%", "") or fn("suffix", *spell_caseless_pair(x, y))


@DUCKDB.spell(ops.contains_ci)
def contains_ci(x: SQL, y: SQL) -> SQL:
    """Contains of both in lower case."""
    return ilike(x, y, "%", "%") or fn("contains", *spell_caseless_pair(x, y))


def ilike(x: SQL, y: SQL, before: str, after: str) -> SQL | None:
    """ILIKE with a literal pattern, which DuckDB runs faster than lower(); None where it would need an escape."""
    if not b.is_literal(y) or not isinstance(b.read_literal(y), str) or not is_plain_pattern(b.read_literal(y)):
        return None
    # lower() with LIKE takes 1.35 times as long as ILIKE (reference/engine.md 2).
    return exp.ILike(this=b.sql_bracket(x), expression=b.sql_text(before + b.read_literal(y) + after))


def is_plain_pattern(pattern: str) -> bool:
    """Whether ILIKE takes every character for itself, and folds it as `lower` does."""
    return pattern.isascii() and not set(pattern) & set("%_\\") and not caseless(pattern)


@DUCKDB.spell(ops.glob)
def glob(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which only * is special."""
    return spell_like(x, pattern, exp.Like, "*", "")


@DUCKDB.spell(ops.glob_ci)
def glob_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return spell_like(x, pattern, exp.ILike, "*", "")


@DUCKDB.spell(ops.like)
def like(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which % and _ are special."""
    return spell_like(x, pattern, exp.Like, "%", "_")


@DUCKDB.spell(ops.like_ci)
def like_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return spell_like(x, pattern, exp.ILike, "%", "_")


# Any character that is neither % nor _ will do; a control character is hardly ever in a pattern and doubled if so.
LIKE_ESCAPE = "\x01"


def spell_like(x: SQL, pattern: SQL, node: type[exp.Expression], run: str, one: str) -> SQL:
    """LIKE whose pattern is written in another alphabet: `run` is any run, `one` any character, nothing escapes."""
    if b.is_literal(pattern):
        value = b.read_literal(pattern)
        if value is None:
            return b.cast(b.sql_null(), "BOOLEAN")
        # Without an ESCAPE clause a backslash is an ordinary character in DuckDB, so plain patterns need none.
        escaped = any(c in value and c not in (run, one) for c in "%_")
        for special in (LIKE_ESCAPE, "%", "_") if escaped else ():
            value = value.replace(special, special if special in (run, one) else LIKE_ESCAPE + special)
        made: SQL = b.sql_text(value if run == "%" else value.replace(run, "%"))
    else:
        escaped, made = True, pattern
        for special in (LIKE_ESCAPE, "%", "_"):
            if special not in (run, one):
                made = fn("replace", made, b.sql_text(special), b.sql_text(LIKE_ESCAPE + special))
        made = made if run == "%" else fn("replace", made, b.sql_text(run), b.sql_text("%"))
    match = node(this=b.sql_bracket(x), expression=made)
    return exp.Escape(this=match, expression=b.sql_text(LIKE_ESCAPE)) if escaped else match
