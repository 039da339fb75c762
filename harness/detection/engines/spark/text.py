"""Conditions, text and regular expressions in Spark SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.detection.engines.spark.dialect import SPARK, find_spark_text, spark_place
from harness.detection.engines.spark.java_regex import JavaPattern, write_java_pattern
from harness.detection.plan import operations as ops
from harness.detection.plan.values.regex import list_capture_groups, split_replacement
from harness.detection.plan.values.text import lower_characters
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.expressions import caseless


def spell_spark_by_name(name: str) -> Callable[..., SQL]:
    """A function of the same arguments under Spark's own name."""
    return lambda *arguments: fn(name, *arguments)


for operation, name in {
    ops.starts_with: "startswith",
    ops.ends_with: "endswith",
    ops.contains: "contains",
    ops.upper: "upper",
    ops.concat: "concat",
    ops.replace_text: "replace",
    ops.trim: "btrim",
    ops.reverse: "reverse",
    ops.md5: "md5",
    ops.sha1: "sha1",
}.items():
    SPARK.spell(operation)(spell_spark_by_name(name))


def spell_spark_lower(x: SQL) -> SQL:
    """Text in lower case, a literal at once; one code point for one."""
    known = find_spark_text(x)
    if known is not None:
        return b.sql_text(lower_characters(known))
    # Java makes two code points of U+0130.
    return fn("lower", fn("replace", x, b.sql_text("\u0130"), b.sql_text("i")))


SPARK.spell(ops.lower)(spell_spark_lower)


def spell_spark_caseless_pair(x: SQL, y: SQL) -> tuple[SQL, SQL]:
    """Both sides as they are compared without case; a literal without letters needs no folding."""
    known = find_spark_text(y)
    if known is not None and caseless(known):
        return x, y
    return spell_spark_lower(x), spell_spark_lower(y)


def spell_spark_caseless_test(name: str) -> Callable[[SQL, SQL], SQL]:
    """A test of two texts in lower case."""
    return lambda x, y: fn(name, *spell_spark_caseless_pair(x, y))


for operation, name in {
    ops.starts_with_ci: "startswith",
    ops.ends_with_ci: "endswith",
    ops.contains_ci: "contains",
}.items():
    SPARK.spell(operation)(spell_spark_caseless_test(name))


@SPARK.spell(ops.equal_ci)
def spark_equal_ci(x: SQL, y: SQL) -> SQL:
    """Equal in lower case."""
    return b.eq(*spell_spark_caseless_pair(x, y))


@SPARK.spell(ops.in_ci)
def spark_in_ci(x: SQL, *others: SQL) -> SQL:
    """One of the others in lower case."""
    return exp.In(this=spell_spark_lower(x), expressions=[spell_spark_lower(o) for o in others])


# Any character that is neither % nor _ will do; without an ESCAPE clause a backslash would be one by itself.
SPARK_ESCAPE = "\x01"


def spell_spark_pattern(run: str, one: str, *, fold: bool) -> Callable[[SQL, SQL], SQL]:
    """A test by a pattern whose `run` is any run of characters and `one` any one, without case if folded."""

    def spelled(x: SQL, pattern: SQL) -> SQL:
        """LIKE with an escape of its own."""
        x, pattern = (spell_spark_lower(x), spell_spark_lower(pattern)) if fold else (x, pattern)
        known = find_spark_text(pattern)
        if known is not None:
            # The escape character is the first to be escaped, or it would escape the escapes.
            for special in (SPARK_ESCAPE, "%", "_"):
                known = known if special in (run, one) else known.replace(special, SPARK_ESCAPE + special)
            made: SQL = b.sql_text(known if run == "%" else known.replace(run, "%"))
        else:
            made = pattern
            for special in (SPARK_ESCAPE, "%", "_"):
                if special not in (run, one):
                    made = fn("replace", made, b.sql_text(special), b.sql_text(SPARK_ESCAPE + special))
            made = made if run == "%" else fn("replace", made, b.sql_text(run), b.sql_text("%"))
        return exp.Escape(this=exp.Like(this=b.sql_bracket(x), expression=made), expression=b.sql_text(SPARK_ESCAPE))

    return spelled


for operation, (run, one, fold) in {
    ops.glob: ("*", "", False),
    ops.glob_ci: ("*", "", True),
    ops.like: ("%", "_", False),
    ops.like_ci: ("%", "_", True),
}.items():
    SPARK.spell(operation)(spell_spark_pattern(run, one, fold=fold))


def find_java_pattern(regex: SQL, flags: SQL, *, whole_match: bool = False) -> JavaPattern | None:
    """The pattern for Java, None where it is no literal or left to Python."""
    text, chosen = find_spark_text(regex), find_spark_text(flags)
    return None if text is None else write_java_pattern(text, chosen or "", whole_match=whole_match)


