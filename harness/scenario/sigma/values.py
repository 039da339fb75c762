"""Values of a Sigma rule: text with wildcards, what modifiers make of it, and whether a field's text fits."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from enum import StrEnum
from ipaddress import ip_address, ip_network
from itertools import chain, islice
from typing import Any

import regex

from harness.diagnostics import HarnessError, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record


class Wildcard(StrEnum):
    """What stands for text that is not written: any run, any one character, any of the five dashes of a switch."""

    RUN = "*"
    ONE = "?"
    DASH = "-"


DASHES = "-/\u2013\u2014\u2015"
"""What `windash` takes for one another (appendix of modifiers, 2.1)."""

Parts = tuple[str | Wildcard, ...]


@record
class TextPattern:
    """A text with wildcards that the whole field has to be, whatever the case unless `cased`."""

    parts: Parts
    cased: bool = False


@record
class RegularExpression:
    """A pattern that is found anywhere in the field; `flags` of i, m and s."""

    pattern: str
    flags: str = ""


@record
class Network:
    """A network that the field's address lies in."""

    cidr: str


@record
class Bound:
    """A number that the field's number is compared with, by `lt`, `lte`, `gt`, `gte` or `neq`."""

    operator: str
    number: float


@record
class Presence:
    """Whether the field is there at all."""

    wanted: bool


@record
class FieldReference:
    """Another field of the same event whose text the field has to be, begin with, end with or hold."""

    name: str
    begins: bool = False
    ends: bool = False


@record
class NoValue:
    """`null`: the field is absent."""


@record
class TimePart:
    """A number that the minute, hour, day, week, month or year of the field's time is."""

    part: str
    number: int


@record
class Placeholder:
    """`%name%`, which stands for values that a file gives; none was given."""

    name: str


SigmaMatcher = (
    TextPattern | RegularExpression | Network | Bound | Presence | FieldReference | NoValue | TimePart | Placeholder
)
"""What one value of an item asks of a field."""

SIGMA_PARTS = late_pattern(r"\\([*?\\])|([*?])|([^\\*?]+|\\)")
PLACEHOLDER_NAME = late_pattern(r"(?<!\\)%([^%\s]+)%")
SWITCH = late_pattern(rf"\B[{DASHES}]\b")
# `yes` and `no` are truths for PyYAML, and so for pySigma.
TRUTHS = {"true": True, "false": False, "yes": True, "no": False}
COMPARISONS = ("lt", "lte", "gt", "gte")
TIME_PARTS = ("minute", "hour", "day", "week", "month", "year")
FLAGS = {"i": "i", "m": "m", "s": "s", "ignorecase": "i", "multiline": "m", "dotall": "s"}
ENCODINGS = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16"}
AFFIXES = ("contains", "startswith", "endswith")
OTHER_MODIFIERS = ("all", "base64", "base64offset", "cased", "cidr", "exists", "expand", "fieldref", "neq", "re")
MODIFIERS = (*OTHER_MODIFIERS, "windash", *AFFIXES, *ENCODINGS, *COMPARISONS, *TIME_PARTS, *FLAGS)
"""Every modifier that the specification knows, and the long names of flags that pySigma knows besides."""


def parse_sigma_text(text: str) -> Parts:
    r"""The parts of a text: `*` and `?` are wildcards, a backslash takes that from them and is itself otherwise."""
    found: list[str | Wildcard] = []
    for escaped, wildcard, plain in SIGMA_PARTS.findall(text):
        append_part(found, Wildcard(wildcard) if wildcard else escaped or plain)
    return tuple(found)


def append_part(parts: list[str | Wildcard], part: str | Wildcard) -> None:
    """Adds a part; texts that follow one another become one."""
    if parts and not isinstance(part, Wildcard) and not isinstance(parts[-1], Wildcard):
        parts[-1] = parts[-1] + part
    elif part:
        parts.append(part)


@record(kw_only=True)
class ItemValues:
    """The values of an item of a selection after its modifiers: `every` one has to fit or any, then `negated`."""

    matchers: tuple[SigmaMatcher, ...]
    every: bool = False
    negated: bool = False


# Chosen, no source: far more than lists of accounts or hosts hold, and few enough to be tried on every text.
MOST_SPELLINGS = 10_000
LONGEST_SEARCH = 2
"""Seconds for one text."""

PlaceholderValues = Callable[[str], Sequence[str] | None]


def apply_modifiers(
    values: Sequence[object], modifiers: Sequence[str], span: Span, given: PlaceholderValues
) -> ItemValues:
    """What the values of an item ask of its field. Raises SourceError at `span` for what the specification refuses."""
    for name in modifiers:
        if name not in MODIFIERS:
            hint = did_you_mean(name, MODIFIERS) or f"known are {', '.join(sorted(MODIFIERS))}"
            raise SourceError("sigma-modifier", f"Sigma has no modifier `{name}`", span, help=hint)
    if "expand" in modifiers:
        values = tuple(chain.from_iterable(expand_placeholders(value, given) for value in values))
    matchers = tuple(matcher for value in values for matcher in build_matchers(value, modifiers, span))
    return ItemValues(matchers=matchers, every="all" in modifiers, negated="neq" in modifiers)


