"""Commands about fields of several values: makemv, mvexpand, mvcombine, nomv."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_multivalue,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.regex import check_pattern
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Unnest


@COMMANDS.define("makemv", order="keeps", fields="keeps", raw="never")
def makemv(scope: Scope, stage: Stage) -> None:
    """Several values of one text: the pieces between delimiters, or what a pattern takes out.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "delim", "tokenizer", "allowempty", "setsv")
    if not found.words:
        raise found.error("missing-field", "`makemv` needs one field")
    found.at_most(1)
    found.without_effect(scope, "setsv")
    field = found.words[0]
    whole = scope.typed(field.text, field.span)
    value = as_text(whole)
    tokenizer = found.word("tokenizer")
    if tokenizer is not None:
        pattern = literal(check_pattern(tokenizer.text, tokenizer.span))
        made = ops.regex_extract_all(value, pattern, literal(""), literal(1.0))
    else:
        made = ops.list_split(value, literal(found.text("delim", " ")))
        # `allowempty=f` merges adjacent delimiters (reference/spl.md 7).
        if not found.flag("allowempty") and made.kind is Kind.LIST:
            parameter, element = build_element_parameter(made)
            made = apply_to_elements(ops.list_filter, made, parameter, ops.not_equal(element, literal("")))
    if whole.kind is Kind.LIST:
        # What has several values already is no text to take apart.
        made = ops.if_(ops.greater(ops.list_length(whole), literal(1.0)), whole, made)
    scope.derive([(field.text, made)], stage.span)


@COMMANDS.define("nomv", order="keeps", fields="keeps", raw="never")
def nomv(scope: Scope, stage: Stage) -> None:
    """One text of several values, a line each, or with the delimiter of the mvcombine before.

    Reference: reference/spl.md 7
    """
    for word in bind_options(stage).words:
        value = scope.typed(word.text, word.span)
        if value.kind is Kind.LIST:
            # `delim` of mvcombine says how the values are joined once they are one text again.
            between = scope.session.delimiters.get(word.text, "\n")
            scope.derive([(word.text, ops.list_join(value, literal(between)))], stage.span)


@COMMANDS.define("mvexpand", order="keeps", fields="keeps", raw="never")
def mvexpand(scope: Scope, stage: Stage) -> None:
    """A row for each value; rows without the field are dropped.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "limit")
    if not found.words:
        raise found.error("missing-field", "`mvexpand` needs one field")
    found.at_most(1)
    field = found.words[0]
    value = scope.typed(field.text, field.span)
    most = found.number("limit", 0)
    if value.kind is not Kind.LIST:
        # Rows without the field are dropped (reference/spl.md 7); a single value is a list of one.
        present = ops.not_(ops.is_null(Column(field.text, field.span), span=field.span), span=field.span)
        scope.filter(present, stage.span)
        return
    if most:
        scope.derive([(field.text, ops.list_slice(value, literal(1.0), literal(float(most))))], stage.span)
    scope.node = Unnest(source=scope.node, column=field.text, span=stage.span)
    scope.columns[field.text] = Kind.TEXT


@COMMANDS.define("mvcombine", order="reads", fields="remakes", raw="never")
def mvcombine(scope: Scope, stage: Stage) -> None:
    """Rows that agree in all other fields as one, the field then with several values.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "delim", "setsv")
    if not found.words:
        raise found.error("missing-field", "`mvcombine` needs one field")
    found.at_most(1)
    found.without_effect(scope, "setsv")
    field = found.words[0].text
    scope.session.delimiters[field] = found.text("delim", " ")
    if field not in scope.columns:
        return
    order = [n for n in scope.columns if n[0] != "@"]
    keys = [n for n in order if n != field]
    collected = ops.collect(as_multivalue(scope.typed(field)).expression)
    node = Aggregate(
        source=scope.node,
        keys=tuple((k, Column(k)) for k in keys),
        measures=((field, collected),),
        span=stage.span,
    )
    columns = {**{k: scope.columns[k] for k in keys}, field: Kind.LIST}
    scope.replace(node, columns)
    scope.keep(order)
