"""Steps of a query made to relations."""

from __future__ import annotations

from harness.detection.language import Step
from harness.detection.languages.cql.aggregation import aggregate_functions
from harness.detection.languages.cql.arguments import bind
from harness.detection.languages.cql.case import lower_branches_apart, lower_case, lower_match
from harness.detection.languages.cql.conditions import lower_condition
from harness.detection.languages.cql.evaluate import function_of, lower_expression, lower_function_value
from harness.detection.languages.cql.parameters import resolve_text
from harness.detection.languages.cql.registry import FUNCTIONS, FunctionRole, RegistryEntry
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import (
    Apply,
    Array,
    Assign,
    CaseStep,
    FreeText,
    FunctionCall,
    Junction,
    Match,
    Negation,
    Pipeline,
    QueryParameter,
    Syntax,
    TruthFilter,
)
from harness.diagnostics import SourceError


def lower_pipeline(flow: Scope, pipeline: Pipeline, *, shown: bool = False) -> None:
    """Takes the flow through a pipeline; each step is noted where it is to be `shown`."""
    for part in pipeline.steps:
        take(flow, part)
        if shown:
            flow.meaning.steps.append(Step(part.span, flow.node, describe_step(part)))


def describe_step(part: Syntax) -> str:
    """What a step is called."""
    match part:
        case FunctionCall(name=name):
            return name
        case Negation(part=FunctionCall(name=name)):
            return f"!{name}"
        case Apply(call=FunctionCall(name=name)):
            return name
        case Assign():
            return ":="
        case CaseStep():
            return "case"
        case Match():
            return "match"
        case Pipeline(name=str(name)):
            return f"${name}"
        case _:
            return "filter"


def take(flow: Scope, part: Syntax) -> None:
    """Takes the flow through one step."""
    row = RowScope(flow)
    if keeps_rows(part):
        row_step(row, part)
        row.flush(part.span)
        return
    match part:
        case Pipeline():
            lower_pipeline(flow, part)
        case Array():
            aggregate_functions(flow, (), part, part.span)
        case Junction(operator="and", parts=parts):
            for each in parts:
                take(flow, each)
        case CaseStep() | Match():
            lower_branches_apart(flow, part, lower_pipeline)
        case Apply(field=field, call=FunctionCall() as applied):
            row.implied = resolve_text(flow.meaning, field)
            relational(row, applied, negative=part.negated)
        case Negation(part=FunctionCall() as negated):
            relational(row, negated, negative=True)
        case Assign(target=target, value=FunctionCall() as assigned):
            assigned_step(row, assigned, resolve_text(flow.meaning, target))
        case FunctionCall():
            relational(row, part, negative=False)
        case _:
            raise SourceError("misplaced", "this cannot stand as a step", part.span)


def keeps_rows(part: Syntax) -> bool:
    """Whether a step changes or drops each row by itself."""
    match part:
        case Assign(value=FunctionCall(name=name)):
            return not FUNCTIONS[name].makes_rows
        case CaseStep(branches=branches):
            return all(keeps_rows(s) for b in branches for s in b.steps)
        case Match(arms=arms):
            return all(keeps_rows(a.guard) and all(keeps_rows(s) for s in a.pipeline.steps) for a in arms)
        case Junction(parts=parts):
            return all(keeps_rows(p) for p in parts)
        case Negation(part=inside):
            return keeps_rows(inside)
        case Apply(call=call):
            return keeps_rows(call)
        case FunctionCall(name=name):
            return not FUNCTIONS[name].makes_rows and not FUNCTIONS[name].gives_many_rows(part)
        case Pipeline(steps=steps):
            return all(keeps_rows(s) for s in steps)
        case Array():
            return False
        case _:
            return True


def row_step(row: RowScope, part: Syntax) -> None:
    """Takes one row through a step that concerns no other row."""
    match part:
        case Assign():
            assign(row, part)
        case CaseStep():
            lower_case(row, part, row_step)
        case Match():
            lower_match(row, part, row_step)
        case FunctionCall() if (function := function_of(part)).role is not FunctionRole.FILTER:
            lower_function_step(row, function, part)
        case Apply(field=field, call=FunctionCall() as applied) if function_of(applied).role is not FunctionRole.FILTER:
            row.implied = resolve_text(row.meaning, field)
            lower_function_step(row, function_of(applied), applied)
            row.implied = None
        case Junction(operator="and", parts=parts) if any(transforms(p) for p in parts):
            for each in parts:
                row_step(row, each)
        case Pipeline(steps=steps):
            for each in steps:
                row_step(row, each)
        case TruthFilter(value=True) | FreeText(value=QueryParameter()) if passes_everything(row, part):
            pass
        case _:
            asked = lower_condition(row, part)
            row.require(asked)
            row.accept()