def expand_placeholders(value: object, given: PlaceholderValues) -> Sequence[object]:
    """The texts that a text with placeholders stands for; the placeholder itself where it has no values."""
    named = PLACEHOLDER_NAME.search(value) if isinstance(value, str) else None
    if named is None or not isinstance(value, str):
        return (value,)
    values = given(named[1])
    if values is None:
        return (Placeholder(named[1]),)
    # Escaped, since a value of a file is no pattern.
    texts = (value[: named.start()] + escape_sigma_text(v) + value[named.end() :] for v in values)
    found = tuple(islice(chain.from_iterable(expand_placeholders(t, given) for t in texts), MOST_SPELLINGS + 1))
    if len(found) > MOST_SPELLINGS:
        raise HarnessError("sigma-placeholder", f"`{value}` stands for more than {MOST_SPELLINGS} texts")
    return found


def escape_sigma_text(text: str) -> str:
    """A text as Sigma writes it, its wildcards kept: a list of values may hold some."""
    return re.sub(r"\\(?=[*?\\])", r"\\\\", text)


def build_matchers(value: object, modifiers: Sequence[str], span: Span) -> Sequence[SigmaMatcher]:
    """The matchers of one value: several where an encoding has several forms."""
    if isinstance(value, Placeholder):
        return (value,)
    kind = next((m for m in modifiers if m in ("re", "cidr", "exists", "fieldref", *COMPARISONS, *TIME_PARTS)), "")
    if kind == "exists":
        truth = TRUTHS.get(str(value).lower())
        if truth is None:
            raise SourceError("sigma-value", f"`exists` takes true or false, not `{value}`", span)
        return (Presence(truth),)
    if kind in COMPARISONS or kind in TIME_PARTS:
        number = read_bound(value, kind, span)
        return (Bound(kind, number) if kind in COMPARISONS else TimePart(kind, int(number)),)
    if value is None:
        return (NoValue(),)
    text = spell_value(value)
    if kind == "re":
        return (build_expression(text, modifiers, span),)
    if kind == "cidr":
        return (build_network(text, span),)
    if kind == "fieldref":
        return (FieldReference(text, begins=holds(modifiers, "startswith"), ends=holds(modifiers, "endswith")),)
    patterns = (parts for encoded in encode_parts(parse_sigma_text(text), modifiers, span) for parts in (encoded,))
    return tuple(TextPattern(add_affixes(p, modifiers), cased="cased" in modifiers) for p in patterns)


def holds(modifiers: Sequence[str], affix: str) -> bool:
    """Whether an end of the text is open: `contains` opens both."""
    return affix in modifiers or "contains" in modifiers


def spell_value(value: object) -> str:
    """A value of YAML as events spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def read_bound(value: object, modifier: str, span: Span) -> float:
    """The number of a modifier that compares numbers."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise SourceError("sigma-value", f"`{modifier}` takes a number, not `{spell_value(value)}`", span)


def build_expression(text: str, modifiers: Sequence[str], span: Span) -> RegularExpression:
    """A regular expression with its flags."""
    flags = "".join(sorted({FLAGS[m] for m in modifiers if m in FLAGS}))
    try:
        compile_expression(text, flags)
    except regex.error as error:
        raise SourceError("sigma-value", f"this is no regular expression: {error}", span) from error
    return RegularExpression(text, flags)


def compile_expression(text: str, flags: str) -> Any:
    """A pattern of the package `regex`, which can be told to stop; Sigma allows no more of PCRE than that has."""
    return regex.compile(text, sum((getattr(regex, flag.upper()) for flag in flags), regex.VERSION0))


def build_network(text: str, span: Span) -> Network:
    """A network in CIDR notation."""
    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise SourceError("sigma-value", f"`{text}` is no network", span, help="write 10.0.0.0/8") from error
    return Network(text)


def encode_parts(parts: Parts, modifiers: Sequence[str], span: Span) -> Sequence[Parts]:
    """The text in every form that its modifiers give it, in the order in which they stand."""
    found: list[Parts | bytes] = [parts]
    for name in modifiers:
        if name == "windash":
            found = [open_dashes(p) if isinstance(p, tuple) else p for p in found]
        elif name in ENCODINGS or name in ("base64", "base64offset"):
            plain = [as_bytes(p, name, span) for p in found]
            if name in ENCODINGS:
                # A byte order mark leads what `utf16` encodes, little-endian as pySigma and Windows have it.
                mark = b"\xff\xfe" if name == "utf16" else b""
                encoding = "utf-16-le" if name == "utf16" else ENCODINGS[name]
                found = [mark + p.decode("utf-8").encode(encoding) for p in plain]
            elif name == "base64":
                found = [(b64encode(p).decode(),) for p in plain]
            else:
                found = [(form,) for p in plain for form in shift_base64(p)]
    # Bytes that no base64 follows are found in text as the characters of the same numbers.
    return [(p.decode("latin-1"),) if isinstance(p, bytes) else p for p in found]


