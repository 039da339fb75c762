"""Order of rows as `sort` means it: numbers as numbers, addresses as addresses, else text; missing values last.

Reference: reference/spl.md 7 (sort)
"""

from __future__ import annotations

import re

from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, SortKey
from harness.detection.plan.operation import Typed

TYPED = re.compile(r"(auto|str|ip|num)\((.*)\)")
IPV4_SORT_PARTS = r"^([0-9]{1,3})[.]([0-9]{1,3})[.]([0-9]{1,3})[.]([0-9]{1,3})$"


def parse_sort_keys(scope: Scope, words: list[Word]) -> list[SortKey]:
    """Keys of `- a, b` (both descending) and of `-a, b` (only the first)."""
    keys: list[SortKey] = []
    sign = "+"
    for word in words:
        name = word.text
        own = ""
        if not word.quoted and name in ("+", "-"):
            sign = name
            continue
        if name[:1] in ("+", "-") and not word.quoted:
            own, name = name[0], name[1:]
        form = TYPED.fullmatch(name)
        kind, name = (form[1], form[2]) if form else ("auto", name)
        keys += build_field_sort_keys(scope.typed(name.strip("\"'"), word.span), kind, (own or sign) == "-")
    return keys


def build_field_sort_keys(value: Typed, form: str, descending: bool) -> list[SortKey]:
    """Keys that sort one field."""
    if value.kind is Kind.NULL:
        return []
    if value.kind is Kind.NUMBER and form != "str":
        return [SortKey(value.expression, descending)]
    if value.kind is Kind.LIST:
        value = ops.list_join(value, literal("\n"))
    shown = as_text(value)
    if form == "str":
        return [SortKey(shown.expression, descending)]
    if form == "num":
        return [SortKey(as_number(shown).expression, descending)]
    if form == "ip":
        return [SortKey(address(shown).expression, descending), SortKey(shown.expression, descending)]
    amount = ops.coalesce(as_number(shown), address(shown))
    keys = [SortKey(amount.expression, descending), SortKey(shown.expression, descending)]
    if descending:
        words_first = ops.if_(ops.is_null(shown), literal(None), ops.not_(ops.is_null(amount)))
        keys.insert(0, SortKey(words_first.expression))
    return keys


def address(value: Typed) -> Typed:
    """An IPv4 address as a number; null of other text."""
    total = literal(0.0)
    for group in range(1, 5):
        part = ops.to_number(ops.regex_extract(value, literal(IPV4_SORT_PARTS), literal(""), literal(float(group))))
        total = ops.add(ops.multiply(total, literal(256.0)), part)
    return total
