"""Eval functions that change JSON text."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.spl.coercion import as_text
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.jsontext import encode_as_json
from harness.detection.languages.spl.paths import exact_path, json_path_of
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalExpression, FunctionCall
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import span_of
from harness.detection.plan.operation import Operation, Typed, apply
from harness.diagnostics import SourceError


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
