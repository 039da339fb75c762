"""Steps of a query made to relations."""

from __future__ import annotations

from harness.detection.language import Step
from harness.detection.languages.cql import branching, gathering
from harness.detection.languages.cql.binding import bind
from harness.detection.languages.cql.conditions import condition
from harness.detection.languages.cql.evaluate import computed, evaluated, function_of
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.registry import FUNCTIONS, Function, Role
from harness.detection.languages.cql.syntax import (
    Apply,
    Array,
    Assign,
    Call,
    Case,
    FreeText,
    Junction,
    Match,
    Negation,
    Parameter,
    Pipeline,
    Syntax,
    Truth,
)
from harness.detection.languages.cql.values import text_of
from harness.diagnostics import SourceError


def run(flow: Flow, pipeline: Pipeline, *, shown: bool = False) -> None:
    """Takes the flow through a pipeline; each step is noted where it is to be `shown`."""
    for part in pipeline.steps:
        take(flow, part)
        if shown:
            flow.meaning.steps.append(Step(part.span, flow.node, label(part)))


def label(part: Syntax) -> str:
    """What a step is called."""
    match part:
        case Call(name=name):
            return name
        case Negation(part=Call(name=name)):
            return f"!{name}"
        case Apply(call=Call(name=name)):
            return name
        case Assign():
            return ":="
        case Case():
            return "case"
        case Match():
            return "match"
        case Pipeline(name=str(name)):
            return f"${name}"
        case _:
            return "filter"


def take(flow: Flow, part: Syntax) -> None:
    """Takes the flow through one step."""
    row = Row(flow)
    if plain(part):
        row_step(row, part)
        row.flush(part.span)
        return
    match part:
        case Pipeline():
            run(flow, part)
        case Array():
            gathering.stats(flow, (), part, part.span)
        case Junction(operator="and", parts=parts):
            for each in parts:
                take(flow, each)
        case Case() | Match():
            branching.apart(flow, part, run)
        case Apply(field=field, call=Call() as applied):
            row.implied = text_of(flow.meaning, field)
            relational(row, applied, negative=part.negated)
        case Negation(part=Call() as negated):
            relational(row, negated, negative=True)
        case Assign(target=target, value=Call() as assigned):
            assigned_step(row, assigned, text_of(flow.meaning, target))
        case Call():
            relational(row, part, negative=False)
        case _:
            raise SourceError("misplaced", "this cannot stand as a step", part.span)


def plain(part: Syntax) -> bool:
    """Whether a step changes or drops each row by itself."""
    match part:
        case Assign(value=Call(name=name)) if (function := FUNCTIONS.get(name)) is not None:
            return function.role not in (Role.STEP, Role.AGGREGATE)
        case Case(branches=branches):
            return all(plain(s) for b in branches for s in b.steps)
        case Match(arms=arms):
            return all(plain(a.guard) and all(plain(s) for s in a.pipeline.steps) for a in arms)
        case Junction(parts=parts):
            return all(plain(p) for p in parts)
        case Negation(part=inside):
            return plain(inside)
        case Apply(call=call):
            return plain(call)
        case Call(name=name):
            function = FUNCTIONS.get(name)
            return function is None or (function.role not in (Role.STEP, Role.AGGREGATE) and not multiplies(part))
        case Pipeline(steps=steps):
            return all(plain(s) for s in steps)
        case Array():
            return False
        case _:
            return True


def multiplies(part: Call) -> bool:
    """Whether a call can make several events of one."""
    given = {a.name: a.value for a in part.arguments}
    match part.name:
        case "regex":
            return getattr(given.get("repeat"), "text", "false") == "true"
        case "match":
            return getattr(given.get("nrows"), "text", "1") != "1"
        case "join":
            return getattr(given.get("max"), "text", "1") != "1"
        case _:
            return False


