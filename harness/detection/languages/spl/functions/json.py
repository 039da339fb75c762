"""JSON functions: read and change.

Reference: Splunk Search Reference, JSON functions
"""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.paths import exact_path, json_path_of, may_reach_many
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalExpression, FunctionCall
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, span_of
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, apply
from harness.detection.plan.values.json import compute_json_value, encode_compact_json
from harness.diagnostics import SourceError


def encode_as_json(value: Typed) -> Typed:
    """A value as JSON: text that is an object or an array is itself, several values are an array."""
    # Literals are encoded at once; they are most of what json_object() is given.
    constant = value.constant
    if value.kind is Kind.NULL:
        return literal("null")
    if isinstance(constant, str):
        return literal(compute_json_value(constant))
    if value.kind is Kind.TEXT:
        made = ops.json_value(value)
    elif value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        elements = apply_to_elements(ops.list_map, value, parameter, ops.json_value(element))
        array = ops.concat(literal("["), ops.list_join(elements, literal(",")), literal("]"))
        # A list of one equals the value (reference/spl.md 2.3).
        single = ops.equal(ops.list_length(value), literal(1.0))
        made = ops.if_(single, ops.list_get(elements, literal(1.0)), array)
    else:
        made = ops.to_json(value)
    return ops.coalesce(made, literal("null"))


def quote_json_string(value: Typed) -> Typed:
    """Text as a JSON string."""
    constant = value.constant
    return literal(encode_compact_json(constant)) if isinstance(constant, str) else ops.to_json(value)


def concat_json_parts(opening: str, parts: list[Typed], closing: str) -> Typed:
    """The parts with commas between and brackets around."""
    pieces = [literal(opening)]
    for i, part in enumerate(parts):
        pieces += [literal(","), part] if i else [part]
    return apply(ops.concat, *pieces, literal(closing)) if parts else literal(opening + closing)


@FUNCTIONS.define
def json_object(context: EvalContext, *members: Typed) -> Typed:
    r"""An object of names and values; text that is an object or an array becomes one inside.

        json_object("a", 5, "b", "x")              -> "{\"a\":5,\"b\":\"x\"}"
        json_object("a", json_array("x", 1==1))    -> "{\"a\":[\"x\",true]}"
        json_object("a", null(), "b", split("1,2", ",")) -> "{\"a\":null,\"b\":[\"1\",\"2\"]}"

    Reference: Splunk Search Reference, JSON functions
    """
    if len(members) % 2:
        last = members[-1].expression
        message = f"`json_object` takes names and values in turn, {len(members)} arguments given"
        raise SourceError("wrong-arity", message, span_of(last) or context.scope.session.text.source.whole())
    pairs = zip(members[::2], members[1::2], strict=True)
    return concat_json_parts(
        "{", [ops.concat(quote_json_string(as_text(k)), literal(":"), encode_as_json(v)) for k, v in pairs], "}"
    )


@FUNCTIONS.define
def json_array(context: EvalContext, *values: Typed) -> Typed:
    r"""An array of values.

        json_array("a", 5)                        -> "[\"a\",5]"
        json_array("5", null(), json_object("n", 1.5)) -> "[\"5\",null,{\"n\":1.5}]"
        json_array()                              -> "[]"

    Reference: Splunk Search Reference, JSON functions
    """
    return concat_json_parts("[", [encode_as_json(v) for v in values], "]")


@FUNCTIONS.define
def json_extract(context: EvalContext, document: Typed, *paths: Typed) -> Typed:
    r"""The value at a path; `{}` reaches every element and gives an array, as several paths do.

        json_extract("{\"a\":{\"b\":5}}", "a.b")              -> "5"
        json_extract("{\"a\":[1,2]}", "a{1}")                 -> "2"
        json_extract("[{\"n\":\"x\"},{\"n\":\"y\"}]", "{}.n") -> "[\"x\",\"y\"]"
        json_extract("{\"a\":1,\"b\":\"x\"}", "a", "b")       -> "[1,\"x\"]"
        json_extract("{\"a\":1}", "b")                        -> null
        json_extract("no json", "a")                          -> null

    Reference: Splunk Search Reference, JSON functions
    """
    if not paths:
        return ops.json_native(as_text(document))
    if len(paths) > 1:
        return whole_array(document, [json_path_of(p) for p in paths])
    constant = paths[0].constant
    if isinstance(constant, str) and not may_reach_many(constant):
        return ops.json_text(as_text(document), json_path_of(paths[0]))
    part = ops.json_part(as_text(document), json_path_of(paths[0]))
    return part if isinstance(constant, str) else ops.json_native(part)


