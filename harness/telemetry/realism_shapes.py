"""How values are written: the notation of each, and whether simulated ones are written as recorded ones are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

MISSING, TEXT = "missing", "text"
MOST_SHAPE_VALUES = 20_000
"""Distinct values of a field that are looked at."""

GUID_SHAPE = "[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"

# The first that fits counts: narrow ones stand before wide ones.
NOTATIONS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (family, notation, re.compile(pattern))
    for family, notation, pattern in (
        (MISSING, "empty", r""),
        (MISSING, "dash", r"-"),
        ("guid", "upper case in braces", rf"\{{{GUID_SHAPE}\}}"),
        ("guid", "lower case in braces", rf"\{{{GUID_SHAPE.replace('A-F', 'a-f')}\}}"),
        ("guid", "upper case, bare", GUID_SHAPE),
        ("guid", "lower case, bare", GUID_SHAPE.replace("A-F", "a-f")),
        ("time", "date and clock with milliseconds", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"),
        ("time", "ISO 8601 with a zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        ("time", "ISO 8601 without a zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"),
        ("number", "decimal", r"-?\d+"),
        ("fraction", "decimal fraction", r"-?\d+\.\d+"),
        ("hexadecimal", "0x and lower case", r"0x[0-9a-f]+"),
        ("hexadecimal", "0x and upper case", r"0x[0-9A-F]+"),
        ("message", "%% and number", r"%%\d+"),
        ("sid", "S-1-", r"S-1-\d+(-\d+)*"),
        ("ipv4", "dotted", r"\d{1,3}(\.\d{1,3}){3}"),
        ("ipv6", "eight groups", r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}"),
        ("ipv6", "compressed", r"(?=.*::)[0-9a-fA-F:.]+(%\w+)?"),
        ("truth", "lower-case word", r"true|false"),
        ("truth", "capitalised word", r"True|False"),
        ("hashes", "names and upper-case hex", r"[A-Z0-9]+=[0-9A-F]+(,[A-Z0-9]+=[0-9A-F]+)*"),
        ("hashes", "names and lower-case hex", r"[A-Z0-9]+=[0-9a-f]+(,[A-Z0-9]+=[0-9a-f]+)*"),
        ("digest", "lower-case hex", r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"),
        ("digest", "upper-case hex", r"[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{64}"),
        ("path", "device", r"(?s)\\Device\\.+"),
        ("path", "drive", r"(?s)[A-Za-z]:\\.*"),
        ("list", "entries ended by semicolons", r"(?s)([^;]*;)+"),
    )
)
ALIKE = (frozenset({"ipv4", "ipv6"}),)
"""Families of notations that one field may have both of."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How a value is written: what it is, and in which of the ways to write that."""

    family: str
    name: str

    def __str__(self) -> str:
        return self.name if self.family == self.name else f"{self.family}, {self.name}"


FREE = Notation(TEXT, TEXT)


def notation(value: str) -> Notation:
    """The notation of a value; what has none of its own is free text."""
    for family, name, pattern in NOTATIONS:
        if pattern.fullmatch(value):
            return Notation(family, name)
    return FREE


def notations(values: Iterable[str | None]) -> dict[Notation, str]:
    """Each notation among the values, with an example."""
    found: dict[Notation, str] = {}
    for number, value in enumerate(values):
        if number >= MOST_SHAPE_VALUES:
            break
        if value is not None:
            found.setdefault(notation(value), value)
    return found


def foreign(
    simulated: Mapping[Notation, str], recorded: Collection[Notation], *, cased: bool
) -> list[tuple[Notation, str]]:
    """The notations of simulated values that recorded ones never have, each with an example.

    Free text on either side says nothing, and a missing value may be missing. With `cased` false the case of hex digits
    does not count: shippers change it.
    """
    families = {n.family for n in recorded} - {MISSING}
    # Once free text was recorded any notation may be.
    if not families or TEXT in families:
        return []
    known = {key(n, cased) for n in recorded}
    found = []
    for each, example in simulated.items():
        if each.family in (MISSING, TEXT) or key(each, cased) in known:
            continue
        if each.family not in families and any(each.family in group and group & families for group in ALIKE):
            continue
        found.append((each, example))
    return found


def key(each: Notation, cased: bool) -> tuple[str, str]:
    """The identity of a notation, without the case of hex digits where `cased` is false."""
    name = each.name if cased else each.name.replace("upper", "lower").replace("braces", "").replace("in ", "").strip()
    return each.family, name.replace(", bare", "").replace(" case", "") if not cased else name