@SPARK.spell(ops.regex_found)
def spark_regex_found(t: SQL, regex: SQL, flags: SQL) -> SQL | None:
    """A match anywhere, by regexp_like."""
    pattern = find_java_pattern(regex, flags)
    return None if pattern is None else fn("regexp_like", t, b.sql_text(str(pattern.text)))


@SPARK.spell(ops.regex_extract, twice=True)
def spark_regex_extract(t: SQL, regex: SQL, flags: SQL, group: SQL) -> SQL | None:
    """regexp_extract, for groups that take part in every match: it gives '' for one that did not."""
    pattern = find_java_pattern(regex, flags, whole_match=True)
    if pattern is None or not b.is_literal(group):
        return None
    number = list_capture_groups(b.read_literal(regex)).number(b.read_literal(group))
    if number is None:
        return b.cast(b.sql_null(), "TEXT")
    if number not in pattern.certain:
        return None
    text = b.sql_text(str(pattern.text))
    return b.sql_case((fn("regexp_like", t, text), fn("regexp_extract", t.copy(), text.copy(), b.sql_integer(number))))


@SPARK.spell(ops.regex_replace)
def spark_regex_replace(t: SQL, regex: SQL, flags: SQL, new: SQL, every_match: SQL) -> SQL | None:
    """regexp_replace of all matches by a text without groups; the rest is left to Python."""
    pattern, text = find_java_pattern(regex, flags, whole_match=True), find_spark_text(new)
    every = b.is_literal(every_match) and b.read_literal(every_match)
    if pattern is None or text is None or not every:
        return None
    parts: list[Any] = split_replacement(text)
    if any(isinstance(p, int) for p in parts):
        return None
    plain = "".join(parts).replace("\\", "\\\\").replace("$", "\\$")
    return fn("regexp_replace", t, b.sql_text(str(pattern.text)), b.sql_text(plain))


@SPARK.spell(ops.length)
def spark_length(t: SQL) -> SQL:
    """Code points, as a double."""
    return b.cast(fn("char_length", t), "DOUBLE")


@SPARK.spell(ops.substring, twice=True)
def spark_substring(t: SQL, start: SQL, size: SQL | None = None) -> SQL:
    """Characters from a place; a start before the first character is the first."""
    arguments = [t, find_front_place(t, start)]
    if size is not None and not (b.is_literal(size) and b.read_literal(size) is None):
        arguments.append(b.cast(fn("greatest", spark_place(size), b.sql_integer(0)), "INT"))
    return fn("substring", *arguments)


def find_front_place(t: SQL, start: SQL) -> SQL:
    """The place counted from the front, as Spark's INT."""
    if b.is_literal(start) and b.read_literal(start) is not None and b.read_literal(start) >= 0:
        return b.sql_integer(max(1, int(b.read_literal(start))))
    place = spark_place(start)
    behind = b.sql_infix(exp.Add, fn("char_length", t.copy()), b.sql_infix(exp.Add, place, b.sql_integer(1)))
    negative = exp.LT(this=b.sql_bracket(place.copy()), expression=b.sql_integer(0))
    chosen = b.sql_case((negative, behind), default=place.copy())
    return b.cast(fn("greatest", chosen, b.sql_integer(1)), "INT")


@SPARK.spell(ops.position)
def spark_position(t: SQL, part: SQL) -> SQL:
    """instr, as a double."""
    return b.cast(fn("instr", t, part), "DOUBLE")


def spell_spark_trim(side: str) -> Callable[[SQL, SQL], SQL]:
    """TRIM of one side."""
    return lambda t, characters: exp.Trim(this=t, expression=characters, position=side)


SPARK.spell(ops.trim_start)(spell_spark_trim("LEADING"))
SPARK.spell(ops.trim_end)(spell_spark_trim("TRAILING"))


@SPARK.spell(ops.repeat)
def spark_repeat(t: SQL, n: SQL) -> SQL:
    """N times."""
    return fn("repeat", t, b.cast(fn("greatest", spark_place(n), b.sql_integer(0)), "INT"))


@SPARK.spell(ops.pad_start, twice=True)
def spark_pad_start(t: SQL, n: SQL, filling: SQL) -> SQL:
    """Lpad that never cuts."""
    wide = fn("greatest", spark_place(n), fn("char_length", t.copy()))
    return fn("lpad", t, b.cast(wide, "INT"), filling)


@SPARK.spell(ops.base64_encode)
def spark_base64_encode(t: SQL) -> SQL:
    """Of the UTF-8 bytes, in one line."""
    # Spark breaks lines after 76 characters.
    return fn("replace", fn("base64", fn("encode", t, b.sql_text("UTF-8"))), b.sql_text("\r\n"), b.sql_text(""))


@SPARK.spell(ops.sha256)
def spark_sha256(t: SQL) -> SQL:
    """sha2 of 256 bits."""
    return fn("sha2", t, b.sql_integer(256))


@SPARK.spell(ops.sha512)
def spark_sha512(t: SQL) -> SQL:
    """sha2 of 512 bits."""
    return fn("sha2", t, b.sql_integer(512))