@FUNCTIONS.define
def json_extract_exact(context: EvalContext, document: Typed, *keys: Typed) -> Typed:
    r"""The value of a key, in which dots and braces are nothing special; several keys give an array.

        json_extract_exact("{\"a.b\":5}", "a.b")           -> "5"
        json_extract_exact("{\"a\":{\"b\":5}}", "a.b")     -> null
        json_extract_exact("{\"a{}\":1,\"b\":2}", "a{}", "b") -> "[1,2]"

    Reference: Splunk Search Reference, JSON functions
    """
    if not keys:
        return ops.json_native(as_text(document))
    if len(keys) > 1:
        return whole_array(document, [exact_path(k) for k in keys])
    return ops.json_text(as_text(document), exact_path(keys[0]))


def whole_array(document: Typed, paths: list[Typed]) -> Typed:
    """An array of what stands at each path, null where there is nothing."""
    parts = [ops.json_part(as_text(document), p) for p in paths]
    if document.kind is Kind.NULL:
        return TYPED_NULL
    return concat_json_parts("[", [ops.coalesce(p, literal("null")) for p in parts], "]")


@FUNCTIONS.define
def json_has_key_exact(context: EvalContext, document: Typed, key: Typed) -> Typed:
    r"""Whether an object has a key, in which dots are nothing special.

        if(json_has_key_exact("{\"a.b\":null}", "a.b"), 1, 0) -> 1
        if(json_has_key_exact("{\"a\":{\"b\":1}}", "a.b"), 1, 0) -> 0
        if(json_has_key_exact("[1]", "a"), 1, 0)              -> 0

    Reference: Splunk Search Reference, JSON functions
    """
    if Kind.NULL in (document.kind, key.kind):
        return Typed(TYPED_NULL.expression, Kind.BOOLEAN)
    return ops.not_(ops.is_null(ops.json_part(as_text(document), exact_path(key))))


@FUNCTIONS.define
def json_keys(context: EvalContext, document: Typed) -> Typed:
    r"""Names in an object, as an array; null of anything else.

        json_keys("{\"a\":1,\"b\":2}") -> "[\"a\",\"b\"]"
        json_keys("[1,2]")             -> null
        json_keys("text")              -> null

    Reference: Splunk Search Reference, JSON functions
    """
    return ops.to_json(ops.json_keys(as_text(document)))


@FUNCTIONS.define
def json_entries(context: EvalContext, document: Typed) -> Typed:
    r"""An array of the names and values of an object; null of anything else.

        json_entries("{\"a\": 1, \"b\": \"x\"}") -> "[{\"key\":\"a\",\"value\":1},{\"key\":\"b\",\"value\":\"x\"}]"
        json_entries("[1]")                      -> null

    Reference: Splunk Search Reference, JSON functions
    """
    return ops.json_entries(as_text(document))


@FUNCTIONS.define
def json(context: EvalContext, value: Typed) -> Typed:
    r"""The value if it is JSON, else null.

        json("{\"a\":1}")          -> "{\"a\":1}"
        json("Golden Gate Bridge") -> null
        json(12)                   -> "12"

    Reference: Splunk Search Reference, JSON functions
    """
    if value.kind is Kind.BOOLEAN:
        return ops.to_json(value)
    document = as_text(value)
    if document.kind is Kind.NULL:
        return TYPED_NULL
    return ops.if_(ops.json_valid(document), document, Typed(TYPED_NULL.expression, Kind.TEXT))


@FUNCTIONS.define
def json_valid(context: EvalContext, document: Typed) -> Typed:
    r"""Whether a text is JSON.

        if(json_valid("{\"a\":1}"), 1, 0) -> 1
        if(json_valid("{a"), 1, 0)        -> 0
        if(json_valid(null()), 1, 0)      -> 0

    Reference: Splunk Search Reference, JSON functions
    """
    return ops.json_valid(as_text(document))


@FUNCTIONS.define
def json_array_to_mv(context: EvalContext, document: Typed, keep_quotes: Typed | None = None) -> Typed:
    r"""The elements of an array as several values; with `true()` text keeps its quotes.

        mvjoin(json_array_to_mv("[\"a\",5]"), ",")         -> "a,5"
        mvjoin(json_array_to_mv("[\"a\",5]", true()), ",") -> "\"a\",5"
        json_array_to_mv("{\"a\":1}")                      -> null

    Reference: Splunk Search Reference, JSON functions
    """
    if keep_quotes is not None and keep_quotes.constant is True:
        return ops.json_elements(as_text(document))
    return ops.json_list(as_text(document), literal("$[*]"))


@FUNCTIONS.define("mv_to_json_array", "tojson_array")
def mv_to_json_array(context: EvalContext, value: Typed, infer: Typed | None = None) -> Typed:
    r"""Several values as an array of text; with `true()` each is read as the JSON that it spells, else null.

        mv_to_json_array(split("a,1", ","))                           -> "[\"a\",\"1\"]"
        mv_to_json_array(mvappend("\"a\"", "true", "1.50", "b"), true()) -> "[\"a\",true,1.5,null]"
        mv_to_json_array(null())                                      -> null

    Reference: Splunk Search Reference, Multivalue eval functions
    """
    if value.kind is Kind.NULL:
        return TYPED_NULL
    parameter, element = build_element_parameter(as_multivalue(value))
    reads = infer is not None and infer.constant is True
    made = apply_to_elements(
        ops.list_map, as_multivalue(value), parameter, apply(ops.json_inferred if reads else ops.to_json, element)
    )
    return ops.concat(literal("["), ops.list_join(made, literal(",")), literal("]"))


