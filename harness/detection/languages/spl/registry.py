"""Tables of commands, eval functions and aggregates: an entry is one decorated function, its docstring the manual.

What the rest of the language has to know of one stands in its registration, and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Required, TypedDict, Unpack, get_args, overload

from harness.detection.function_table import Definition, FunctionTable, TableEntry
from harness.detection.languages.spl.syntax import GeneralArguments, Option, Stage
from harness.diagnostics import HarnessError
from harness.record import record

ANY_OPTION = "*"

FunctionShape = Literal["general", "written"]
"""Whether a function gets the values of its arguments, or these as written."""

RowOrder = Literal["reads", "keeps", "forgets"]
"""What a command does with the order of the rows before: what it gives depends on it; its rows come in it, which
changes nothing else; nothing of it is left."""

OrderDependence = Literal["never", "always", "ties"]
"""When the value of an aggregate depends on the order of rows; `ties` is among rows of the same time."""

FieldEffect = Literal["keeps", "closes", "remakes"]
"""What becomes of fields that the search does not name: they pass; they are gone; they are read, or are gone while
values name the new ones."""

ArgumentShape = Literal["general", "pattern", "template", "search", "where", "eval", "stats", "chart", "tstats"]
"""The grammar of a command's arguments. Of those that are words, options and pipelines, `pattern` has words that are
regular expressions, and `template` a pipeline that stays text. Those of `stats` differ in WHERE, which is no condition
in a `chart`, and in BY, where a `tstats` may have wildcards."""


@record(eq=False)
class Unless:
    """A command works on the text of events unless one of these options says on what; `*` is any option."""

    options: tuple[str, ...]


RawUse = Literal["never", "always"] | Unless | Callable[[Stage], bool]
LimitNote = Callable[[Stage], tuple[str, str | None] | None]
"""What lint tells of the number of rows at which a stage stops, and what to write instead; None for nothing."""


class FunctionFacts(TypedDict, total=False):
    """What an eval function says of itself where that is unusual.

    For lint: a backslash in its texts begins an escape of its own, as in a regular expression, if it `escapes`; it is
    null of a missing field, which its caller may take for false, if it `tests`; what it gives depends on the zone of
    whoever searches if it is `zoned`.
    """

    shape: FunctionShape
    escapes: bool
    tests: bool
    zoned: bool


class CommandFacts(TypedDict, total=False):
    """What a command says of itself; those of REQUIRED_COMMAND_FACTS it has to say.

    `subsearch` is what it does with the order of rows that a pipeline in brackets or a dataset gives it; without it a
    command cannot run one. `pipes` runs such a pipeline over its own rows. `item` reads an argument that is none of the
    usual. `options` are those of its own among the statistical commands. `generating` makes rows, `gets_row` is given
    one where a search begins with it. For lint: `groups` by its BY fields, `fills` the fields named, `evaluates` what
    its expressions say, `limit` tells where it stops. `refused` is why it is not run.
    """

    order: Required[RowOrder]
    fields: Required[FieldEffect | Callable[[Stage], FieldEffect]]
    raw: Required[RawUse]
    subsearch: RowOrder
    pipes: bool
    shape: ArgumentShape
    item: Callable[..., Any]
    options: tuple[str, ...]
    generating: bool
    gets_row: bool
    groups: bool
    fills: bool
    evaluates: bool
    limit: LimitNote
    refused: str


class AggregateFacts(TypedDict, total=False):
    """What an aggregate says of itself; those of REQUIRED_AGGREGATE_FACTS it has to say.

    `order` is when its value depends on the order of rows. `without_field` may stand alone, `of_rows` then counts rows.
    `any_text` takes any text for a value, others numbers alone. `zero` says that it is 0 of no rows. `drawn` is a chart
    in a cell, `in_spans` the statistic of a list that such a chart has in each span. `above_one` is at least 1 of
    values that are, as lint knows.
    """

    order: Required[OrderDependence]
    without_field: bool
    of_rows: bool
    any_text: bool
    zero: bool
    drawn: bool
    in_spans: str
    above_one: bool


REQUIRED_COMMAND_FACTS = {
    "order": "what it does with the order of rows: reads, keeps or forgets it",
    "fields": "what becomes of fields that are not named: it keeps, closes or remakes them",
    "raw": "whether it works on the text of events: never, always, or as its stage says",
}
REQUIRED_AGGREGATE_FACTS = {
    "order": "whether its value depends on the order of rows: never, always, or where ties among them have to be broken"
}
COMMAND_CHOICES = {
    "order": get_args(RowOrder),
    "subsearch": get_args(RowOrder),
    "fields": get_args(FieldEffect),
    "raw": ("never", "always"),
    "shape": get_args(ArgumentShape),
}
AGGREGATE_CHOICES = {"order": get_args(OrderDependence)}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegistryEntry(TableEntry[Definition]):
    """One command, function or aggregate: its names, what it does, and how it may be called."""

    least: int = 0
    most: int | None = None
    refused: str = ""

    @property
    def signature(self) -> str:
        """How it is called: `name(value, [base])`, `...` where more may follow."""
        words: list[str] = []
        for each in inspect.signature(self.run).parameters.values():
            if each.name == "context":
                continue
            if each.kind is each.VAR_POSITIONAL:
                words.append("...")
            else:
                words.append(each.name.rstrip("_") if each.default is each.empty else f"[{each.name.rstrip('_')}]")
        return f"{self.name}({', '.join(words)})"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CommandEntry(RegistryEntry[Callable[..., None]]):
    """A command with its facts; CommandFacts says what they mean."""

    order: RowOrder
    fields: FieldEffect | Callable[[Stage], FieldEffect]
    raw: RawUse
    subsearch: RowOrder | None = None
    pipes: bool = False
    shape: ArgumentShape = "general"
    item: Callable[..., Any] | None = None
    options: tuple[str, ...] = ()
    generating: bool = False
    gets_row: bool = False
    groups: bool = False
    fills: bool = False
    evaluates: bool = False
    limit: LimitNote | None = None

    def find_field_effect(self, stage: Stage) -> FieldEffect:
        """What becomes of the fields that a stage of this command does not name."""
        return self.fields(stage) if callable(self.fields) else self.fields

    def reads_raw(self, stage: Stage) -> bool:
        """Whether a stage of this command works on the text of events without saying so."""
        if callable(self.raw):
            return self.raw(stage)
        if not isinstance(self.raw, Unless):
            return self.raw == "always"
        items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
        given = {i.name.lower() for i in items if isinstance(i, Option)}
        return not given if ANY_OPTION in self.raw.options else given.isdisjoint(self.raw.options)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FunctionEntry(RegistryEntry[Callable[..., Any]]):
    """An eval function; FunctionFacts says what its facts mean."""

    shape: FunctionShape = "general"
    escapes: bool = False
    tests: bool = False
    zoned: bool = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AggregateEntry(RegistryEntry[Callable[..., Any]]):
    """An aggregate with its facts; AggregateFacts says what they mean."""

    order: OrderDependence
    without_field: bool = False
    of_rows: bool = False
    any_text: bool = False
    zero: bool = False
    drawn: bool = False
    in_spans: str = ""
    above_one: bool = False


class CommandRegistry(FunctionTable[CommandEntry]):
    """The commands of the language."""

    holds = "SPL command"

    def define(self, *names: str, **facts: Unpack[CommandFacts]) -> Callable[[Definition], Definition]:
        """Decorator that puts a function into the table under these names, with what is so of the command."""
        require_facts("command", names, facts, REQUIRED_COMMAND_FACTS)
        check_choices("command", names, facts, COMMAND_CHOICES)

        def keep(function: Definition) -> Definition:
            for name in names:
                self.add(CommandEntry(name=name, run=function, **facts))
            return function

        return keep


class FunctionRegistry(FunctionTable[FunctionEntry]):
    """The eval functions of the language."""

    holds = "SPL eval function"

    @overload
    def define(self, first: Definition, /) -> Definition: ...

    @overload
    def define(
        self, first: str = "", /, *names: str, **facts: Unpack[FunctionFacts]
    ) -> Callable[[Definition], Definition]: ...

    def define(
        self, first: Definition | str = "", /, *names: str, **facts: Unpack[FunctionFacts]
    ) -> Definition | Callable[[Definition], Definition]:
        """Decorator that puts a function into the table under these names; its signature is its arity."""
        if callable(first):
            return self.keep(first, (), facts)
        given = (first, *names) if first else ()
        return lambda function: self.keep(function, given, facts)

    def keep(self, function: Definition, names: tuple[str, ...], facts: FunctionFacts) -> Definition:
        """Puts a function into the table."""
        parameters = inspect.signature(function).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "context"]
        several = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        least = sum(p.default is p.empty for p in positional)
        most = None if several else len(positional)
        for name in names or (function.__name__.rstrip("_"),):
            self.add(FunctionEntry(name=name, run=function, least=least, most=most, **facts))
        return function


class AggregateRegistry(FunctionTable[AggregateEntry]):
    """The statistical functions of the language."""

    holds = "SPL statistical function"

    def define(self, *names: str, **facts: Unpack[AggregateFacts]) -> Callable[[Definition], Definition]:
        """Decorator that puts a function into the table under these names, with what is so of the aggregate."""
        require_facts("aggregate", names, facts, REQUIRED_AGGREGATE_FACTS)
        check_choices("aggregate", names, facts, AGGREGATE_CHOICES)

        def keep(function: Definition) -> Definition:
            for name in names:
                self.add(AggregateEntry(name=name, run=function, **facts))
            return function

        return keep


def require_facts(kind: str, names: tuple[str, ...], facts: Mapping[str, Any], required: Mapping[str, str]) -> None:
    """Raises HarnessError where a registration has no name, or is silent about what others have to know."""
    if not names:
        raise HarnessError("registration", f"a {kind} is registered without a name")
    for fact, question in required.items():
        if fact not in facts:
            raise HarnessError("registration", f"{kind} `{names[0]}` does not say `{fact}`, {question}")


def check_choices(
    kind: str, names: tuple[str, ...], facts: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]
) -> None:
    """Raises HarnessError where a registration says something of which nobody knows what it means."""
    for fact, choices in known.items():
        value = facts.get(fact)
        if isinstance(value, str) and value not in choices:
            raise HarnessError(
                "registration", f"{kind} `{names[0]}` says `{fact}={value}`, which is none of {', '.join(choices)}"
            )


COMMANDS = CommandRegistry()
FUNCTIONS = FunctionRegistry()
AGGREGATES = AggregateRegistry()
