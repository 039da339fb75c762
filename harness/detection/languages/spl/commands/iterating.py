"""The command that repeats an eval: foreach, over fields or over the elements of one."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.asking import ask_rows
from harness.detection.languages.spl.coercion import as_multivalue, as_text, literal
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import (
    Assignment,
    EvalArguments,
    FieldReference,
    FunctionCall,
    Pipeline,
    Stage,
    Template,
)
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate
from harness.detection.plan.operation import Typed
from harness.diagnostics import SourceError

MOST_FOREACH_FIELDS = 200
MOST_ITEMS = 100
FEW_ITEMS = 20
FOREACH_MARKS = ("fieldstr", "matchstr", "matchseg1", "matchseg2", "matchseg3", "itemstr", "iterstr")
FOREACH_MODES = ("multifield", "multivalue", "json_array", "auto_collections")


@COMMANDS.define("foreach", order="keeps", fields="remakes", raw="never", shape="template")
def foreach(scope: Scope, stage: Stage) -> None:
    """A pipeline once for each field that fits, `<<FIELD>>` being its name; or once for each element of a field.

    Reference: Splunk Search Reference, foreach
    """
    found = bind_options(stage, "mode", *FOREACH_MARKS)
    templates = [t for t in found.others if isinstance(t, Template)]
    if len(templates) != 1:
        raise found.error("bad-argument", "`foreach` needs a pipeline in brackets")
    mode = found.choice("mode", "multifield", *FOREACH_MODES)
    if mode != "multifield":
        over_elements(scope, stage, found, templates[0], mode)
        return
    fields: list[tuple[str, str]] = []
    for word in found.words:
        names = scope.matching(word.text) if "*" in word.text else [word.text]
        fields += [(n, word.text) for n in names]
    if len(fields) > MOST_FOREACH_FIELDS:
        raise scope.unsupported(f"`foreach` over more than {MOST_FOREACH_FIELDS} fields", stage.span)
    for name, pattern in fields:
        run_template(
            scope, parse_template(scope, templates[0], fill_foreach_template(templates[0].text, found, name, pattern))
        )


def resolve_template_mark(found: BoundOptions, option: str) -> str:
    """What stands in the template for a part: `<<FIELD>>` unless an option says otherwise."""
    return found.text(option, f"<<{option.removesuffix('str').upper()}{'STR' if option == 'matchstr' else ''}>>")


def fill_foreach_template(template: str, found: BoundOptions, name: str, pattern: str) -> str:
    """The template for one field: its name, and what each `*` stood for."""
    inside = re.fullmatch("(.*)".join(re.escape(p) for p in pattern.split("*")), name, re.S)
    segments = list(inside.groups()) if inside else []
    made = template.replace(resolve_template_mark(found, "fieldstr"), name)
    made = made.replace(resolve_template_mark(found, "matchstr"), "".join(segments))
    for place in (1, 2, 3):
        segment = segments[place - 1] if place <= len(segments) else ""
        made = made.replace(resolve_template_mark(found, f"matchseg{place}"), segment)
    return made


def parse_template(scope: Scope, template: Template, text_of: str) -> Pipeline:
    """The text as a pipeline at the template's place."""
    span = template.span
    source = ExpandedText(span.source, "| " + text_of, [(0, span.start, span.end)], strict=scope.session.text.strict)
    return PipelineGrammar(source).whole()


def run_template(scope: Scope, pipeline: Pipeline) -> None:
    """Runs it on the rows there are, as no step of its own."""
    main, scope.main = scope.main, False
    scope.session.run(pipeline, scope)
    scope.main = main


def over_elements(scope: Scope, stage: Stage, found: BoundOptions, template: Template, mode: str) -> None:
    """An eval once for each element of a field: for element 0 of all rows, for element 1, and so on."""
    if len(found.words) != 1:
        raise found.error("bad-argument", f"`foreach mode={mode}` takes one field")
    word = found.words[0]
    value = scope.typed(word.text, word.span)
    if value.kind is Kind.NULL:
        return
    column = scope.session.fresh("items")
    kept = list(scope.columns)
    scope.derive([(column, split_foreach_elements(value, mode))], stage.span)
    for place in range(longest(scope, stage, column)):
        item = f"mvindex('{column}',{place})"
        written = f"[\"']?{re.escape(resolve_template_mark(found, 'itemstr'))}[\"']?"
        made = re.sub(written, lambda _, i=item: i, template.text)  # type: ignore[misc]
        pipeline = parse_template(scope, template, made.replace(resolve_template_mark(found, "iterstr"), str(place)))
        run_template(
            scope, replace(pipeline, stages=tuple(restrict_eval(scope, s, column, place) for s in pipeline.stages))
        )
    scope.keep([n for n in scope.columns if n != column] if column not in kept else kept)


def split_foreach_elements(value: Typed, mode: str) -> Typed:
    """The elements of a field of several values, or of a JSON array."""
    if mode == "multivalue":
        return as_multivalue(value)
    members = ops.json_list(as_text(value), literal("$[*]"))
    return members if mode == "json_array" else ops.coalesce(members, as_multivalue(value))


def longest(scope: Scope, stage: Stage, column: str) -> int:
    """How many elements a row has at most; so many as are likely where the events cannot tell."""
    length = ops.list_length(Typed(Column(column), Kind.LIST))
    most = Aggregate(source=scope.node, keys=(), measures=(("most", ops.maximum(length.expression)),), span=stage.span)
    rows = ask_rows(scope, most, 1, stage.span)
    if rows is None:
        message = f"`foreach` is planned for {FEW_ITEMS} elements a row, without events to count them"
        scope.session.note("few-elements", message, stage.span)
        return FEW_ITEMS
    count = int(str(rows[0].get("most") or 0).partition(".")[0]) if rows else 0
    if count > MOST_ITEMS:
        raise scope.unsupported(f"`foreach` over more than {MOST_ITEMS} elements of a row", stage.span)
    return count


def restrict_eval(scope: Scope, stage: Stage, column: str, place: int) -> Stage:
    """An eval that changes only rows that have so many elements."""
    if not isinstance(stage.arguments, EvalArguments) or not COMMANDS[stage.name].evaluates:
        message = "`foreach` over elements takes a pipeline of one `eval`"
        raise SourceError("bad-argument", message, stage.span)
    template = f"eval x=if(mvcount('{column}')>{place}, 1, 1)"
    pattern = parse_template(scope, Template(template, stage.span), template).stages[0].arguments
    if not isinstance(pattern, EvalArguments) or not isinstance(pattern.assignments[0].value, FunctionCall):
        raise TypeError(stage.name)
    choice = pattern.assignments[0].value
    made = []
    for assignment in stage.arguments.assignments:
        old = FieldReference(assignment.target.text, True, assignment.span)
        value = replace(choice, arguments=(choice.arguments[0], assignment.value, old))
        made.append(Assignment(assignment.target, value, assignment.span))
    return replace(stage, arguments=replace(stage.arguments, assignments=tuple(made)))
