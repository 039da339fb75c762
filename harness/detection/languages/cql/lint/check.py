"""What LogScale would reject in a query, or get silently wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.detection.languages.cql.arguments import RAWSTRING, Bound, bind_arguments
from harness.detection.languages.cql.arguments import find_implied_parameter as implied_by
from harness.detection.languages.cql.hints import after_aggregate
from harness.detection.languages.cql.lint import silent_mistakes
from harness.detection.languages.cql.lint.silent_mistakes import (
    check_step_order,
    in_comparison,
    in_expression,
    in_free_text,
    in_junction,
    in_regex,
    in_sum,
)
from harness.detection.languages.cql.registry import FUNCTIONS, RegistryEntry, RowOrder
from harness.detection.languages.cql.syntax import (
    Apply,
    Argument,
    Array,
    Assign,
    Binary,
    CaseStep,
    Comparison,
    FreeText,
    FunctionCall,
    Junction,
    Logic,
    Match,
    Negation,
    Pipeline,
    QueryParameter,
    Regex,
    SavedCall,
    Syntax,
    Word,
    list_syntax_parts,
)
from harness.diagnostics import Edit, Finding, Severity, Span, did_you_mean

LIBERTIES = frozenset({"text-in-min-max", "or-sign"})


@dataclass(slots=True)
class CheckResult:
    """Findings in the order of the text, and what the reading of the query takes from them.

    `liberties` are places that the product accepts and gets wrong but lenient reading does not; `textual` are fields
    that hold text where a smallest or largest one is asked for; `raw` says whether events' own text may be read.
    """

    findings: tuple[Finding, ...] = ()
    liberties: tuple[Finding, ...] = ()
    textual: frozenset[str] = frozenset()
    raw: bool = False


def check_query(pipeline: Pipeline, noted: Sequence[Finding]) -> CheckResult:
    """All that there is to say about a query; `noted` is what reading it found."""
    checker = Checker(findings=list(noted))
    checker.pipeline(pipeline, top=True)
    ordered = tuple(sorted(checker.findings, key=lambda f: f.span.start))
    liberties = tuple(f for f in ordered if f.code in LIBERTIES and f.severity is Severity.WARNING)
    return CheckResult(ordered, liberties, frozenset(checker.compared_texts), checker.raw)


@dataclass(slots=True)
class Checker:
    """Goes through a query once."""

    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, FunctionCall] = field(default_factory=dict)
    compared_texts: set[str] = field(default_factory=set)
    raw: bool = False
    conditions: dict[int, FunctionCall] = field(default_factory=dict)
    step: Syntax | None = None
    read_back: set[tuple[int, str]] = field(default_factory=set)

    def add(
        self,
        code: str,
        span: Span,
        message: str,
        severity: Severity = Severity.ERROR,
        help: str | None = None,
        edits: Sequence[Edit] = (),
    ) -> None:
        """Notes something."""
        made = Finding(code=code, span=span, message=message, help=help, severity=severity, edits=tuple(edits))
        self.findings.append(made)

    def pipeline(self, pipeline: Pipeline, *, top: bool = False, branch: bool = False) -> None:
        """Steps in order; what an aggregate leaves are no events."""
        gathered = ordered = False
        for step in pipeline.steps:
            order = FUNCTIONS[step.name].order if isinstance(step, FunctionCall) else RowOrder.KEEPS
            if gathered:
                self.free_text(step)
            elif top and not ordered and isinstance(step, FunctionCall) and order is RowOrder.NEEDS:
                message = f"`{step.name}` goes along events in order, and before an aggregate they have none"
                self.add("unordered", step.span, message, help="put `head()` before it, or `sort()`")
            self.step = step if top else self.step
            self.part(step)
            aggregates = ends_events(step)
            if aggregates and branch:
                self.add("aggregate-in-case", step.span, "an aggregate cannot stand in a branch of `case` or `match`")
            gathered = gathered or aggregates
            ordered = ordered or order is RowOrder.GIVES or isinstance(step, SavedCall)
        if top:
            self.findings.extend(check_step_order(pipeline))
        if top and not gathered and pipeline.steps:
            message = "without an aggregate LogScale keeps the 200 newest events only"
            self.add("implied-tail", pipeline.steps[-1].span, message, Severity.NOTE, "end with `tail(limit=...)`")

    def free_text(self, step: Syntax) -> None:
        """Refuses a search in all fields where there are no events any more."""
        inside = [step, *(step.parts if isinstance(step, Junction) else ())]
        for part in inside:
            searched = part.part if isinstance(part, Negation) else part
            if isinstance(searched, FreeText) and not isinstance(searched.value, QueryParameter):
                message = "text is looked for in events; after an aggregate there are none"
                word = searched.value.text if isinstance(searched.value, Word) else ""
                self.add("free-text-after-aggregate", searched.span, message, help=after_aggregate(word))

    def part(self, part: Syntax) -> None:
        """One part and all inside it."""
        match part:
            case Pipeline():
                self.pipeline(part)
                return
            case CaseStep(branches=branches):
                for branch in branches:
                    self.pipeline(branch, branch=True)
                return
            case Match(arms=arms):
                for arm in arms:
                    self.guard(arm.guard)
                    self.pipeline(arm.pipeline, branch=True)
                return
            case Assign(value=FunctionCall() as call):
                self.call(call, assigned=True)
                self.arguments(call)
                self.assigned(part.target.text if isinstance(part.target, Word) else "", call)
                return
            case Apply(call=FunctionCall() as call):
                self.call(call, implied=True)
                self.arguments(call)
                return
            case Apply(call=SavedCall() as saved):
                message = "a function stands after `=~`, not a saved query"
                self.add("saved-after-apply", saved.span, message, help="call it as a step of its own")
            case FunctionCall():
                self.call(part)
                self.arguments(part)
                return
        self.itself(part)
        for inside in list_syntax_parts(part):
            self.part(inside)

    def guard(self, guard: Syntax) -> None:
        """A guard of `match`, whose functions have the field already."""
        inside = guard.part if isinstance(guard, Negation) else guard
        if isinstance(inside, FunctionCall):
            self.call(inside, implied=True)
            self.arguments(inside)
        else:
            self.part(guard)

    def itself(self, part: Syntax) -> None:
        """What is to be said about a part by itself."""
        match part:
            case Assign(target=target, value=value):
                self.texts.pop(target.text if isinstance(target, Word) else "", None)
                self.findings.extend(in_expression(value))
            case Negation(part=FunctionCall() as call) if not FUNCTIONS[call.name].negatable:
                self.add("negated-sample", part.span, f"`{call.name}` cannot be negated")
            case Logic():
                self.logic(part)
            case Junction(operator=operator, parts=parts):
                self.junction(operator, parts)
                self.findings.extend(in_junction(part))
            case Regex():
                self.findings.extend(in_regex(part.body, part))
            case FreeText(value=value):
                self.raw = self.raw or not isinstance(value, QueryParameter)
                self.findings.extend(in_free_text(part))
            case Comparison():
                self.findings.extend(in_comparison(part))
            case Binary():
                self.findings.extend(in_sum(part))
            case Word(text="@rawstring"):
                self.raw = True

    def arguments(self, call: FunctionCall) -> None:
        """The inside of a call; a list that is assigned to in it is too."""
        function = FUNCTIONS[call.name]
        for argument in call.arguments:
            self.part(argument)
            unnamed = argument.name is None and not function.regexes.isdisjoint(function.positional)
            pattern = unnamed or argument.name in function.regexes
            if pattern and isinstance(argument.value, Word):
                self.findings.extend(in_regex(argument.value.text, argument.value))
            if function.takes_expression(argument.name):
                self.findings.extend(in_expression(argument.value))

    def logic(self, part: Logic) -> None:
        """Refuses `and` and `or` in an expression."""
        start = part.parts[0].span.end
        sign = part.span.source.span(start, part.parts[1].span.start)
        word = part.operator
        shown = sign.text.strip(" ()\n\t")
        at = sign.start + max(0, sign.text.find(shown))
        place = part.span.source.span(at, at + len(shown))
        help = "nest two `if`" if word == "and" else "nest two `if`, or use `case`"
        code = "and-in-expression" if word == "and" else "or-in-expression"
        call = self.conditions.get(id(part))
        edits = silent_mistakes.split_if_edits(part, call) if call else silent_mistakes.logic(part)
        self.add(code, place, f"an expression has no `{word}`", help=help, edits=edits)

    def junction(self, operator: str, parts: Sequence[Syntax]) -> None:
        """Functions do not mix with `or`."""
        for part in parts:
            inside = part.part if isinstance(part, Negation) else part
            call = inside.call if isinstance(inside, Apply) else inside
            if isinstance(call, FunctionCall) and operator == "or":
                message = f"the function `{call.name}` cannot be joined by `or`"
                self.add("function-in-or", part.span, message, help="use `case { ...; ... }`")

    def call(self, call: FunctionCall, *, implied: bool = False, assigned: bool = False) -> None:
        """A call against the function's signature."""
        function = FUNCTIONS[call.name]
        bound = bind_arguments(function, call, implied=implied_by(function) if implied else None, assigned=assigned)
        if implied and "field" not in function.parameters:
            message = f"`=~` fills the parameter `field`, which `{call.name}` does not have"
            help = f"`{implied_by(function)}` is taken; name it inside the call"
            self.add("apply-without-field", call.span, message, Severity.WARNING, help)
        for argument in bound.unknown:
            near = did_you_mean(argument.name or "", function.parameters)
            self.add("unknown-parameter", argument.span, f"`{call.name}` has no parameter `{argument.name}`", help=near)
        for argument in bound.repeated:
            self.add("repeated-parameter", argument.span, f"`{argument.name}` is given twice")
        for argument in bound.extra:
            self.add("too-many-arguments", argument.span, f"`{call.name}` has no parameter for this")
        for name in bound.missing:
            self.add("missing-parameter", call.span, f"`{call.name}` needs `{name}`", help=f"add `{name}=`")
        self.unnamed(call, bound)
        self.special(function, call, bound.given)

    def unnamed(self, call: FunctionCall, bound: Bound) -> None:
        """One unnamed argument is all that a call may have."""
        if bound.positional:
            names = [n for n, _ in bound.positional]
            span = bound.positional[0][1].span.to(bound.positional[-1][1].span)
            shown = " and ".join(f"`{n}=`" for n in names)
            edits = [silent_mistakes.build_name_edit(n, a) for n, a in bound.positional]
            message = f"`{call.name}` takes one unnamed argument only"
            self.add(
                "unnamed-argument",
                span,
                message,
                help=f"name {'it' if len(names) == 1 else 'them'}: {shown}",
                edits=edits,
            )
        if bound.gathered:
            span = bound.gathered[0].span.to(bound.gathered[-1].span)
            edits = [Edit(span, f"[{span.text}]")]
            message = f"several unnamed arguments of `{call.name}` are not documented"
            self.add("unnamed-list", span, message, Severity.WARNING, "put them in a list", edits)

    def special(self, function: RegistryEntry, call: FunctionCall, given: Mapping[str, Argument]) -> None:
        """What is particular to one function."""
        self.raw = self.raw or reads_raw_text(function, given)
        if function.remarks is not None:
            self.findings.extend(function.remarks(call, given))
        condition = given.get(function.chooses_by)
        if condition is not None and isinstance(condition.value, Logic):
            self.conditions[id(condition.value)] = call
        if function.extreme and "field" in given:
            output = given["as"].value if "as" in given else None
            self.extreme(call, given["field"], output.text if isinstance(output, Word) else function.into or "")
        if "as" in given and isinstance(given["as"].value, Word):
            self.assigned(given["as"].value.text, call)

    def extreme(self, call: FunctionCall, argument: Argument, output: str) -> None:
        """The smallest or largest text."""
        name = argument.value.text if isinstance(argument.value, Word) else ""
        made = self.texts.get(name)
        if made is None:
            return
        self.compared_texts.add(name)
        edits: list[Edit] = []
        if self.step is not None:
            mark = (self.step.span.start, name)
            edits = [] if mark in self.read_back else silent_mistakes.read_back(made, name, self.step)
            self.read_back.add(mark)
            edits += silent_mistakes.write_again(made, output, self.step)
        message = f"`{call.name}` is numeric and `{name}` is text of `{made.name}`: it gives nothing"
        help = "compare times as numbers, format them after"
        self.add("text-in-min-max", call.span, message, Severity.WARNING, help, edits)

    def assigned(self, name: str, call: FunctionCall) -> None:
        """Remembers which fields hold text."""
        function = FUNCTIONS[call.name]
        if function.written is not None or (function.extreme and self.of_text(call)):
            self.texts[name] = call
        else:
            self.texts.pop(name, None)

    def of_text(self, call: FunctionCall) -> bool:
        """Whether an aggregate is one of texts."""
        return any(isinstance(a.value, Word) and a.value.text in self.texts for a in call.arguments if a.name != "as")


def reads_raw_text(function: RegistryEntry, given: Mapping[str, Argument]) -> bool:
    """Whether a call may read the text of events: always, or where a parameter has it for a default."""
    by_default = (n for n, p in function.parameters.items() if p.default in (RAWSTRING, (RAWSTRING,)))
    return function.raw or any(name not in given for name in by_default)


def ends_events(step: Syntax) -> bool:
    """Whether events end at this step."""
    match step:
        case Array():
            return True
        case Assign(value=FunctionCall(name=name)) | FunctionCall(name=name):
            return FUNCTIONS[name].aggregates
        case Pipeline(steps=steps):
            return any(ends_events(s) for s in steps)
        case _:
            return False
