"""Functions that keep or drop an event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

from harness.detection.language import Dialect
from harness.detection.languages.cql.binding import RAWSTRING, TIMESTAMP, Name, Names, Texts
from harness.detection.languages.cql.choices import Flags
from harness.detection.languages.cql.coercion import PASSES, number
from harness.detection.languages.cql.conditions import NOT_SEARCHED, fits, globbed, literal, matched
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.regex import Pattern
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import FALSE, TRUE, Column, Expression, Literal, any_of, call
from harness.detection.plan.nodes import Unnest
from harness.diagnostics import SourceError

ENDS = re.compile(r"(?<![\[\\])[$^]")


@FUNCTIONS.filter("cidr")
def cidr(
    row: Row, field: Name, subnet: Texts = (), *, file: str = "", column: str = "", negate: bool = False
) -> Expression:
    """Whether the address in `field` is inside one of the networks; no address is in none.

        ip := "10.1.2.3" | cidr(ip, subnet="10.0.0.0/8") -> ip=10.1.2.3
        ip := "10.1.2.3" | !cidr(ip, subnet=["10.0.0.0/8"]) -> -
        !cidr(ip, subnet="10.0.0.0/8") | x := 1 -> x=1

    Reference: library.humio.com, cidr()
    """
    networks, place = [padded(n.strip()) for n in subnet], row.flow.span or row.meaning.source.whole()
    strange = next((n for n in networks if n != "*" and not is_network(n)), None)
    if strange is not None:
        help = "one such as `10.0.0.0/8` or `2001:db8::/32`"
        raise SourceError("argument", f"`{strange[:40]}` is no network", place, help=help)
    if not networks and not file:
        raise SourceError("missing-parameter", "`cidr` needs `subnet` or `file`", place, help="add `subnet=`")
    if file:
        table = row.meaning.lookup(file)
        if table is None:
            if row.meaning.dialect is Dialect.STRICT or row.meaning.switch("missing-content") == "refuse":
                raise SourceError("missing-lookup", f"the lookup `{file}` is not at hand", place)
            message = f"the lookup `{file}` is not at hand; events pass without it"
            row.meaning.tell("missing-lookup", file, message, place)
            return PASSES
        if (column or field) not in table.columns:
            raise SourceError("unknown-column", f"the lookup `{file}` has no column `{column or field}`", place)
        networks += [padded(r[table.columns.index(column or field)].strip()) for r in table.rows]
    made = tuple(Literal(n) for n in networks)
    inside = call("cidr_contains", row.text(field), *made) if made else FALSE
    return call("not", call("is_true", inside)) if negate else inside


def padded(network: str) -> str:
    """A network with all of its numbers: 127.0.0/16 is 127.0.0.0/16."""
    address, slash, bits = network.partition("/")
    if ":" in address or not slash:
        return network
    numbers = address.rstrip(".").split(".")
    return ".".join([*numbers, *["0"] * (4 - len(numbers))]) + "/" + bits


def is_network(text: str) -> bool:
    """Whether a text is an address, or one with the number of bits that count."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


@FUNCTIONS.filter("in")
def among(row: Row, field: Name, values: Texts, *, ignoreCase: bool = False) -> Expression:
    """Whether `field` has one of the values; `*` in a value stands for anything.

        a := "WS01" | in(a, values=["DC*", "WS*"]) -> a=WS01
        a := "WS01" | in(a, values=["ws01"]) -> -
        a := "WS01" | in(a, values=["ws01"], ignoreCase=true) -> a=WS01

    Reference: library.humio.com, in()
    """
    subject = row.read(field)
    if not ignoreCase:
        plain_ones = [v for v in values if "*" not in v]
        others = tuple(fits(row, subject, v, None) for v in values if "*" in v)
        return any_of((*listed(row, subject, plain_ones), *others))
    text = row.text(subject)
    plain = tuple(Literal(v) for v in values if "*" not in v)
    same = (call("in_ci", text, *plain),) if plain else ()
    return any_of((*same, *(globbed(text, v, None, ignore_case=True) for v in values if "*" in v)))


def listed(row: Row, subject: Expression, values: Sequence[str]) -> tuple[Expression, ...]:
    """Whether the value is one of several: as text, and as a number where they are some."""
    if len(values) < 3 or row.kind(subject) is not Kind.TEXT:
        return tuple(fits(row, subject, v, None) for v in values)
    same = call("in", subject, *(Literal(v) for v in values))
    numbers = [n for n in map(number, values) if n is not None]
    if not numbers or row.meaning.switch("numeric-equality") == "text":
        return (same,)
    return same, call("in", row.number(subject), *map(literal, numbers))