def edit_json_pairs(
    context: EvalContext, name: str, operation: Operation, path: Callable[[Typed], Typed], given: list[Typed]
) -> Typed:
    """An operation made for each pair of a path and a value, one after the other."""
    document, pairs = as_text(given[0]), given[1:]
    if len(pairs) % 2:
        span = span_of(pairs[-1].expression) or context.scope.session.text.source.whole()
        message = f"`{name}` takes a document, then paths and values in turn, {len(given)} arguments given"
        raise SourceError("wrong-arity", message, span)
    for at, value in zip(pairs[::2], pairs[1::2], strict=True):
        document = apply(operation, document, path(at), encode_as_json(value))
    return document


@FUNCTIONS.define
def json_set(context: EvalContext, document: Typed, path: Typed, value: Typed, *more: Typed) -> Typed:
    r"""With values at paths, whose keys are made; what does not fit is left as it is.

        json_set("{}", "a.b", "x")                    -> "{\"a\":{\"b\":\"x\"}}"
        json_set("{\"a\":1}", "a", "2", "b", 3)       -> "{\"a\":\"2\",\"b\":3}"
        json_set("{\"a\":\"b\"}", "a.c", "d")         -> "{\"a\":\"b\"}"
        json_set("[{\"n\":1},{\"n\":2}]", "{}.on", true()) -> "[{\"n\":1,\"on\":true},{\"n\":2,\"on\":true}]"

    Reference: Splunk Search Reference, JSON functions
    """
    return edit_json_pairs(context, "json_set", ops.json_set, json_path_of, [document, path, value, *more])


@FUNCTIONS.define
def json_set_exact(context: EvalContext, document: Typed, key: Typed, value: Typed, *more: Typed) -> Typed:
    r"""With values at keys, in which dots and braces are nothing special.

        json_set_exact(json_object(), "system.path", "/opt") -> "{\"system.path\":\"/opt\"}"
        json_set_exact("{\"a\":1}", "a", null())             -> "{\"a\":null}"

    Reference: Splunk Search Reference, JSON functions
    """
    return edit_json_pairs(context, "json_set_exact", ops.json_set, exact_path, [document, key, value, *more])


@FUNCTIONS.define
def json_append(context: EvalContext, document: Typed, path: Typed, value: Typed, *more: Typed) -> Typed:
    r"""With values behind the arrays at paths; what is no array is put into one.

        json_append("{\"a\":[\"x\"]}", "a", "y")           -> "{\"a\":[\"x\",\"y\"]}"
        json_append("{\"a\":[1]}", "a", json_array(2, 3))  -> "{\"a\":[1,[2,3]]}"
        json_append("{\"a\":1}", "a", 2, "none", 3)        -> "{\"a\":[1,2]}"
        json_append("no json", "a", 1)                     -> null

    Reference: Splunk Search Reference, JSON functions
    """
    return edit_json_pairs(context, "json_append", ops.json_append, json_path_of, [document, path, value, *more])


@FUNCTIONS.define
def json_extend(context: EvalContext, document: Typed, path: Typed, value: Typed, *more: Typed) -> Typed:
    r"""The same with the elements of an array, one by one.

        json_extend("{\"a\":[1]}", "a", json_array(2, 3)) -> "{\"a\":[1,2,3]}"
        json_extend("{\"a\":1}", "a", split("x,y", ","))  -> "{\"a\":[1,\"x\",\"y\"]}"

    Reference: Splunk Search Reference, JSON functions
    """
    return edit_json_pairs(context, "json_extend", ops.json_extend, json_path_of, [document, path, value, *more])


@FUNCTIONS.define(shape="written")
def json_delete(context: EvalContext, document: EvalExpression, key: EvalExpression, *more: EvalExpression) -> Typed:
    r"""Without keys, given one by one or as an array; a dot leads into an object.

        json_delete("{\"a\":1,\"b\":2,\"c\":3}", "a", "c")          -> "{\"b\":2}"
        json_delete("{\"a\":{\"b\":1,\"c\":2}}", json_array("a.b")) -> "{\"a\":{\"c\":2}}"
        json_delete("{\"a\":1}", "none")                            -> "{\"a\":1}"

    Reference: Splunk Search Reference, JSON functions
    """
    found = as_text(context.value(document))
    for each in (key, *more):
        array = isinstance(each, FunctionCall) and each.name == "json_array"
        for one in each.arguments if array and isinstance(each, FunctionCall) else (each,):
            found = ops.json_delete(found, json_path_of(context.value(one)))
    return found
