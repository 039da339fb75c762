"""Eval functions of JSON text."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, each, listing, literal, over, text
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.functions.texts import unsupported
from harness.detection.languages.spl.paths import json_path, several
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan.columns import Kind


@FUNCTIONS.define
def json_object(context: Context, *members: Typed) -> Typed:
    r"""An object of names and values.

        json_object("a", 5, "b", "x") -> "{\"a\":5,\"b\":\"x\"}"

    Reference: reference/spl.md 5.2
    """
    if len(members) % 2:
        raise unsupported(context, "a name without a value in `json_object`", members[-1])
    return apply("json_object", *members) if members else literal("{}")


@FUNCTIONS.define
def json_array(context: Context, *values: Typed) -> Typed:
    r"""An array of values.

        json_array("a", 5) -> "[\"a\",5]"

    Reference: reference/spl.md 5.2
    """
    return apply("json_array", *values) if values else literal("[]")


@FUNCTIONS.define("json_extract", "json_extract_exact")
def json_extract(context: Context, document: Typed, *paths: Typed) -> Typed:
    r"""The value at a path; `{}` reaches every element, several paths give an array.

        json_extract("{\"a\":{\"b\":5}}", "a.b")     -> "5"
        json_extract("{\"a\":[1,2]}", "a{1}")        -> "2"

    Reference: reference/spl.md 5.2
    """
    if not paths:
        return text(document)
    found: list[Typed] = []
    for path in paths:
        constant = path.constant
        if not isinstance(constant, str):
            raise unsupported(context, "a computed JSON path", path)
        operation = "json_list" if several(str(constant)) else "json_text"
        found.append(apply(operation, text(document), literal(json_path(str(constant)))))
    return found[0] if len(found) == 1 else apply("json_array", *found)


@FUNCTIONS.define
def json_keys(context: Context, document: Typed) -> Typed:
    r"""Names in an object, as an array.

        json_keys("{\"a\":1,\"b\":2}") -> "[\"a\",\"b\"]"

    Reference: reference/spl.md 5.2
    """
    return apply("to_json", apply("json_keys", text(document)))


@FUNCTIONS.define
def json_valid(context: Context, document: Typed) -> Typed:
    r"""Whether a text is JSON.

        if(json_valid("{\"a\":1}"), 1, 0) -> 1
        if(json_valid("{a"), 1, 0)        -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("json_valid", text(document))


@FUNCTIONS.define
def json_array_to_mv(context: Context, document: Typed, keep_quotes: Typed | None = None) -> Typed:
    r"""The elements of an array as several values.

        mvjoin(json_array_to_mv("[\"a\",\"b\"]"), ",") -> "a,b"

    Reference: reference/spl.md 5.2
    """
    return apply("json_list", text(document), literal("$[*]"))


@FUNCTIONS.define
def mv_to_json_array(context: Context, value: Typed, infer: Typed | None = None) -> Typed:
    r"""Several values as an array.

        mv_to_json_array(split("a,b", ",")) -> "[\"a\",\"b\"]"

    Reference: reference/spl.md 5.2
    """
    if value.kind is Kind.NULL:
        return NOTHING
    parameter, element = each(listing(value))
    quoted = over("list_map", listing(value), parameter, apply("to_json", element))
    return apply("concat", literal("["), apply("list_join", quoted, literal(",")), literal("]"))
