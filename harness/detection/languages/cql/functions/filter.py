"""Functions that keep or drop an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.detection.languages.cql.arguments import RAWSTRING, Name, Names, Texts
from harness.detection.languages.cql.coercion import PASSES, parse_number_text
from harness.detection.languages.cql.conditions import (
    NOT_SEARCHED,
    build_number_literal,
    lower_regex_match,
    match_glob,
    match_whole_value,
)
from harness.detection.languages.cql.functions.lookup import check_table_columns, refuse_missing_table
from harness.detection.languages.cql.option_values import RegexFlags
from harness.detection.languages.cql.regex import CqlRegex
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.time_range import TIMESTAMP
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import FALSE_LITERAL, TRUE, Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Unnest
from harness.detection.plan.operations import any_of
from harness.detection.plan.values.network import parse_ip_network
from harness.diagnostics import SourceError
from harness.late_pattern import late_pattern

# Without `^` or `$` the flag `m` changes nothing, and no switch need be named.
REGEX_ANCHORS = late_pattern(r"(?<![\[\\])[$^]")


@FUNCTIONS.filter("cidr")
def cidr(
    row: RowScope, field: Name, subnet: Texts = (), *, file: str = "", column: str = "", negate: bool = False
) -> Expression:
    """Whether the address in `field` is inside one of the networks; no address is in none.

        ip := "10.1.2.3" | cidr(ip, subnet="10.0.0.0/8") -> ip=10.1.2.3
        ip := "10.1.2.3" | !cidr(ip, subnet=["10.0.0.0/8"]) -> -
        !cidr(ip, subnet="10.0.0.0/8") | x := 1 -> x=1

    Reference: library.humio.com, cidr()
    """
    networks, place = [pad_network(n.strip()) for n in subnet], row.flow.span or row.meaning.source.whole()
    strange = next((n for n in networks if n != "*" and parse_ip_network(n) is None), None)
    if strange is not None:
        help = "one such as `10.0.0.0/8` or `2001:db8::/32`"
        raise SourceError("argument", f"`{strange[:40]}` is no network", place, help=help)
    if not networks and not file:
        raise SourceError("missing-parameter", "`cidr` needs `subnet` or `file`", place, help="add `subnet=`")
    if file:
        table = row.meaning.lookup(file)
        if table is None:
            refuse_missing_table(row, file, "lookup")
            return PASSES
        check_table_columns(row, file, table.columns, [column or field])
        networks += [pad_network(r[table.columns.index(column or field)].strip()) for r in table.rows]
    made = tuple(Literal(n) for n in networks)
    # No address is in no network, so that `!cidr` passes events without the field (reference/cql.md 8).
    inside = ops.cidr_contains(row.text(field), *made) if made else FALSE_LITERAL
    return ops.not_(ops.is_true(inside)) if negate else inside


def pad_network(network: str) -> str:
    """A network with all of its numbers: 127.0.0/16 is 127.0.0.0/16."""
    address, slash, bits = network.partition("/")
    if ":" in address or not slash:
        return network
    # The manual has `127.0.0/16` (reference/cql.md 8).
    numbers = address.rstrip(".").split(".")
    return ".".join([*numbers, *["0"] * (4 - len(numbers))]) + "/" + bits


@FUNCTIONS.filter("in")
def among(row: RowScope, field: Name, values: Texts, *, ignoreCase: bool = False) -> Expression:
    """Whether `field` has one of the values; `*` in a value stands for anything.

        a := "WS01" | in(a, values=["DC*", "WS*"]) -> a=WS01
        a := "WS01" | in(a, values=["ws01"]) -> -
        a := "WS01" | in(a, values=["ws01"], ignoreCase=true) -> a=WS01

    Reference: library.humio.com, in()
    """
    subject = row.read(field)
    # Values are compared as `field = value` does, numbers included.
    if not ignoreCase:
        plain_ones = [v for v in values if "*" not in v]
        others = tuple(match_whole_value(row, subject, v, None) for v in values if "*" in v)
        return any_of((*match_listed_values(row, subject, plain_ones), *others))
    text = row.text(subject)
    plain = tuple(Literal(v) for v in values if "*" not in v)
    same = (ops.in_ci(text, *plain),) if plain else ()
    return any_of((*same, *(match_glob(text, v, None, ignore_case=True) for v in values if "*" in v)))


def match_listed_values(row: RowScope, subject: Expression, values: Sequence[str]) -> tuple[Expression, ...]:
    """Whether the value is one of several: as text, and as a number where they are some."""
    # One or two comparisons read better in SQL than a list does.
    if len(values) < 3 or row.kind(subject) is not Kind.TEXT:
        return tuple(match_whole_value(row, subject, v, None) for v in values)
    same = ops.in_(subject, *(Literal(v) for v in values))
    numbers = [n for n in map(parse_number_text, values) if n is not None]
    if not numbers or row.meaning.switch("numeric-equality") == "text":
        return (same,)
    return same, ops.in_(row.number(subject), *map(build_number_literal, numbers))


@FUNCTIONS.filter("regex")
def regex(
    row: RowScope,
    regex: CqlRegex,
    field: Name = RAWSTRING,
    *,
    flags: RegexFlags = "",
    repeat: bool = False,
    strict: bool = True,
    limit: int = 100,
) -> Expression:
    r"""Whether the regular expression is found in `field`; its named groups become fields.

        a := "cmd.exe" | regex("(?<name>\w+)\.exe", field=a) -> name=cmd
        a := "cmd.exe" | regex("^exe", field=a) -> -
        a := "cmd.exe" | regex("^(?<b>exe)", field=a, strict=false) -> a=cmd.exe

    Reference: library.humio.com, regex()
    """
    pattern = add_regex_flags(regex, flags or usual_flags(row, regex))
    found = lower_regex_match(row, row.read(field), pattern, None)
    # With `strict=false` events without a match pass unchanged (reference/cql.md 8).
    return found if strict else TRUE


@FUNCTIONS.multiplying("regex", parameter="repeat", when=lambda text: text == "true")
def regex_repeated(
    flow: Scope,
    regex: CqlRegex,
    field: Name = RAWSTRING,
    *,
    flags: RegexFlags = "",
    limit: int = 100,
    strict: bool = True,
    repeat: bool = True,
) -> None:
    """The form of `regex` that gives an event for each match."""
    row = RowScope(flow)
    pattern = add_regex_flags(regex, flags or usual_flags(row, regex))
    found = (row.text(field), Literal(pattern.text), Literal(pattern.flags))
    column = flow.meaning.temporary()
    # One event a match, at most `limit` of them (reference/cql.md 8).
    whole = ops.list_slice(ops.regex_extract_all(*found, Literal(0)), Literal(1), Literal(limit))
    flow.keep(whole, column)
    flow.become(Unnest(source=flow.node, column=column, keep_empty=not strict, span=flow.span))
    each = RowScope(flow)
    for name, value in pattern.extracted(Column(column)):
        each.assign(name, value)
    each.flush(flow.span)


def usual_flags(row: RowScope, pattern: CqlRegex) -> str:
    """The flags of `regex` and `replace` where none are given: the manual says both `m` and none."""
    if not REGEX_ANCHORS.search(pattern.text):
        return ""
    return "m" if row.meaning.switch("regex-lines") == "lines" else ""


def add_regex_flags(pattern: CqlRegex, flags: str) -> CqlRegex:
    """The pattern with the flags of the call."""
    # `d` is LogScale's letter for "dot matches newline", `F` chooses another engine of theirs.
    letters = {"i": "i", "m": "m", "d": "s"}
    made = "".join(dict.fromkeys(pattern.flags + "".join(letters.get(f, "") for f in flags)))
    return replace(pattern, flags=made)


@FUNCTIONS.filter("wildcard")
def wildcard(
    row: RowScope,
    pattern: str,
    field: Names = (),
    *,
    ignoreCase: bool = False,
    includeEverythingOnAsterisk: bool = False,
) -> Expression:
    """Whether `field` fits a pattern in which `*` stands for anything.

        a := "Horse" | wildcard(field=a, pattern="horse", ignoreCase=true) -> a=Horse
        a := "HORSES" | wildcard(field=a, pattern="horse", ignoreCase=true) -> -
        wildcard(field=a, pattern="*", includeEverythingOnAsterisk=true) | x := 1 -> x=1

    Reference: library.humio.com, wildcard()
    """
    # Else `*` wants the field to exist (reference/cql.md 8).
    if pattern == "*" and includeEverythingOnAsterisk:
        return TRUE
    names: Sequence[str] = field or tuple(n for n in row.flow.origin if not n.startswith("#") and n not in NOT_SEARCHED)
    # With a field the worked examples are anchored, although a table of the same page says unanchored.
    shown = pattern if field else f"*{pattern}*"
    found = []
    for name in names:
        subject = row.read(name)
        found.append(
            match_glob(row.text(subject), shown, None, ignore_case=True)
            if ignoreCase
            else match_whole_value(row, subject, shown, None)
        )
    return any_of(tuple(found))


@FUNCTIONS.filter("test")
def test(row: RowScope, expression: Expression) -> Expression:
    """Whether the expression is true.

        a := 3 | b := 5 | test(a < b) -> a=3
        a := 3 | test(a == missing) -> -

    Reference: library.humio.com, test()
    """
    return row.truth(expression)


@FUNCTIONS.filter("text:contains")
def text_contains(row: RowScope, string: Expression, substring: Expression) -> Expression:
    """Whether the text has the other one inside.

        a := "cmd.exe /c" | text:contains(string=a, substring=".exe") -> a=cmd.exe /c
        a := "cmd.exe" | text:contains(string=a, substring="CMD") -> -

    Reference: library.humio.com, text:contains()
    """
    return ops.contains(row.text(string), row.text(substring))


@FUNCTIONS.filter("text:startsWith")
def text_starts_with(row: RowScope, string: Expression, substring: Expression) -> Expression:
    """Whether the text begins with the other one.

        a := "cmd.exe" | text:startsWith(a, substring="cmd") -> a=cmd.exe

    Reference: library.humio.com, text:startsWith()
    """
    return ops.starts_with(row.text(string), row.text(substring))


@FUNCTIONS.filter("text:endsWith")
def text_ends_with(row: RowScope, string: Expression, substring: Expression) -> Expression:
    """Whether the text ends with the other one.

        a := "cmd.exe" | text:endsWith(a, substring=".exe") -> a=cmd.exe

    Reference: library.humio.com, text:endsWith()
    """
    return ops.ends_with(row.text(string), row.text(substring))


@FUNCTIONS.filter("dropEvent", question=False)
def drop_event(row: RowScope) -> Expression:
    """No event passes.

        a := 1 | dropEvent() -> -

    Reference: library.humio.com, dropEvent()
    """
    return FALSE_LITERAL


@FUNCTIONS.filter("sample", negatable=False, question=False)
def sample(row: RowScope, percentage: float = 1.0, *, field: Name = TIMESTAMP) -> Expression:
    """A share of the events: those whose `field` has a hash below it.

        a := 1 | sample(100, field=a) -> a=1
        a := 1 | sample(0, field=a) -> -

    Reference: library.humio.com, sample()
    """
    # A hash, not chance: the same events pass each time. Six hex digits divide finer than any percentage.
    digest = ops.substring(ops.md5(row.text(field)), Literal(1), Literal(6))
    return ops.less(ops.from_base(digest, Literal(16)), Literal(percentage / 100 * 16**6))
