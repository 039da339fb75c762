"""Paths of spath: `a.b{0}.c` in JSON, `a.b{@attribute}` in XML.

Reference: reference/spl.md 7 (spath) and 5.2 (JSON)
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Kind
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.values.json import print_json_path
from harness.diagnostics import Span
from harness.late_pattern import late_pattern

EMPTY = Typed(NULL, Kind.LIST)
INDEX_STEP = late_pattern(r"\{(\d*)\}")


def translate_spath(path: str) -> str:
    """The path in JSONPath: `a.b{0}.c` is $."a"."b"[0]."c", `{}` is [*]."""
    steps: list[str | int | None] = []
    for key in path.split("."):
        name = INDEX_STEP.sub("", key)
        if name:
            # Always in quotes: keys of events hold dashes and blanks.
            steps.append(name.replace('"', ""))
        steps += (int(index) if index else None for index in INDEX_STEP.findall(key))
    return print_json_path(steps)


def json_path_of(path: Typed) -> Typed:
    """The same of a value: a literal at once, a path that the row has piece by piece."""
    constant = path.constant
    if isinstance(constant, str):
        return literal(translate_spath(constant))
    found = ops.concat(literal("$."), as_text(path))
    # In this order: `{}` first, or its braces would be an empty index.
    for old, new in (("{}", "[*]"), ("{", "["), ("}", "]"), (".[", "[")):
        found = ops.replace_text(found, literal(old), literal(new))
    return found


def exact_path(key: Typed) -> Typed:
    """The path of one key, in which nothing is special."""
    found = as_text(key)
    for special in ("\\", '"'):
        found = ops.replace_text(found, literal(special), literal("\\" + special))
    constant = key.constant
    if isinstance(constant, str):
        return literal(print_json_path([constant]))
    return ops.concat(literal('$."'), found, literal('"'))


def may_reach_many(path: str) -> bool:
    """Whether a path may reach more than one value."""
    return "{}" in path


def extract_all(document: Typed, path: str, span: Span | None = None) -> Typed:
    """All that a path reaches in a JSON text, or of an XML text that of every element on it."""
    # Attributes are of XML only.
    if document.kind is Kind.NULL or "{@" in path:
        return extract_first(document, path, span)
    markup = ops.xml_text(document, literal(path), span=span)
    form = ops.json_list if may_reach_many(path) else ops.json_text
    as_json = apply(form, document, literal(translate_spath(path)), span=span)
    # No JSON text begins with `<`.
    is_markup = ops.starts_with(ops.trim(document, literal(" \t\r\n")), literal("<"))
    held = as_json if may_reach_many(path) else ops.if_(ops.is_null(as_json), EMPTY, ops.list_(as_json))
    return ops.if_(is_markup, markup, held)


def extract_first(document: Typed, path: str, span: Span | None = None) -> Typed:
    """What a path reaches in a JSON text, or in an XML text where it is no JSON."""
    if document.kind is Kind.NULL:
        return document
    attribute = "{@" in path
    if may_reach_many(path):
        return ops.json_list(document, literal(translate_spath(path)), span=span)
    markup = ops.xml_text(document, literal(path), span=span)
    if attribute:
        return markup
    first = ops.list_get(markup, literal(1.0))
    as_json = ops.json_text(document, literal(translate_spath(path)), span=span)
    return ops.if_(ops.starts_with(ops.trim(document, literal(" \t\r\n")), literal("<")), first, as_json)