def passes_everything(row: RowScope, part: Syntax) -> bool:
    """Whether a step lets every event pass: `*`, or a parameter whose value is `*`."""
    return isinstance(part, TruthFilter) or (
        isinstance(part, FreeText) and resolve_text(row.meaning, part.value) == "*"
    )


def transforms(part: Syntax) -> bool:
    """Whether a member of an implicit AND is a step of its own."""
    match part:
        case FunctionCall(name=name):
            return FUNCTIONS[name].role is not FunctionRole.FILTER
        case CaseStep() | Match() | Assign():
            return True
        case Junction(operator="and", parts=parts) | Pipeline(steps=parts):
            return any(transforms(p) for p in parts)
        case _:
            return False


def assign(row: RowScope, part: Assign) -> None:
    """`target := value`; a filter function gives true or false, any other goes to the target as its `as`."""
    target = resolve_text(row.meaning, part.target)
    value = part.value
    if part.dynamic:
        assign_named(row, part)
    elif isinstance(value, FunctionCall) and (function := function_of(value)).role is FunctionRole.ROW:
        lower_function_step(row, function, value, target)
    else:
        row.assign(target, lower_expression(row, value))


def assign_named(row: RowScope, part: Assign) -> None:
    """Assigns to the field whose name another field holds."""
    name = row.text(resolve_text(row.meaning, part.target))
    FUNCTIONS["setField"].run(row, target=name, value=lower_expression(row, part.value))


def lower_function_step(row: RowScope, function: RegistryEntry, part: FunctionCall, target: str | None = None) -> None:
    """A function that stands as a step: its value goes to `as`, or it changes the row itself."""
    if function.role is FunctionRole.ROW:
        values, _ = bind(function, part, row, assigned=target is not None)
        if target is not None:
            if "as" not in function.parameters:
                raise SourceError("not-a-value", f"`{part.name}` gives no value to assign", part.span)
            values[function.parameters["as"].attribute] = target
        function.run(row, **values)
        return
    if function.role is not FunctionRole.VALUE:
        raise SourceError("misplaced", f"`{part.name}` cannot stand here", part.span)
    values, into = bind(function, part, row)
    name = target or into or resolve_output_field(function, values)
    row.assign(name, lower_function_value(row, function, values))


def resolve_output_field(function: RegistryEntry, values: dict[str, object]) -> str:
    """The field that a function's value goes to by itself."""
    into = function.into or ""
    if not into.startswith("="):
        return into
    field = values.get(into[1:], function.parameters[into[1:]].default)
    return str(field[0]) if isinstance(field, tuple) else str(field)


def assigned_step(row: RowScope, part: FunctionCall, target: str) -> None:
    """`target := call` of an aggregate or another step: the target is its `as`."""
    function = function_of(part)
    if function.role is FunctionRole.AGGREGATE:
        aggregate_functions(row.flow, (), Array(items=(part,), span=part.span), part.span, target)
        return
    values, _ = bind(function, part, row, assigned=True)
    if "as" not in function.parameters:
        raise SourceError("not-a-value", f"`{part.name}` gives no value to assign", part.span)
    values[function.parameters["as"].attribute] = target
    row.flow.span = part.span
    function.run(row.flow, **values)


def relational(row: RowScope, part: FunctionCall, *, negative: bool) -> None:
    """A function that makes other rows."""
    function = function_of(part)
    if function.role is FunctionRole.AGGREGATE and not function.gives_many_rows(part):
        aggregate_functions(row.flow, (), Array(items=(part,), span=part.span), part.span)
        return
    if negative:
        raise SourceError("misplaced", f"`{part.name}` is no filter and cannot be negated", part.span)
    values, _ = bind(function, part, row)
    row.flow.span = part.span
    (function.run if function.many is None else function.many.run)(row.flow, **values)
