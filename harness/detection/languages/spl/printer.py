"""A parsed query printed again."""

from __future__ import annotations

from harness.detection.languages.spl.lexer import escape_search_text
from harness.detection.languages.spl.syntax import (
    All,
    AnyOf,
    Arguments,
    Comparison,
    EvalArguments,
    EvalExpression,
    FieldReference,
    FreeText,
    FunctionCall,
    Measure,
    Not,
    Number,
    OneOf,
    OperandChain,
    Option,
    ParenthesisedCondition,
    PastedSubsearch,
    Pipeline,
    Prefix,
    SearchArguments,
    SearchCondition,
    SeriesChoice,
    Stage,
    StatisticsArguments,
    String,
    Subsearch,
    Template,
    WhereArguments,
    Word,
)
from harness.late_pattern import late_pattern

# What eval's literals read as control characters (reference/spl.md 3.4) has to be written so.
CONTROLS = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\n": "\\n", "\r": "\\r"}
CONTROL_OR_QUOTE = late_pattern(r"[\\\"\t\n\r]")


def pipeline_text(pipeline: Pipeline) -> str:
    """A pipeline with a blank on both sides of each pipe."""
    start = "| " if pipeline.generating else ""
    return start + " | ".join(stage_text(s) for s in pipeline.stages)


def stage_text(stage: Stage) -> str:
    """One command with its arguments."""
    inside = arguments_text(stage.arguments)
    return f"{stage.name} {inside}".rstrip()


def arguments_text(arguments: Arguments) -> str:
    """Arguments of any command."""
    match arguments:
        case SearchArguments(condition):
            return condition_text(condition)
        case WhereArguments(expression):
            return expression_text(expression)
        case EvalArguments(assignments):
            return ", ".join(f"{target_text(a.target)}={expression_text(a.value)}" for a in assignments)
        case StatisticsArguments():
            return statistics_text(arguments)
        case _:
            return " ".join(item_text(i) for i in arguments.items)


# What the grammar takes for the name of an option without quotes.
PLAIN_OPTION = late_pattern(r"[A-Za-z_][\w.:{}-]*")
OPERATOR_SIGNS = ("=", "<", ">", "!")


def target_text(word: Word) -> str:
    """The target of an assignment."""
    if not word.quoted:
        return word.text
    return f"'{word.text}'" if '"' in word.text else f'"{word.text}"'


CONDITION_OPTIONS = ("startswith", "endswith")
"""Options of `transaction` whose value is a condition, of which a bare word is one too."""


def item_text(item: Word | Option | ParenthesisedCondition | Pipeline | Template | EvalExpression) -> str:
    """One argument of a general command."""
    match item:
        case Word(text):
            # `who,=t` printed without quotes would be the option `who=t`.
            return f'"{escape_search_text(text)}"' if text[:1] in OPERATOR_SIGNS else word_text(item)
        case Option(name, value, operator):
            name = name if PLAIN_OPTION.fullmatch(name) else f'"{name}"'
            if isinstance(value, ParenthesisedCondition):
                return f"{name}{operator}({condition_text(value.condition)})"
            # In quotes it would be a condition, whatever the word holds; other commands take what is in parentheses.
            if name in CONDITION_OPTIONS and isinstance(value, Word) and value.text[:1] != "(":
                return f'{name}{operator}("{escape_search_text(value.text)}")'
            if isinstance(value, Word | Pipeline | Template):
                return f"{name}{operator}{item_text(value)}"
            return f"{name}{operator}eval({expression_text(value)})"
        case ParenthesisedCondition(condition):
            return f"where {condition_text(condition)}"
        case Pipeline():
            return f"[{pipeline_text(item)}]"
        case Template(text):
            return f"[{text}]"
        case _:
            return f"({expression_text(item)})"


def word_text(word: Word) -> str:
    """A word as it is read back."""
    return f'"{escape_search_text(word.text)}"' if word.quoted or not word.text else word.text


def bare_text(word: Word) -> str:
    """A word of a search, whose backslashes are escapes without quotes too."""
    return word_text(word) if word.quoted or not word.text else escape_search_text(word.text).replace("|", "\\|")


