"""The parsed query: pipelines of stages, search conditions and eval expressions, as written."""

from __future__ import annotations

from dataclasses import field as attribute

from harness.diagnostics import Span
from harness.record import record


@record
class Word:
    """An argument without its quotes and escapes, and whether it was quoted."""

    text: str
    quoted: bool
    span: Span = attribute(compare=False, repr=False)


@record
class Option:
    """`name=value` among the arguments of a command; `operator` is `=` or `!=`."""

    name: str
    value: Word | ParenthesisedCondition | Pipeline | EvalExpression
    operator: str
    span: Span = attribute(compare=False, repr=False)


@record
class ParenthesisedCondition:
    """A search condition in parentheses among the arguments of a command."""

    condition: SearchCondition
    span: Span = attribute(compare=False, repr=False)


@record
class Template:
    """The raw text in brackets of `foreach`, parsed once for each field."""

    text: str
    span: Span = attribute(compare=False, repr=False)


@record
class Pipeline:
    """Stages one after the other; `generating` if it starts with a pipe."""

    stages: tuple[Stage, ...]
    generating: bool
    span: Span = attribute(compare=False, repr=False)


@record
class Stage:
    """One command with its arguments."""

    name: str
    arguments: Arguments
    span: Span = attribute(compare=False, repr=False)


@record
class Comparison:
    """`field operator value` of the search command; `case` if the value is CASE(...)."""

    field: Word
    operator: str
    value: Word | Pipeline
    case: bool
    span: Span = attribute(compare=False, repr=False)


@record
class OneOf:
    """`field IN (value, ...)` of the search command."""

    field: Word
    values: tuple[Word, ...]
    span: Span = attribute(compare=False, repr=False)


@record
class FreeText:
    """Text to be found in the event itself; `kind` is empty, TERM or CASE."""

    word: Word
    kind: str
    span: Span = attribute(compare=False, repr=False)


@record
class Subsearch:
    """A pipeline in brackets that stands for a condition."""

    pipeline: Pipeline
    span: Span = attribute(compare=False, repr=False)


@record
class All:
    """Conditions joined by AND or by nothing; none of them is true of everything."""

    operands: tuple[SearchCondition, ...]
    span: Span = attribute(compare=False, repr=False)


@record
class AnyOf:
    """Conditions joined by OR."""

    operands: tuple[SearchCondition, ...]
    span: Span = attribute(compare=False, repr=False)


@record
class Not:
    """The opposite of a condition."""

    operand: SearchCondition
    span: Span = attribute(compare=False, repr=False)


SearchCondition = Comparison | OneOf | FreeText | Subsearch | All | AnyOf | Not


@record
class Number:
    """A number of eval as written."""

    text: str
    span: Span = attribute(compare=False, repr=False)


@record
class String:
    """A text in quotes of eval."""

    value: str
    span: Span = attribute(compare=False, repr=False)


@record
class FieldReference:
    """A field of eval; `quoted` if it stands in single quotes."""

    name: str
    quoted: bool
    span: Span = attribute(compare=False, repr=False)


@record
class Prefix:
    """`-x`, `+x` or `NOT x`."""

    operator: str
    operand: EvalExpression
    span: Span = attribute(compare=False, repr=False)


@record
class OperandChain:
    """Operands joined by one operator: AND, OR, XOR, `.`, or two of them by any other."""

    operator: str
    operands: tuple[EvalExpression, ...]
    span: Span = attribute(compare=False, repr=False)


@record
class FunctionCall:
    """A function with its arguments; `in` also spells `x IN (...)`."""

    name: str
    arguments: tuple[EvalExpression, ...]
    span: Span = attribute(compare=False, repr=False)


@record
class PastedSubsearch:
    """A pipeline in brackets whose result is read as a part of the expression that it stands in."""

    pipeline: Pipeline
    span: Span = attribute(compare=False, repr=False)


EvalExpression = Number | String | FieldReference | Prefix | OperandChain | FunctionCall | PastedSubsearch


@record
class Assignment:
    """`target=expression` of eval."""

    target: Word
    value: EvalExpression
    span: Span = attribute(compare=False, repr=False)


@record
class Measure:
    """An aggregate with its argument, either a field or an eval expression, and the name it is given."""

    function: str
    argument: Word | EvalExpression | None
    name: Word | None
    text: str
    span: Span = attribute(compare=False, repr=False)


@record
class SeriesChoice:
    """Which series of a chart are shown: by an aggregate, either so many at one end of it or those beyond a bound.

    `operator` is `in`, `notin` or a comparison, `end` is `top`, `bottom` or empty, `bound` a number as written.
    """

    function: str
    argument: Word | None
    operator: str
    end: str
    bound: str
    span: Span = attribute(compare=False, repr=False)


@record
class SearchArguments:
    """Arguments of `search`."""

    condition: SearchCondition


@record
class WhereArguments:
    """Arguments of `where`."""

    condition: EvalExpression


@record
class EvalArguments:
    """Arguments of `eval`."""

    assignments: tuple[Assignment, ...]


@record
class StatisticsArguments:
    """Arguments of `stats` and its relatives: options, aggregates, FROM, WHERE, OVER and BY.

    The WHERE of `chart` and `timechart` is about `series`.
    """

    options: tuple[Option, ...]
    measures: tuple[Measure, ...]
    dataset: Word | None
    where: SearchCondition | None
    over: Word | None
    keys: tuple[Word, ...]
    series: SeriesChoice | None = None


@record
class GeneralArguments:
    """Arguments of every other command, in order."""

    items: tuple[Word | Option | ParenthesisedCondition | Pipeline | Template | EvalExpression, ...]


Arguments = SearchArguments | WhereArguments | EvalArguments | StatisticsArguments | GeneralArguments