def row_step(row: Row, part: Syntax) -> None:
    """Takes one row through a step that concerns no other row."""
    match part:
        case Assign():
            assign(row, part)
        case Case():
            branching.case(row, part, row_step)
        case Match():
            branching.match(row, part, row_step)
        case Call() if (function := function_of(part)).role is not Role.FILTER:
            changed(row, function, part)
        case Apply(field=field, call=Call() as applied) if function_of(applied).role is not Role.FILTER:
            row.implied = text_of(row.meaning, field)
            changed(row, function_of(applied), applied)
            row.implied = None
        case Junction(operator="and", parts=parts) if any(transforms(p) for p in parts):
            for each in parts:
                row_step(row, each)
        case Pipeline(steps=steps):
            for each in steps:
                row_step(row, each)
        case Truth(value=True) | FreeText(value=Parameter()) if passes(row, part):
            pass
        case _:
            asked = condition(row, part)
            row.require(asked)
            row.accept()


def passes(row: Row, part: Syntax) -> bool:
    """Whether a step lets every event pass: `*`, or a parameter whose value is `*`."""
    return isinstance(part, Truth) or (isinstance(part, FreeText) and text_of(row.meaning, part.value) == "*")


def transforms(part: Syntax) -> bool:
    """Whether a member of an implicit AND is a step of its own."""
    match part:
        case Call(name=name):
            function = FUNCTIONS.get(name)
            return function is not None and function.role is not Role.FILTER
        case Case() | Match() | Assign():
            return True
        case Junction(operator="and", parts=parts) | Pipeline(steps=parts):
            return any(transforms(p) for p in parts)
        case _:
            return False


def assign(row: Row, part: Assign) -> None:
    """`target := value`; a filter function gives true or false, any other goes to the target as its `as`."""
    target = text_of(row.meaning, part.target)
    value = part.value
    if part.dynamic:
        assign_named(row, part)
    elif isinstance(value, Call) and (function := function_of(value)).role is Role.ROW:
        changed(row, function, value, target)
    else:
        row.assign(target, evaluated(row, value))


def assign_named(row: Row, part: Assign) -> None:
    """Assigns to the field whose name another field holds."""
    name = row.text(text_of(row.meaning, part.target))
    FUNCTIONS["setField"].run(row, target=name, value=evaluated(row, part.value))


def changed(row: Row, function: Function, part: Call, target: str | None = None) -> None:
    """A function that stands as a step: its value goes to `as`, or it changes the row itself."""
    if function.role is Role.ROW:
        values, _ = bind(function, part, row, assigned=target is not None)
        if target is not None:
            if "as" not in function.parameters:
                raise SourceError("not-a-value", f"`{part.name}` gives no value to assign", part.span)
            values[function.parameters["as"].attribute] = target
        function.run(row, **values)
        return
    if function.role is not Role.VALUE:
        raise SourceError("misplaced", f"`{part.name}` cannot stand here", part.span)
    values, into = bind(function, part, row)
    name = target or into or output(function, values)
    row.assign(name, computed(row, function, values))


def output(function: Function, values: dict[str, object]) -> str:
    """The field that a function's value goes to by itself."""
    into = function.into or ""
    if not into.startswith("="):
        return into
    field = values.get(into[1:], function.parameters[into[1:]].default)
    return str(field[0]) if isinstance(field, tuple) else str(field)


def assigned_step(row: Row, part: Call, target: str) -> None:
    """`target := call` of an aggregate or another step: the target is its `as`."""
    function = function_of(part)
    if function.role is Role.AGGREGATE:
        gathering.stats(row.flow, (), Array(items=(part,), span=part.span), part.span, target)
        return
    values, _ = bind(function, part, row, assigned=True)
    if "as" not in function.parameters:
        raise SourceError("not-a-value", f"`{part.name}` gives no value to assign", part.span)
    values[function.parameters["as"].attribute] = target
    row.flow.span = part.span
    function.run(row.flow, **values)


def relational(row: Row, part: Call, *, negative: bool) -> None:
    """A function that makes other rows."""
    function = function_of(part)
    if function.role is Role.AGGREGATE and not gathering.spread(part):
        gathering.stats(row.flow, (), Array(items=(part,), span=part.span), part.span)
        return
    if negative:
        raise SourceError("misplaced", f"`{part.name}` is no filter and cannot be negated", part.span)
    values, _ = bind(function, part, row)
    row.flow.span = part.span
    if function.role is Role.STEP:
        function.run(row.flow, **values)
    else:
        FUNCTIONS.several[part.name](row.flow, **values)
