"""Regular expressions in DuckDB: RE2 where it means the same as PCRE, else left to Python (None)."""

from __future__ import annotations

from typing import Any

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.lists import spell_null_if_empty
from harness.detection.plan import operations as ops
from harness.detection.plan.values.regex import list_capture_groups, re2, split_replacement
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn


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
def regex_found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """A match anywhere, by regexp_matches."""
    pattern = spell_re2_pattern(regex, flags)
    return None if pattern is None else fn("regexp_matches", t, pattern)


@DUCKDB.spell(ops.regex_extract, twice=True)
def regex_extract(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """A group that matched nothing is told from one that took no part only where the quick way finds nothing."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not b.is_literal(group):
        return None
    number = group_number(regex, group)
    if number is None:
        return b.cast(b.sql_null(), "TEXT")
    # regexp_extract gives '' for no match, an empty group and one that took no part alike;
    # regexp_extract_all gives null for the last.
    quick = fn("nullif", fn("regexp_extract", t, pattern, b.sql_integer(number)), b.sql_text(""))
    return fn(
        "coalesce", quick, fn("list_extract", spell_all_matches(t.copy(), pattern.copy(), number), b.sql_integer(1))
    )


def spell_all_matches(t: SQL, pattern: SQL, number: int) -> SQL:
    """The group of every match."""
    return fn("regexp_extract_all", t, pattern, b.sql_integer(number))


@DUCKDB.spell(ops.regex_extract_all)
def regex_extract_all(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
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
def regex_pairs(t: SQL, regex: SQL, flags: SQL, key: SQL, value: SQL, separator: SQL) -> SQL | None:
    """Two lists of groups, which have an element for every match, put together place by place."""
    pattern = spell_re2_pattern(regex, flags, whole_match=True)
    if pattern is None or not (b.is_literal(key) and b.is_literal(value)):
        return None
    groups_of = [spell_all_matches(t.copy(), pattern.copy(), int(b.read_literal(g))) for g in (key, value)]
    k, v = (fn("struct_extract", b.sql_parameter("x"), b.sql_integer(place)) for place in (1, 2))
    pair = exp.DPipe(this=exp.DPipe(this=k, expression=b.sql_bracket(separator)), expression=v)
    pairs = fn("list_transform", fn("list_zip", *groups_of), b.lambda_of("x", pair))
    return spell_null_if_empty(fn("list_filter", pairs, b.lambda_of("x", b.not_null(b.sql_parameter("x")))))


@DUCKDB.spell(ops.regex_replace)
def regex_replace(t: SQL, regex: SQL, flags: SQL, new: SQL, every_match: SQL) -> SQL | None:
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
def regex_split(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """Left to Python: DuckDB splits at empty matches too."""
    return None