def as_bytes(parts: Parts | bytes, modifier: str, span: Span) -> bytes:
    """The bytes of a text without wildcards."""
    if isinstance(parts, bytes):
        return parts
    if any(isinstance(p, Wildcard) for p in parts):
        raise SourceError("sigma-value", f"a text with wildcards cannot be encoded by `{modifier}`", span)
    return "".join(parts).encode("utf-8")


def shift_base64(content: bytes) -> list[str]:
    """The three spellings that bytes have within base64, each without the characters that their neighbours change."""
    # Of the first characters as many hold bits of what stands before, of the last of what stands behind.
    first, last = (0, 2, 3), (None, -3, -2)
    return [b64encode(b" " * n + content).decode()[first[n] : last[(len(content) + n) % 3]] for n in range(3)]


def open_dashes(parts: Parts) -> Parts:
    """The text with every dash or slash before a word as any of the five."""
    found: list[str | Wildcard] = []
    for part in parts:
        if isinstance(part, Wildcard):
            found.append(part)
            continue
        at = 0
        for dash in SWITCH.finditer(part):
            append_part(found, part[at : dash.start()])
            found.append(Wildcard.DASH)
            at = dash.end()
        append_part(found, part[at:])
    return tuple(found)


def add_affixes(parts: Parts, modifiers: Sequence[str]) -> Parts:
    """The text with any run before or behind it, as `contains`, `startswith` and `endswith` say."""
    before = (Wildcard.RUN,) if holds(modifiers, "endswith") and parts[:1] != (Wildcard.RUN,) else ()
    behind = (Wildcard.RUN,) if holds(modifiers, "startswith") and parts[-1:] != (Wildcard.RUN,) else ()
    return (*before, *parts, *behind)


SPELLINGS = {Wildcard.ONE: ".", Wildcard.DASH: f"[{DASHES}]"}


def build_pattern_test(pattern: TextPattern) -> Callable[[str], bool]:
    """Whether a text with wildcards is the whole of a text.

    Stretch by stretch between the runs, each as far left as it goes: one expression for all of it would try every way.
    """
    flags = re.DOTALL | (re.NOFLAG if pattern.cased else re.IGNORECASE)
    stretches: list[str] = [""]
    sizes = [0]
    for part in pattern.parts:
        if part is Wildcard.RUN:
            stretches.append("")
            sizes.append(0)
        else:
            stretches[-1] += SPELLINGS[part] if isinstance(part, Wildcard) else re.escape(part)
            sizes[-1] += 1 if isinstance(part, Wildcard) else len(part)
    first, *middle = (re.compile(text, flags) for text in stretches)
    if not middle:
        return lambda text: first.fullmatch(text) is not None
    last, size = middle.pop(), sizes[-1]

    def test(text: str) -> bool:
        at = sizes[0] if first.match(text) else -1
        for stretch in middle:
            found = stretch.search(text, at) if at >= 0 else None
            at = found.end() if found else -1
        return 0 <= at <= len(text) - size and last.fullmatch(text, len(text) - size) is not None

    return test


def build_text_test(matcher: SigmaMatcher) -> Callable[[str], bool]:
    """Whether a text that a field has fits; matchers that need more than one text fit none."""
    match matcher:
        case TextPattern():
            return build_pattern_test(matcher)
        case RegularExpression():
            return build_expression_test(matcher)
        case Network():
            network = ip_network(matcher.cidr, strict=False)
            return lambda text: is_in_network(text, network)
        case Bound():
            return lambda text: compare_number(text, matcher)
        case _:
            return lambda _: False


def build_expression_test(matcher: RegularExpression) -> Callable[[str], bool]:
    """Whether a regular expression is found in a text. The test raises HarnessError where it takes too long."""
    found = compile_expression(matcher.pattern, matcher.flags)

    def test(text: str) -> bool:
        try:
            return found.search(text, timeout=LONGEST_SEARCH) is not None
        except TimeoutError:
            message = f"`{matcher.pattern}` takes more than {LONGEST_SEARCH} s for one text"
            raise HarnessError("sigma-slow", message) from None

    return test


def is_in_network(text: str, network: object) -> bool:
    """Whether a text is an address of the network."""
    try:
        return ip_address(text.strip()) in network  # type: ignore[operator]
    except ValueError:
        return False


def compare_number(text: str, bound: Bound) -> bool:
    """Whether a text is a number on the wanted side of the bound."""
    try:
        number = float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except ValueError:
        return False
    if bound.operator.endswith("e") and number == bound.number:
        return True
    return number < bound.number if bound.operator.startswith("l") else number > bound.number
