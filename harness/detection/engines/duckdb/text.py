"""Conditions, text and regular expressions in DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.detection.engines.duckdb.aggregates import spell_null_if_empty
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.plan.values.regex import keep_one_group, list_capture_groups, re2, split_replacement
from harness.detection.plan.values.text import lower_characters
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import spell_shared
from harness.detection.sql.expressions import caseless

# DuckDB 2.0.0: "Group index must be between 0 and 9".
LAST_GROUP = 9


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
def duckdb_length(t: SQL) -> SQL:
    """Code points, as a double."""
    return b.cast(fn("length", t), "DOUBLE")


@DUCKDB.spell(ops.concat)
def duckdb_concat(*t: SQL) -> SQL:
    """A || b; null if one is null."""
    # `||` and not concat(), which leaves nulls out.
    whole = b.sql_bracket(t[0])
    for each in t[1:]:
        whole = exp.DPipe(this=whole, expression=b.sql_bracket(each))
    return whole if len(t) > 1 else t[0]


@DUCKDB.spell(ops.substring, twice=True)
def duckdb_substring(t: SQL, start: SQL, size: SQL | None = None) -> SQL:
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
    counted = b.sql_infix(exp.Add, fn("length", t), b.sql_infix(exp.Add, b.sql_place(start), b.sql_integer(1)))
    behind = fn("greatest", counted, b.sql_integer(1))
    if b.is_literal(start):
        return behind
    front = fn("greatest", b.sql_place(start), b.sql_integer(1))
    return b.sql_case((exp.LT(this=b.sql_place(start), expression=b.sql_integer(0)), behind), default=front)


@DUCKDB.spell(ops.position)
def duckdb_position(t: SQL, part: SQL) -> SQL:
    """instr, as a double."""
    return b.cast(fn("instr", t, part), "DOUBLE")


@DUCKDB.spell(ops.repeat)
def duckdb_repeat(t: SQL, n: SQL) -> SQL:
    """Repeats the text."""
    return fn("repeat", t, fn("greatest", b.sql_place(n), b.sql_integer(0)))


@DUCKDB.spell(ops.pad_start, twice=True)
def duckdb_pad_start(t: SQL, n: SQL, filling: SQL) -> SQL:
    """Lpad that never cuts."""
    # DuckDB's lpad cuts what is longer.
    wide = fn("greatest", b.sql_place(n), fn("length", t))
    return fn("lpad", t, b.cast(wide, "INT"), filling)


@DUCKDB.spell(ops.base64_encode)
def duckdb_base64_encode(t: SQL) -> SQL:
    """Of the UTF-8 bytes."""
    return fn("to_base64", fn("encode", t))


spell_shared(DUCKDB)


@DUCKDB.spell(ops.equal_ci)
def duckdb_equal_ci(x: SQL, y: SQL) -> SQL:
    """lower(x) = lower(y)."""
    return b.eq(*spell_caseless_pair(x, y))


@DUCKDB.spell(ops.in_ci)
def duckdb_in_ci(x: SQL, *others: SQL) -> SQL:
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
        return b.sql_text(lower_characters(b.read_literal(x)))
    return fn("lower", x)


@DUCKDB.spell(ops.starts_with)
def duckdb_starts_with(x: SQL, y: SQL) -> SQL:
    """Begins with."""
    return fn("starts_with", x, y)


@DUCKDB.spell(ops.ends_with)
def duckdb_ends_with(x: SQL, y: SQL) -> SQL:
    """suffix(x, y)."""
    return fn("suffix", x, y)


@DUCKDB.spell(ops.contains)
def duckdb_contains(x: SQL, y: SQL) -> SQL:
    """Has inside."""
    return fn("contains", x, y)


@DUCKDB.spell(ops.starts_with_ci)
def duckdb_starts_with_ci(x: SQL, y: SQL) -> SQL:
    """starts_with of both in lower case."""
    return ilike(x, y, "", "%") or fn("starts_with", *spell_caseless_pair(x, y))


@DUCKDB.spell(ops.ends_with_ci)
def duckdb_ends_with_ci(x: SQL, y: SQL) -> SQL:
    """Suffix of both in lower case."""
    return ilike(x, y, "%", "") or fn("suffix", *spell_caseless_pair(x, y))


@DUCKDB.spell(ops.contains_ci)
def duckdb_contains_ci(x: SQL, y: SQL) -> SQL:
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
def duckdb_glob(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which only * is special."""
    return spell_like(x, pattern, exp.Like, "*", "")


@DUCKDB.spell(ops.glob_ci)
def duckdb_glob_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return spell_like(x, pattern, exp.ILike, "*", "")


@DUCKDB.spell(ops.like)
def duckdb_like(x: SQL, pattern: SQL) -> SQL:
    """The text matches a pattern in which % and _ are special."""
    return spell_like(x, pattern, exp.Like, "%", "_")


@DUCKDB.spell(ops.like_ci)
def duckdb_like_ci(x: SQL, pattern: SQL) -> SQL:
    """The same in any case."""
    return spell_like(x, pattern, exp.ILike, "%", "_")


