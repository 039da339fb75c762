"""eval, and foreach, which repeats it."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_multivalue, as_text, literal, same_kind
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.lexer import ExpandedText
from harness.detection.languages.spl.parser import PipelineGrammar
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import AnsweredRow, Scope, ask_rows
from harness.detection.languages.spl.syntax import (
    Assignment,
    EvalArguments,
    FieldReference,
    FunctionCall,
    Pipeline,
    Stage,
    Template,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Values
from harness.detection.plan.operation import Typed, apply
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern

# `eval {field}=x` names the target by a value (reference/spl.md 3.3).
PLACEHOLDER = late_pattern(r"\{([^{}]+)\}")
DERIVED_NAME = late_pattern(r"[A-Za-z_][\w.]*")
# Chosen, no source: each name is a column of the statement.
MOST_NAMES = 300


@COMMANDS.define("eval", order="keeps", fields="keeps", raw="never", shape="eval", gets_row=True, evaluates=True)
def evaluate(scope: Scope, stage: Stage) -> None:
    """Fields computed by expressions, from left to right; a null leaves no field.

    Where a search begins with it, Splunk makes one row first; read leniently, such a search is one of all events.

    Reference: reference/spl.md 3.1 and 5
    """
    if not isinstance(stage.arguments, EvalArguments):
        raise TypeError(stage.name)
    # A search that begins with eval has an implied makeresults (reference/spl.md 3.1); read leniently, a rule whose
    # first line is cut off still has its events.
    if scope.first and scope.session.text.strict:
        made = {"_time": Kind.NUMBER}
        scope.replace(Values(columns=made, rows=((scope.settings.now,),), span=stage.span), made, events=False)
    for assignment in stage.arguments.assignments:
        # That a field counts on from itself, or from what the same eval gave it for another row, is no slip.
        scope.session.assigned |= {assignment.target.text}
        value = EvalContext(scope).value(assignment.value)
        if value.kind is Kind.BOOLEAN:
            message = "a field cannot hold true or false"
            raise SourceError("boolean-field", message, assignment.span, help="write `if(..., 1, 0)`")
        name = assignment.target.text
        if PLACEHOLDER.search(name) and name not in scope.columns:
            named_by_fields(scope, assignment, name, value)
        else:
            scope.derive([(name, value)], assignment.span)
    scope.session.assigned = frozenset()


def named_by_fields(scope: Scope, assignment: Assignment, name: str, value: Typed) -> None:
    """`{field}` in a target is what that field holds; a row without one of the fields gets nothing."""
    place = assignment.target.span
    pieces = PLACEHOLDER.split(name)
    parts = [literal(p) if i % 2 == 0 else as_text(scope.typed(p, place)) for i, p in enumerate(pieces) if p]
    if any(p.kind is Kind.NULL for p in parts):
        return
    chosen = apply(ops.concat, *parts)
    rows = ask_target_rows(scope, chosen, place)
    if rows is None or len(rows) > MOST_NAMES:
        note_unnamed_targets(scope, rows is None, place)
        names = collect_target_names(scope, pieces)
    else:
        # Names with `@` are the harness's own columns.
        names = [n for n in (str(r["name"]) for r in rows if "name" in r) if n and n[0] != "@"]
    made: list[tuple[str, Typed]] = []
    for word in names:
        same = ops.equal(chosen, literal(word))
        old = scope.typed(word)
        new, kept = same_kind([value, old]) if old.kind is not Kind.NULL else (value, literal(None))
        made.append((word, ops.if_(same, new, kept)))
    scope.derive(made[:MOST_NAMES], assignment.span)


def ask_target_rows(scope: Scope, chosen: Typed, place: Span) -> list[AnsweredRow] | None:
    """Rows with the names that the events give; None where nobody can be asked."""
    names = Aggregate(source=scope.node, keys=(("name", chosen.expression),), measures=())
    return ask_rows(scope, names, MOST_NAMES + 2, place)


def note_unnamed_targets(scope: Scope, unasked: bool, place: Span) -> None:
    """Tells of fields that nobody could name, or that are too many; later commands may mean them."""
    why = "known only with events" if unasked else f"more than {MOST_NAMES}"
    message = f"fields named by values are {why}; here only those are made that the search names"
    scope.session.note("unnamed-columns", message, place)
    scope.open = True


def collect_target_names(scope: Scope, pieces: list[str]) -> list[str]:
    """The names that the search itself reads and that a target can have."""
    fits = re.compile(DERIVED_NAME.pattern.join(re.escape(p) for p in pieces[::2]))
    return [w for w in sorted(scope.session.words) if fits.fullmatch(w) and w not in pieces[1::2]]


# Chosen, no source: the pipeline is planned once for each field or element.
MOST_FOREACH_FIELDS = 1000
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
    # Its stages are no steps of the search that people see.
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
    # An eval may use what it made of the element before, so elements go one after the other.
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
    # Parsed from text, so that the condition is what the grammar makes of it.
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
