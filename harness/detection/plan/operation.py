"""What an operation of the plan is: a typed function that makes a call, with the kinds of its arguments and its result.

Each stands as a decorated declaration in a module of `plan.operations`: its signature says what it takes and gives, its
docstring what it means. Called with expressions it gives an expression, with values of known kinds such a value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypedDict, TypeVar, cast

from harness.detection.plan.expressions import Aggregation, Call, Expression, Kind, Literal, merge_kinds
from harness.diagnostics import Span
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.plan.expressions import SortKey


@record
class Typed:
    """An expression and the kind of its values."""

    expression: Expression
    kind: Kind

    @property
    def constant(self) -> object:
        """The value of a literal; None of anything else."""
        return self.expression.value if isinstance(self.expression, Literal) else None


TYPED_NULL = Typed(Literal(None), Kind.NULL)


@record
class ArgumentKind:
    """What an argument must hold; None where anything will do.

    Arguments that are `alike` are brought to one kind, and a result that is alike has that kind. A `Lambda` gives for
    each element of the list before it a value of kind `element`.
    """

    kind: Kind | None = None
    alike: bool = False
    element: Kind | None = None


V = TypeVar("V", Expression, Typed)
Text = Annotated[V, ArgumentKind(Kind.TEXT)]
Number = Annotated[V, ArgumentKind(Kind.NUMBER)]
Boolean = Annotated[V, ArgumentKind(Kind.BOOLEAN)]
Multivalue = Annotated[V, ArgumentKind(Kind.LIST)]
Events = Annotated[V, ArgumentKind(Kind.EVENTS)]
Anything = Annotated[V, ArgumentKind()]
Alike = Annotated[V, ArgumentKind(alike=True)]
ElementTest = Annotated[V, ArgumentKind(element=Kind.BOOLEAN)]
ElementText = Annotated[V, ArgumentKind(element=Kind.TEXT)]
Branch = Annotated[V, ArgumentKind(Kind.BOOLEAN), ArgumentKind(alike=True)]
"""A condition, and then the value where it is true."""
Member = Annotated[V, ArgumentKind(Kind.TEXT), ArgumentKind()]
"""A name, and then its value."""


class GroupRows(TypedDict, total=False):
    """Which rows an aggregate counts, and in which order it sees them; its place in the rule."""

    where: Expression | None
    order: tuple[SortKey, ...]
    span: Span | None


ARGUMENT_PARAMETERS = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)


class Operation:
    """A primitive with one meaning: its name, and the kinds of its arguments and of its result.

    One that `takes_null` looks at nulls itself; any other gives null of a null.
    """

    aggregate = False
    window = False

    def __init__(self, declaration: Callable[..., Any], takes_null: bool = False) -> None:
        self.name = declaration.__name__.rstrip("_")
        self.declaration = declaration
        self.takes_null = takes_null
        self.kinds_by_count: dict[int, tuple[ArgumentKind, ...]] = {}
        self.__name__, self.__module__ = declaration.__name__, declaration.__module__
        self.__doc__ = declaration.__doc__
        PLAN_OPERATIONS[self.name] = self

    def __repr__(self) -> str:
        """The name as a text; tables of a statement are named by the digest of what stands in them."""
        return repr(self.name)

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.__name__

    @cached_property
    def signature(self) -> Signature:
        """The signature of the declaration, read when it is first asked for: a query uses few of all operations."""
        return signature(self.declaration, eval_str=True)

    @cached_property
    def parameters(self) -> list[Parameter]:
        """The parameters that arguments stand for; one that takes all further ones is the last."""
        return [p for p in self.signature.parameters.values() if p.kind in ARGUMENT_PARAMETERS]

    @cached_property
    def result(self) -> Kind | None:
        """The kind of the result; None where it is that of the arguments that are alike."""
        kind: ArgumentKind = self.signature.return_annotation.__metadata__[0]
        return kind.kind

    def argument_kinds(self, count: int) -> tuple[ArgumentKind, ...]:
        """What each of so many arguments must hold; raises TypeError for too few or too many."""
        if count not in self.kinds_by_count:
            fixed = [p for p in self.parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
            repeated = [k for p in self.parameters[len(fixed) :] for k in p.annotation.__metadata__]
            fewest = sum(p.default is Parameter.empty for p in fixed)
            more, rest = divmod(max(0, count - len(fixed)), len(repeated) or 1)
            if count < fewest or rest or (more and not repeated):
                raise TypeError(f"`{self.name}` does not take {count} arguments")
            self.kinds_by_count[count] = (*(p.annotation.__metadata__[0] for p in fixed[:count]), *repeated * more)
        return self.kinds_by_count[count]

    def alike(self, count: int) -> list[int]:
        """Places of those of so many arguments that are brought to one kind."""
        return [place for place, kind in enumerate(self.argument_kinds(count)) if kind.alike]

    def result_kind(self, kinds: Sequence[Kind]) -> Kind:
        """The kind of the result for arguments of these kinds."""
        if self.result is not None:
            return self.result
        joint = Kind.NULL
        for place in self.alike(len(kinds)):
            joint = merge_kinds(joint, kinds[place])
        return joint

    def arrange(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments in order, some of which were given by name."""
        names = [p.name for p in self.parameters[len(arguments) :]][: len(named)]
        if set(names) != set(named):
            raise TypeError(f"`{self.name}` has no place for {', '.join(named)}")
        return (*arguments, *(named[n] for n in names))

    if not TYPE_CHECKING:  # checkers see the signature of the function that declares it

        def __call__(self, *arguments, span=None, **named):
            """A call of the operation."""
            arguments = self.arrange(arguments, named) if named else arguments
            if arguments and type(arguments[0]) is Typed:
                return apply(self, *arguments, span=span)
            return Call(self, arguments, span)