# Any character that is neither % nor _ will do; a control character is hardly ever in a pattern and doubled if so.
LIKE_ESCAPE = "\x01"


def spell_like(x: SQL, pattern: SQL, node: type[exp.Infix], run: str, one: str) -> SQL:
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
    match = node(b.sql_bracket(x), made)
    return exp.Escape(this=match, expression=b.sql_text(LIKE_ESCAPE)) if escaped else match


def spell_re2_pattern(regex: SQL, flags: SQL, whole_match: bool = False) -> SQL | None:
    """The pattern for RE2 as a literal, None where it is no literal or RE2 cannot run it."""
    if not (b.is_literal(regex) and b.is_literal(flags)) or b.read_literal(regex) is None:
        return None
    # What takes text out must not take a line end with it, which `$` as RE2 has to write it would.
    text = re2(b.read_literal(regex), b.read_literal(flags) or "", whole_match=whole_match)
    return None if text is None else b.sql_text(text)


def group_number(regex: SQL, group: SQL) -> int | None:
    """The number of the group asked for."""
    return list_capture_groups(b.read_literal(regex)).number(b.read_literal(group))


@DUCKDB.spell(ops.regex_found)
def duckdb_regex_found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """A match anywhere, by regexp_matches."""
    pattern = spell_re2_pattern(regex, flags)
    return None if pattern is None else fn("regexp_matches", t, pattern)


@DUCKDB.spell(ops.regex_extract, twice=True)
def duckdb_regex_extract(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """A group that matched nothing is told from one that took no part only where the quick way finds nothing."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not b.is_literal(group):
        return None
    number = group_number(regex, group)
    if number is None:
        return b.cast(b.sql_null(), "TEXT")
    pattern, number = reach_group(pattern, number)
    # regexp_extract gives '' for no match, an empty group and one that took no part alike;
    # regexp_extract_all gives null for the last.
    quick = fn("nullif", fn("regexp_extract", t, pattern, b.sql_integer(number)), b.sql_text(""))
    return fn("coalesce", quick, fn("list_extract", spell_all_matches(t, pattern, number), b.sql_integer(1)))


def reach_group(pattern: SQL, number: int) -> tuple[SQL, int]:
    """A pattern and the number of a group in it that DuckDB takes."""
    if number <= LAST_GROUP:
        return pattern, number
    return b.sql_text(keep_one_group(b.read_literal(pattern), number)), 1


def spell_all_matches(t: SQL, pattern: SQL, number: int) -> SQL:
    """The group of every match."""
    pattern, number = reach_group(pattern, number)
    return fn("regexp_extract_all", t, pattern, b.sql_integer(number))


@DUCKDB.spell(ops.regex_extract_all)
def duckdb_regex_extract_all(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """regexp_extract_all without the matches in which the group took no part."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not b.is_literal(group):
        return None
    number = group_number(regex, group)
    if number is None:
        return b.cast(b.sql_null(), "TEXT[]")
    present = b.lambda_of("x", b.not_null(b.sql_parameter("x")))
    return spell_null_if_empty(fn("list_filter", spell_all_matches(t, pattern, number), present))


@DUCKDB.spell(ops.regex_pairs, twice=True)
def duckdb_regex_pairs(t: SQL, regex: SQL, flags: SQL, key: SQL, value: SQL, separator: SQL) -> SQL | None:
    """Two lists of groups, which have an element for every match, put together place by place."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not (b.is_literal(key) and b.is_literal(value)):
        return None
    groups_of = [spell_all_matches(t, pattern, int(b.read_literal(g))) for g in (key, value)]
    k, v = (fn("struct_extract", b.sql_parameter("x"), b.sql_integer(place)) for place in (1, 2))
    pair = exp.DPipe(this=exp.DPipe(this=k, expression=b.sql_bracket(separator)), expression=v)
    pairs = fn("list_transform", fn("list_zip", *groups_of), b.lambda_of("x", pair))
    return spell_null_if_empty(fn("list_filter", pairs, b.lambda_of("x", b.not_null(b.sql_parameter("x")))))


@DUCKDB.spell(ops.regex_replace)
def duckdb_regex_replace(t: SQL, regex: SQL, flags: SQL, new: SQL, every_match: SQL) -> SQL | None:
    """regexp_replace; a replacement that names a group which is not there is left to Python."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not (b.is_literal(new) and b.is_literal(every_match)) or b.read_literal(new) is None:
        return None
    parts: list[Any] = split_replacement(b.read_literal(new))
    # DuckDB raises for it ("Rewrite schema requests 2 matches"), the products leave it out.
    if any(isinstance(p, int) and p > len(list_capture_groups(b.read_literal(regex))) for p in parts):
        return None
    text = "".join(f"\\{p}" if isinstance(p, int) else p.replace("\\", "\\\\") for p in parts)
    # Without the option g DuckDB replaces the first match only.
    options = [b.sql_text("g")] if b.read_literal(every_match) else []
    return fn("regexp_replace", t, pattern, b.sql_text(text), *options)


@DUCKDB.spell(ops.regex_split)
def duckdb_regex_split(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """Left to Python: DuckDB splits at empty matches too."""
    return None
