"""The table of functions, and the names that the grammar has to know."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, TypedDict, Unpack, get_args, get_type_hints

from harness.detection.function_table import Definition, FunctionTable, TableEntry
from harness.detection.languages.cql.regex import CqlRegex
from harness.detection.languages.cql.syntax import Argument, FunctionCall, Syntax
from harness.detection.plan.expressions import Expression
from harness.diagnostics import Finding, HarnessError
from harness.record import record

NO_DEFAULT = inspect.Parameter.empty

ArrayName = Annotated[str, "array"]
"""The name of a field that is an array."""

ExpressionSyntax = Annotated[Syntax, "expression"]
"""An expression as it is written, which the function reads itself."""


class FunctionRole(StrEnum):
    """What a function makes of events: a value, a condition, other fields, other rows, or one row for many."""

    VALUE = "value"
    FILTER = "filter"
    ROW = "row"
    STEP = "step"
    AGGREGATE = "aggregate"


class FieldEffect(StrEnum):
    """What a step leaves of the fields that it does not name: all of them, or none."""

    KEEPS = "keeps"
    CLOSES = "closes"


class RowOrder(StrEnum):
    """What order is to a step: it stays as it is, the rows get one, or they need one, which events do not have."""

    KEEPS = "keeps"
    GIVES = "gives"
    NEEDS = "needs"


class WrittenText(StrEnum):
    """What text a value always is: words, which are no number, or a time that a format wrote."""

    WORDS = "words"
    TIME = "time"


class Preamble(StrEnum):
    """What stands before all other steps: the time that is searched, only once, and then tables."""

    TIME = "time"
    TABLE = "table"


CallRemarks = Callable[[FunctionCall, Mapping[str, Argument]], Iterator[Finding]]
"""What there is to say of a call of one function, from its arguments by parameter."""


class FunctionFacts(TypedDict, total=False):
    """What others must know of a function beyond its signature; what is left out holds of none but a few.

    `unnamed` is the parameter of an argument without a name, where that is not the first. `written` is the text that
    its value always is, so that `min` and `max` of it give nothing; `extreme` marks these two. `grows` says that its
    value can be longer than all that it is made of, `chooses_by` names the condition that decides between values.
    `raw` says that it reads the text of events whatever its arguments; one whose parameter has that for a default
    need not. `reads_all` says that it looks at fields whatever their names, `wildcards` that it does so where its
    arguments hold a `*`. `joins` counts it among the joins of a query, `second_pass` says that it searches all events
    again, which cannot stand beside a table. `negatable` is whether `!` before it has a meaning, `question` whether it
    asks something of an event, so that `or` may have been meant before it. `preamble` is the place of a step that
    comes first. `brackets` says that it is nothing but the list of functions in its argument.
    """

    unnamed: str
    written: WrittenText
    extreme: bool
    grows: bool
    chooses_by: str
    raw: bool
    reads_all: bool
    wildcards: bool
    joins: bool
    second_pass: bool
    negatable: bool
    question: bool
    preamble: Preamble
    brackets: bool


@record
class FunctionParameter:
    """A parameter in the documented spelling; `default` is `NO_DEFAULT` where a value is required."""

    name: str
    attribute: str
    default: object
    positional: bool

    @property
    def required(self) -> bool:
        """Whether a call has to give it."""
        return self.default is NO_DEFAULT


@record(kw_only=True)
class ManyRowsForm:
    """The form `(flow, ...) -> None` of a function that gives several rows where one `parameter` says so."""

    run: Callable[..., Any]
    parameter: str
    when: Callable[[str], bool]

    def is_asked(self, call: FunctionCall) -> bool:
        """Whether a call asks for this form; a parameter of the query that stands there does not."""
        text = next((getattr(a.value, "text", None) for a in call.arguments if a.name == self.parameter), None)
        return text is not None and self.when(text)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegistryEntry(TableEntry[Callable[..., Any]]):
    """A function of the language; see `FunctionFacts` for what is not told here.

    `into` is the field its value goes to unless `as` says otherwise; `=field` is that of its parameter `field`.
    `gathers` is true for what ends the stream of events, though it is no plain aggregate.
    """

    role: FunctionRole
    into: str | None = None
    gathers: bool = False
    fields: FieldEffect = FieldEffect.KEEPS
    order: RowOrder = RowOrder.KEEPS
    unnamed: str | None = None
    written: WrittenText | None = None
    extreme: bool = False
    grows: bool = False
    chooses_by: str = ""
    raw: bool = False
    reads_all: bool = False
    wildcards: bool = False
    joins: bool = False
    second_pass: bool = False
    negatable: bool = True
    question: bool = True
    preamble: Preamble | None = None
    brackets: bool = False
    many: ManyRowsForm | None = None
    remarks: CallRemarks | None = None

    @property
    def aggregates(self) -> bool:
        """Whether events end here."""
        return self.gathers or self.role is FunctionRole.AGGREGATE

    @property
    def makes_rows(self) -> bool:
        """Whether it makes other rows whatever its arguments."""
        return self.role in (FunctionRole.STEP, FunctionRole.AGGREGATE)

    def gives_many_rows(self, call: FunctionCall) -> bool:
        """Whether a call of it asks for several rows in the place of one."""
        return self.many is not None and self.many.is_asked(call)

    @cached_property
    def parameters(self) -> dict[str, FunctionParameter]:
        """Its parameters by documented name."""
        found = {}
        for each in list(inspect.signature(self.run).parameters.values())[1:]:
            if each.kind is each.VAR_KEYWORD:
                continue
            name = each.name.rstrip("_")
            positional = each.kind is each.POSITIONAL_OR_KEYWORD
            found[name] = FunctionParameter(name, each.name, each.default, positional)
        if self.into is not None and "as" not in found:
            found["as"] = FunctionParameter("as", "as", self.into if self.into != "required" else NO_DEFAULT, False)
        return found

    @property
    def signature(self) -> str:
        """How it is called: `name(field, [function], [limit])`, brackets around what may be left out."""
        words = [p.name if p.required else f"[{p.name}]" for p in self.parameters.values()]
        return f"{self.name}({', '.join([*words, '...'] if self.open else words)})"

    @cached_property
    def any_name(self) -> str | None:
        """The Python parameter that takes arguments of any name, if there is one."""
        every = inspect.signature(self.run).parameters.values()
        return next((p.name for p in every if p.kind is p.VAR_KEYWORD), None)

    @property
    def open(self) -> bool:
        """Whether any name may stand for a parameter."""
        return self.any_name is not None

    @cached_property
    def positional(self) -> tuple[str, ...]:
        """Names that unnamed arguments stand for, in order; the product knows only the first."""
        names = tuple(p.name for p in self.parameters.values() if p.positional)
        return names if self.unnamed is None else (self.unnamed, *(n for n in names if n != self.unnamed))

    @cached_property
    def hints(self) -> dict[str, Any]:
        """What each parameter is, None left out."""
        hints = get_type_hints(self.run, include_extras=True)
        return {name.rstrip("_"): bare(hint) for name, hint in hints.items()}

    @cached_property
    def expressions(self) -> frozenset[str]:
        """Parameters that are expressions rather than names or texts."""
        return self.list_parameters_of(Expression, tuple[Expression, ...])

    @cached_property
    def regexes(self) -> frozenset[str]:
        """Parameters that are regular expressions."""
        return self.list_parameters_of(CqlRegex)

    @cached_property
    def arrays(self) -> frozenset[str]:
        """Parameters that name arrays."""
        return self.list_parameters_of(ArrayName)

    def list_parameters_of(self, *types: Any) -> frozenset[str]:
        """The parameters of one of these types."""
        return frozenset(name for name in self.parameters if self.hints.get(name) in types)

    def takes_expression(self, argument: str | None) -> bool:
        """Whether an argument of that name, or one without a name, is read as an expression."""
        if self.any_name is not None:
            return bool(self.hints[self.any_name] == ExpressionSyntax)
        if argument is not None:
            return argument in self.expressions
        return bool(self.expressions) and (not self.positional or self.positional[0] in self.expressions)


def bare(hint: Any) -> Any:
    """A type without `| None`."""
    inside = [h for h in get_args(hint) if h is not type(None)]
    return inside[0] if len(inside) == 1 and type(None) in get_args(hint) else hint


class Registry(FunctionTable[RegistryEntry]):
    """Functions by documented name; `names` has that name by the one in lower case, for the grammar."""

    holds = "CQL function"

    def extend(self, name: str, **more: Any) -> None:
        """Adds to what a function that is in the table says of itself."""
        if name not in self:
            message = f"the CQL function `{name}` is not defined"
            raise HarnessError("registration", message, help="define it before its other forms and its remarks")
        self[name] = replace(self[name], **more)

    def value(self, name: str, *, into: str, **facts: Unpack[FunctionFacts]) -> Callable[[Definition], Definition]:
        """A function `(row, ...) -> Expression` that computes one field."""

        def add(run: Definition) -> Definition:
            self.add(RegistryEntry(name=name, role=FunctionRole.VALUE, run=run, into=into, **facts))
            return run

        return add

    def filter(self, name: str, **facts: Unpack[FunctionFacts]) -> Callable[[Definition], Definition]:
        """A function `(row, ...) -> Expression` that keeps events, true or false."""

        def add(run: Definition) -> Definition:
            self.add(RegistryEntry(name=name, role=FunctionRole.FILTER, run=run, **facts))
            return run

        return add

    def row(self, name: str, **facts: Unpack[FunctionFacts]) -> Callable[[Definition], Definition]:
        """A function `(row, ...) -> None` that changes the row's fields or requires something of it."""

        def add(run: Definition) -> Definition:
            self.add(RegistryEntry(name=name, role=FunctionRole.ROW, run=run, **facts))
            return run

        return add

    def step(
        self,
        name: str,
        *,
        gathers: bool | None = None,
        fields: FieldEffect | None = None,
        order: RowOrder | None = None,
        **facts: Unpack[FunctionFacts],
    ) -> Callable[[Definition], Definition]:
        """A function `(flow, ...) -> None` that makes other rows; it says what it does to events, fields and order."""
        said = {"gathers": gathers, "fields": fields, "order": order}
        if gathers is None or fields is None or order is None:
            silent = " and ".join(f"`{fact}`" for fact, value in said.items() if value is None)
            raise HarnessError("registration", f"the CQL function `{name}` does not say {silent}", help=STEP_FACTS)

        def add(run: Definition) -> Definition:
            entry = RegistryEntry(
                name=name, role=FunctionRole.STEP, run=run, gathers=gathers, fields=fields, order=order, **facts
            )
            self.add(entry)
            return run

        return add

    def aggregate(
        self, name: str, *, into: str | None = None, **facts: Unpack[FunctionFacts]
    ) -> Callable[[Definition], Definition]:
        """A function `(row, ...) -> Expression` of all rows, or of several names and expressions."""

        def add(run: Definition) -> Definition:
            entry = RegistryEntry(
                name=name, role=FunctionRole.AGGREGATE, run=run, into=into, fields=FieldEffect.CLOSES, **facts
            )
            self.add(entry)
            return run

        return add

    def multiplying(
        self, name: str, *, parameter: str, when: Callable[[str], bool]
    ) -> Callable[[Definition], Definition]:
        """The form of a function that gives several rows, when the text of a parameter asks for it."""

        def add(run: Definition) -> Definition:
            self.extend(name, many=ManyRowsForm(run=run, parameter=parameter, when=when))
            return run

        return add

    def remarking(self, name: str) -> Callable[[CallRemarks], CallRemarks]:
        """What there is to say of each call of a function."""

        def add(remarks: CallRemarks) -> CallRemarks:
            self.extend(name, remarks=remarks)
            return remarks

        return add


STEP_FACTS = "a step says whether it `gathers` events into rows, its FieldEffect and its RowOrder"
FUNCTIONS = Registry()


FUNCTION_NAMES = FUNCTIONS.names
"""The documented name of each function by the one in lower case; it grows as functions are defined."""


def is_mistaken_comparison(function: str, name: str) -> bool:
    """Whether `name = ...` in a call is a comparison gone wrong rather than an argument with its name."""
    known = FUNCTIONS.get(function)
    return known is not None and bool(known.expressions) and name != "as" and name not in known.parameters


def expression_argument(function: str, argument: str | None) -> bool:
    """Whether an argument of a function is read as an expression."""
    known = FUNCTIONS.get(function)
    return known is not None and known.takes_expression(argument)


def is_question(function: str) -> bool:
    """Whether a function, whatever the case of its letters, is a filter that somebody may mean to join by `or`."""
    known = FUNCTIONS.get(FUNCTION_NAMES.get(function.lower(), ""))
    return known is not None and known.role is FunctionRole.FILTER and known.question