@FUNCTIONS.filter("regex")
def regex(
    row: Row,
    regex: Pattern,
    field: Name = RAWSTRING,
    *,
    flags: Flags = "",
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
    pattern = flagged(regex, flags or usual_flags(row, regex))
    found = matched(row, row.read(field), pattern, None)
    return found if strict else TRUE


@FUNCTIONS.multiplying("regex")
def regex_repeated(
    flow: Flow,
    regex: Pattern,
    field: Name = RAWSTRING,
    *,
    flags: Flags = "",
    limit: int = 100,
    strict: bool = True,
    repeat: bool = True,
) -> None:
    """The form of `regex` that gives an event for each match."""
    row = Row(flow)
    pattern = flagged(regex, flags or usual_flags(row, regex))
    found = (row.text(field), Literal(pattern.text), Literal(pattern.flags))
    column = flow.meaning.temporary()
    whole = call("list_slice", call("regex_extract_all", *found, Literal(0)), Literal(1), Literal(limit))
    flow.keep(whole, column)
    flow.become(Unnest(source=flow.node, column=column, keep_empty=not strict, span=flow.span))
    each = Row(flow)
    for name, value in pattern.extracted(Column(column)):
        each.assign(name, value)
    each.flush(flow.span)


def usual_flags(row: Row, pattern: Pattern) -> str:
    """The flags of `regex` and `replace` where none are given: the manual says both `m` and none."""
    if not ENDS.search(pattern.text):
        return ""
    return "m" if row.meaning.switch("regex-lines") == "lines" else ""


def flagged(pattern: Pattern, flags: str) -> Pattern:
    """The pattern with the flags of the call."""
    letters = {"i": "i", "m": "m", "d": "s"}
    made = "".join(dict.fromkeys(pattern.flags + "".join(letters.get(f, "") for f in flags)))
    return replace(pattern, flags=made)


@FUNCTIONS.filter("wildcard")
def wildcard(
    row: Row, pattern: str, field: Names = (), *, ignoreCase: bool = False, includeEverythingOnAsterisk: bool = False
) -> Expression:
    """Whether `field` fits a pattern in which `*` stands for anything.

        a := "Horse" | wildcard(field=a, pattern="horse", ignoreCase=true) -> a=Horse
        a := "HORSES" | wildcard(field=a, pattern="horse", ignoreCase=true) -> -
        wildcard(field=a, pattern="*", includeEverythingOnAsterisk=true) | x := 1 -> x=1

    Reference: library.humio.com, wildcard()
    """
    if pattern == "*" and includeEverythingOnAsterisk:
        return TRUE
    names: Sequence[str] = field or tuple(n for n in row.flow.origin if not n.startswith("#") and n not in NOT_SEARCHED)
    shown = pattern if field else f"*{pattern}*"
    found = []
    for name in names:
        subject = row.read(name)
        found.append(
            globbed(row.text(subject), shown, None, ignore_case=True) if ignoreCase else fits(row, subject, shown, None)
        )
    return any_of(tuple(found))


@FUNCTIONS.filter("test")
def test(row: Row, expression: Expression) -> Expression:
    """Whether the expression is true.

        a := 3 | b := 5 | test(a < b) -> a=3
        a := 3 | test(a == missing) -> -

    Reference: library.humio.com, test()
    """
    return row.truth(expression)


@FUNCTIONS.filter("text:contains")
def text_contains(row: Row, string: Expression, substring: Expression) -> Expression:
    """Whether the text has the other one inside.

        a := "cmd.exe /c" | text:contains(string=a, substring=".exe") -> a=cmd.exe /c
        a := "cmd.exe" | text:contains(string=a, substring="CMD") -> -

    Reference: library.humio.com, text:contains()
    """
    return call("contains", row.text(string), row.text(substring))


@FUNCTIONS.filter("text:startsWith")
def text_starts_with(row: Row, string: Expression, substring: Expression) -> Expression:
    """Whether the text begins with the other one.

        a := "cmd.exe" | text:startsWith(a, substring="cmd") -> a=cmd.exe

    Reference: library.humio.com, text:startsWith()
    """
    return call("starts_with", row.text(string), row.text(substring))


@FUNCTIONS.filter("text:endsWith")
def text_ends_with(row: Row, string: Expression, substring: Expression) -> Expression:
    """Whether the text ends with the other one.

        a := "cmd.exe" | text:endsWith(a, substring=".exe") -> a=cmd.exe

    Reference: library.humio.com, text:endsWith()
    """
    return call("ends_with", row.text(string), row.text(substring))


@FUNCTIONS.filter("dropEvent")
def drop_event(row: Row) -> Expression:
    """No event passes.

        a := 1 | dropEvent() -> -

    Reference: library.humio.com, dropEvent()
    """
    return FALSE


@FUNCTIONS.filter("sample")
def sample(row: Row, percentage: float = 1.0, *, field: Name = TIMESTAMP) -> Expression:
    """A share of the events: those whose `field` has a hash below it.

        a := 1 | sample(100, field=a) -> a=1
        a := 1 | sample(0, field=a) -> -

    Reference: library.humio.com, sample()
    """
    digest = call("substring", call("md5", row.text(field)), Literal(1), Literal(6))
    return call("less", call("from_base", digest, Literal(16)), Literal(percentage / 100 * 16**6))