class AggregateOperation(Operation):
    """A primitive that gives one value for the rows of a group, or for each row of a window over them."""

    aggregate = True

    if not TYPE_CHECKING:

        def __call__(self, *arguments, where=None, order=(), span=None, **named):
            """An aggregation by the operation."""
            arguments = self.arrange(arguments, named) if named else arguments
            if arguments and type(arguments[0]) is Typed:
                return aggregate_call(self, *arguments, where=where, order=order, span=span)
            return Aggregation(self, arguments, where, order, span)


class WindowOperation(AggregateOperation):
    """A primitive that only a window over ordered rows has."""

    aggregate = False
    window = True


PLAN_OPERATIONS: dict[str, Operation] = {}
"""All of them by name, once `plan.operations` is imported."""

Declaration = TypeVar("Declaration", bound=Callable[..., Any])
Declaration_co = TypeVar("Declaration_co", covariant=True)

if TYPE_CHECKING:

    class DeclaredOperation(Operation, Generic[Declaration_co]):
        """An operation that is called as its declaration says."""

        @property
        def __call__(self) -> Declaration_co:
            """A call of the operation."""


def operation(declaration: Declaration) -> DeclaredOperation[Declaration]:
    """Declares an operation that gives null of a null."""
    return cast("DeclaredOperation[Declaration]", Operation(declaration))


def null_operation(declaration: Declaration) -> DeclaredOperation[Declaration]:
    """Declares an operation that looks at nulls itself."""
    return cast("DeclaredOperation[Declaration]", Operation(declaration, takes_null=True))


def aggregate(declaration: Declaration) -> DeclaredOperation[Declaration]:
    """Declares an aggregate."""
    return cast("DeclaredOperation[Declaration]", AggregateOperation(declaration))


def window(declaration: Declaration) -> DeclaredOperation[Declaration]:
    """Declares an operation of windows."""
    return cast("DeclaredOperation[Declaration]", WindowOperation(declaration))


def apply(operation: Operation, *arguments: Typed, span: Span | None = None) -> Typed:
    """An operation on values of known kinds; one that gives null of a null gives it for a null literal at once."""
    if arguments and arguments[0].kind is Kind.NULL and not operation.takes_null:
        return TYPED_NULL
    call = Call(operation, tuple([a.expression for a in arguments]), span)
    return Typed(call, operation.result or operation.result_kind([a.kind for a in arguments]))


def aggregate_call(
    operation: Operation,
    *arguments: Typed,
    where: Expression | None = None,
    order: tuple[SortKey, ...] = (),
    span: Span | None = None,
) -> Typed:
    """An aggregate of values of known kinds."""
    made = Aggregation(operation, tuple([a.expression for a in arguments]), where, order, span)
    return Typed(made, operation.result_kind([a.kind for a in arguments]))
