"""Conditions in DuckDB."""

from __future__ import annotations

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.sql import build as b
from harness.detection.sql.alternatives import caseless
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.portable import spell_shared

spell_shared(DUCKDB)


@DUCKDB.spell("equal_ci")
def equal_ci(x: SQL, y: SQL) -> SQL:
    """lower(x) = lower(y)."""
    return b.eq(*folded(x, y))


@DUCKDB.spell("in_ci")
def in_ci(x: SQL, *others: SQL) -> SQL:
    """lower(x) IN (...)."""
    return exp.In(this=lowered(x), expressions=[lowered(o) for o in others])


def folded(x: SQL, y: SQL) -> tuple[SQL, SQL]:
    """Both sides as they are compared without case; a literal without letters needs no folding."""
    if b.is_literal(y) and isinstance(b.literal(y), str) and caseless(b.literal(y)):
        return x, y
    return lowered(x), lowered(y)


def lowered(x: SQL) -> SQL:
    """Text in lower case, a literal at once; as DuckDB does it, one code point for one."""
    if b.is_literal(x) and isinstance(b.literal(x), str):
        return b.text(simple_lower(b.literal(x)))
    return fn("lower", x)


def simple_lower(text: str) -> str:
    """Each code point's own lower-case form, where that is one code point."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


@DUCKDB.spell("starts_with")
def starts_with(x: SQL, y: SQL) -> SQL:
    """Begins with."""
    return fn("starts_with", x, y)


@DUCKDB.spell("ends_with")
def ends_with(x: SQL, y: SQL) -> SQL:
    """suffix(x, y)."""
    return fn("suffix", x, y)


@DUCKDB.spell("contains")
def contains(x: SQL, y: SQL) -> SQL:
    """Has inside."""
    return fn("contains", x, y)


@DUCKDB.spell("starts_with_ci")
def starts_with_ci(x: SQL, y: SQL) -> SQL:
    """starts_with of both in lower case."""
    return ilike(x, y, "", "%") or fn("starts_with", *folded(x, y))


@DUCKDB.spell("ends_with_ci")
def ends_with_ci(x: SQL, y: SQL) -> SQL:
    """Suffix of both in lower case."""
    return ilike(x, y, "%", "") or fn("suffix", *folded(x, y))


@DUCKDB.spell("contains_ci")
def contains_ci(x: SQL, y: SQL) -> SQL:
    """Contains of both in lower case."""
    return ilike(x, y, "%", "%") or fn("contains", *folded(x, y))


def ilike(x: SQL, y: SQL, before: str, after: str) -> SQL | None:
    """ILIKE with a literal pattern, which DuckDB runs faster than lower(); None where it would need an escape."""
    if not b.is_literal(y) or not isinstance(b.literal(y), str) or not plain(b.literal(y)):
        return None
    return exp.ILike(this=b.bracketed(x), expression=b.text(before + b.literal(y) + after))


def plain(pattern: str) -> bool:
    """Whether ILIKE takes every character for itself, and folds it as `lower` does."""
    return pattern.isascii() and not set(pattern) & set("%_\\") and not caseless(pattern)


@DUCKDB.spell("glob")
def glob(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which only * is special."""
    return matched(x, pattern, exp.Like, "*", "")


@DUCKDB.spell("glob_ci")
def glob_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return matched(x, pattern, exp.ILike, "*", "")


@DUCKDB.spell("like")
def like(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which % and _ are special."""
    return matched(x, pattern, exp.Like, "%", "_")


@DUCKDB.spell("like_ci")
def like_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return matched(x, pattern, exp.ILike, "%", "_")


ESCAPE = "\x01"


def matched(x: SQL, pattern: SQL, node: type[exp.Expression], run: str, one: str) -> SQL:
    """LIKE whose pattern is written in another alphabet: `run` is any run, `one` any character, nothing escapes."""
    if b.is_literal(pattern):
        value = b.literal(pattern)
        if value is None:
            return b.cast(b.null(), "BOOLEAN")
        escaped = any(c in value and c not in (run, one) for c in "%_")
        for special in (ESCAPE, "%", "_") if escaped else ():
            value = value.replace(special, special if special in (run, one) else ESCAPE + special)
        made: SQL = b.text(value if run == "%" else value.replace(run, "%"))
    else:
        escaped, made = True, pattern
        for special in (ESCAPE, "%", "_"):
            if special not in (run, one):
                made = fn("replace", made, b.text(special), b.text(ESCAPE + special))
        made = made if run == "%" else fn("replace", made, b.text(run), b.text("%"))
    match = node(this=b.bracketed(x), expression=made)
    return exp.Escape(this=match, expression=b.text(ESCAPE)) if escaped else match
