"""Lint of whole pipelines: groups that lose rows, limits, conditions that always hold."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.lint.conditions import LintRule, build_note, build_warning
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, FUNCTIONS
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Comparison,
    EvalArguments,
    FieldReference,
    FunctionCall,
    GeneralArguments,
    Not,
    Number,
    OneOf,
    OperandChain,
    Pipeline,
    SearchArguments,
    SearchCondition,
    Stage,
    StatisticsArguments,
    WhereArguments,
    Word,
)
from harness.diagnostics import Edit, Finding
from harness.late_pattern import late_pattern

# Seen empty or missing in recorded events: names by reverse look-up and rules without a name in older Sysmon, version
# resources that a file lacks (reference/spl.md 11.4).
OPTIONAL = frozenset(
    {
        "DestinationHostname",
        "SourceHostname",
        "DestinationPortName",
        "SourcePortName",
        "RuleName",
        "ParentUser",
        "QueryResults",
        "Company",
        "Product",
        "Description",
        "FileVersion",
        "OriginalFileName",
        "ParentCommandLine",
    }
)
"""Fields of events that their sensor leaves empty at times."""
PATHS = late_pattern(r"(Image|TargetFilename|process_path|file_path|TargetObject)$")


def stages(pipeline: Pipeline) -> Iterator[tuple[int, Stage]]:
    """The stages of the main pipeline with their places."""
    yield from enumerate(pipeline.stages)


def lost_rows(pipeline: Pipeline) -> Iterator[Finding]:
    """BY fields that are missing at times: their events are in no group."""
    filled: set[str] = set()
    passed: set[str] = set()
    for _, stage in stages(pipeline):
        arguments = stage.arguments
        if COMMANDS[stage.name].fills and isinstance(arguments, GeneralArguments):
            # fillnull without a list fills all fields.
            filled |= {w.text for w in arguments.items if isinstance(w, Word)} or OPTIONAL | passed
            passed -= filled
        elif isinstance(arguments, EvalArguments):
            filled |= {a.target.text for a in arguments.assignments}
            passed -= filled
        elif isinstance(arguments, SearchArguments):
            filled |= {p.field.text for p in walk_query(stage) if isinstance(p, Comparison | OneOf) and needs_field(p)}
            needed = collect_needed_fields(arguments.condition)
            passed |= collect_passed_fields(arguments.condition) - needed
            passed -= needed
        elif isinstance(arguments, WhereArguments):
            passed |= {
                of.name
                for part in walk_query(arguments.condition)
                if isinstance(part, FunctionCall) and part.name == "isnull"
                for of in part.arguments
                if isinstance(of, FieldReference)
            }
        if COMMANDS[stage.name].groups and isinstance(arguments, StatisticsArguments):
            for key in arguments.keys:
                if key.text in passed or key.text in OPTIONAL - filled:
                    why = "the search lets them pass" if key.text in passed else "it is missing at times"
                    message = f"events without `{key.text}` are in no group, and {why}"
                    passed.discard(key.text)
                    at = stage.span.source.span(stage.span.start, stage.span.start)
                    edits = (Edit(at, f'fillnull value="-" {key.text}\n| '),)
                    yield build_warning(
                        "lost-rows", key.span, message, f'put `fillnull value="-" {key.text}` before', edits
                    )
                    # Told once: the same field stands in each stats that follows.
                    filled.add(key.text)


def collect_needed_fields(condition: SearchCondition) -> set[str]:
    """Fields that every event has for which a condition holds."""
    match condition:
        case Comparison(field) | OneOf(field):
            return {field.text}
        case All(operands):
            return set().union(*map(collect_needed_fields, operands))
        case AnyOf(operands) if operands:
            return set.intersection(*map(collect_needed_fields, operands))
        case _:
            return set()


def collect_passed_fields(condition: SearchCondition) -> set[str]:
    """Fields that a condition itself lets be missing: named in one branch of an OR, or asked not to be there."""
    match condition:
        case Not(Comparison(field, "=", Word(text))) if text.strip("*") == "" and text:
            return {field.text}
        case All(operands):
            return set().union(*map(collect_passed_fields, operands))
        case AnyOf(operands) if operands:
            # A branch that only excludes says nothing of the others.
            named = [collect_needed_fields(o) for o in operands]
            return set().union(*named, *map(collect_passed_fields, operands)) if all(named) else set()
        case _:
            return set()


def needs_field(term: Comparison | OneOf) -> bool:
    """Whether a term is only true of events that have the field; those under NOT are not looked for here."""
    before = term.span.source.text[: term.span.start].rstrip()
    # By the text before it, since a term does not know what it stands in; in doubt the warning stays.
    return not before.endswith(("NOT", "(", "OR"))


def zoned_bucket(pipeline: Pipeline) -> Iterator[Finding]:
    """A time bucket made by strftime depends on the zone of whoever searches."""
    buckets: dict[str, FunctionCall] = {}
    for _, stage in stages(pipeline):
        if isinstance(stage.arguments, EvalArguments):
            for assignment in stage.arguments.assignments:
                value = assignment.value
                if isinstance(value, FunctionCall) and value.name in FUNCTIONS and FUNCTIONS[value.name].zoned:
                    buckets[assignment.target.text] = value
        if isinstance(stage.arguments, StatisticsArguments):
            for key in stage.arguments.keys:
                if key.text in buckets:
                    message = f"`{key.text}` is in the zone of the user who searches, so groups differ between users"
                    yield build_note("zoned-bucket", buckets.pop(key.text).span, message, "use `bin _time span=1h`")


def constant_condition(pipeline: Pipeline) -> Iterator[Finding]:
    """A condition on a mean of counts that is true of every group."""
    counts: set[str] = set()
    means: set[str] = set()
    for _, stage in stages(pipeline):
        arguments = stage.arguments
        if isinstance(arguments, StatisticsArguments) and COMMANDS[stage.name].groups:
            for measure in arguments.measures:
                name = measure.name.text if measure.name else measure.text
                of = measure.argument.text if isinstance(measure.argument, Word) else None
                aggregate = AGGREGATES.get(measure.function)
                if aggregate is None:
                    continue
                if aggregate.of_rows and measure.argument is None and arguments.keys:
                    counts.add(name)
                # A mean, minimum or maximum of counts is at least 1 too.
                elif aggregate.above_one and of in counts:
                    means.add(name)
            continue
        for part in walk_query(stage):
            if isinstance(part, OperandChain) and len(part.operands) == 2 and is_always_true(part, counts | means):
                message = "a count of a group is at least 1, so this always holds"
                yield build_warning("constant-condition", part.span, message)


def is_always_true(part: OperandChain, counted: set[str]) -> bool:
    """Whether a comparison is true of every number that is at least 1."""
    left, right = part.operands
    if not isinstance(left, FieldReference) or left.name not in counted or not isinstance(right, Number):
        return False
    limit = float(right.text)
    return (part.operator == ">" and limit < 1) or (part.operator == ">=" and limit <= 1)


def limits(pipeline: Pipeline) -> Iterator[Finding]:
    """Commands that stop at a number of rows."""
    for part in walk_query(pipeline):
        limit = COMMANDS[part.name].limit if isinstance(part, Stage) else None
        found = limit(part) if limit is not None else None
        if found is not None:
            yield build_note("limit", part.span, *found)


def case_of_paths(pipeline: Pipeline) -> Iterator[Finding]:
    """Groups by a Windows path are told apart by case, which Windows does not."""
    for _, stage in stages(pipeline):
        if COMMANDS[stage.name].groups and isinstance(stage.arguments, StatisticsArguments):
            for key in stage.arguments.keys:
                if PATHS.search(key.text):
                    message = f"`{key.text}` in other letter case is another group"
                    yield build_note("case-of-paths", key.span, message, f"group by `lower({key.text})`")
                    # One note is enough: the same rule groups by several paths.
                    return


PIPELINE_RULES: tuple[LintRule, ...] = (lost_rows, zoned_bucket, constant_condition, limits, case_of_paths)