def condition_text(condition: SearchCondition) -> str:
    """A search condition, parts in parentheses."""
    match condition:
        case Comparison(name, operator, value, case):
            if isinstance(value, Pipeline):
                return f"{bare_text(name)}{operator}[{pipeline_text(value)}]"
            shown = f"CASE({value.text})" if case else bare_text(value)
            # `a= =x` printed without the blank would be another operator.
            blank = " " if shown[:1] in OPERATOR_SIGNS else ""
            return f"{bare_text(name)}{operator}{blank}{shown}"
        case OneOf(name, values):
            return f"{bare_text(name)} IN ({', '.join(bare_text(v) for v in values)})"
        case FreeText(word, kind):
            return f"{kind}({word.text})" if kind else bare_text(word)
        case Subsearch(pipeline):
            return f"[{pipeline_text(pipeline)}]"
        case Not(operand):
            return f"NOT ({condition_text(operand)})" if is_composite(operand) else f"NOT {condition_text(operand)}"
        case All(operands):
            return " ".join(print_condition_part(o) for o in operands) if operands else "()"
        case AnyOf(operands):
            return " OR ".join(print_condition_part(o) for o in operands)


def is_composite(condition: SearchCondition) -> bool:
    """Whether a condition has parts."""
    return isinstance(condition, All | AnyOf)


def print_condition_part(condition: SearchCondition) -> str:
    """A part, in parentheses if it has parts itself."""
    return f"({condition_text(condition)})" if is_composite(condition) else condition_text(condition)


def expression_text(expression: EvalExpression) -> str:
    """An eval expression, every operation in parentheses."""
    match expression:
        case Number(text):
            return text
        case String(value):
            return f'"{CONTROL_OR_QUOTE.sub(lambda m: CONTROLS[m.group()], value)}"'
        case FieldReference(name, quoted):
            return f"'{name}'" if quoted else name
        case Prefix(operator, operand):
            return f"({operator} {expression_text(operand)})"
        case FunctionCall(name, arguments):
            return f"{name}({', '.join(expression_text(a) for a in arguments)})"
        case PastedSubsearch(pipeline):
            return f"[{pipeline_text(pipeline)}]"
        case OperandChain(operator, operands):
            return "(" + f" {operator} ".join(expression_text(o) for o in operands) + ")"


def measure_text(measure: Measure) -> str:
    """An aggregate with its name."""
    name = f" as {word_text(measure.name)}" if measure.name else ""
    argument = measure.argument
    if measure.name is None:
        return measure.text
    if argument is None:
        return measure.function + name
    if isinstance(argument, Word):
        return f"{measure.function}({word_text(argument)}){name}"
    if measure.function == "eval":
        return f"eval({expression_text(argument)}){name}"
    return f"{measure.function}(eval({expression_text(argument)})){name}"


def statistics_text(arguments: StatisticsArguments) -> str:
    """Arguments of stats and its relatives."""
    parts = [option_text(o) for o in arguments.options]
    parts += [measure_text(m) for m in arguments.measures]
    if arguments.dataset is not None:
        # Before a name `datamodel` is a word of the clause, so a model that is called so needs it.
        named = arguments.dataset.text.lower() == "datamodel" and not arguments.dataset.quoted
        parts.append(f"from {'datamodel=' if named else ''}{word_text(arguments.dataset)}")
    if arguments.where is not None:
        parts.append(f"where {condition_text(arguments.where)}")
    if arguments.over is not None:
        parts.append(f"over {word_text(arguments.over)}")
    if arguments.keys:
        parts.append("by " + ", ".join(word_text(k) for k in arguments.keys))
    if arguments.series is not None:
        parts.append(series_text(arguments.series))
    return " ".join(parts)


def series_text(choice: SeriesChoice) -> str:
    """The WHERE of a chart."""
    argument = "" if choice.argument is None else f"({word_text(choice.argument)})"
    return f"where {choice.function}{argument} {choice.operator} {choice.end}{choice.bound}"


def option_text(option: Option) -> str:
    """An option of a statistical command."""
    value = option.value
    if isinstance(value, Word):
        return f"{option.name}={word_text(value)}"
    return f"{option.name}={expression_text(value)}"  # type: ignore[arg-type]
