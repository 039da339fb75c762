"""SQL as a tree: its parts under the names that sqlglot gives them, and their text as DuckDB reads it.

Nodes know nothing of what stands above them and are never changed, so that one may stand in several places; only
statements are filled clause by clause. `translation.py` makes sqlglot's trees of them, for other dialects: DuckDB's
own way must not load sqlglot, which takes longer to import than a rule to compile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

from harness.late_pattern import late_pattern

Part = TypeVar("Part", bound="Expression")

PLAIN_NAME = late_pattern(r"[A-Za-z_]\w*", re.ASCII)
"""Identifiers that need no quotes."""


class Expression:
    """A part of a statement; the slots of its class are its arguments."""

    __slots__: tuple[str, ...] = ()
    fields: ClassVar[tuple[str, ...]] = ()
    """Arguments that are nodes, or lists of them."""
    tight: ClassVar[bool] = False
    """Whether it binds so tightly that no operator around it needs brackets."""

    @property
    def name(self) -> str:
        """What it is called; nothing, for most."""
        return ""

    def sql(self) -> str:
        """Its text in one line, with brackets only where a `Paren` says so."""
        raise NotImplementedError

    def copy(self: Part) -> Part:
        """The node itself, which nobody changes."""
        return self

    def parts(self) -> Iterator[Expression]:
        """The nodes that it is made of."""
        for field in self.fields:
            value = getattr(self, field)
            if isinstance(value, Expression):
                yield value
            elif value:
                yield from value

    def of_table(self, short: str) -> Expression:
        """The same with its columns read from the relation of that short name."""
        if isinstance(self, Column):
            return Column(self.this, short)
        if not self.fields:
            return self
        made: Expression = object.__new__(type(self))
        for slot in list_slots(type(self)):
            value = getattr(self, slot)
            if isinstance(value, Expression):
                value = value.of_table(short)
            elif isinstance(value, list | tuple):
                value = [each.of_table(short) for each in value]
            setattr(made, slot, value)
        return made

    def find_all(self, kind: type[Part]) -> Iterator[Part]:
        """All parts of that class, itself included."""
        left: list[Expression] = [self]
        while left:
            node = left.pop()
            if isinstance(node, kind):
                yield node
            if node.fields:
                left.extend(node.parts())

    def find(self, kind: type[Part]) -> Part | None:
        """A part of that class, if there is one."""
        return next(self.find_all(kind), None)


def list_slots(kind: type[Expression]) -> tuple[str, ...]:
    """The slots of a class: what its nodes are made of, words included."""
    return tuple(slot for each in kind.__mro__ for slot in getattr(each, "__slots__", ()))


def join_sql(parts: Sequence[Expression]) -> str:
    """Their texts with commas between them."""
    return ", ".join([p.sql() for p in parts])


class Identifier(Expression):
    """A name of a table, a column or a parameter, quoted where it has to be."""

    __slots__ = ("quoted", "this")

    def __init__(self, this: str, quoted: bool) -> None:
        self.this, self.quoted = this, quoted

    @property
    def name(self) -> str:
        """The name."""
        return self.this

    def sql(self) -> str:
        """The name."""
        return '"' + self.this.replace('"', '""') + '"' if self.quoted else self.this


def to_identifier(name: str, quoted: bool | None = None) -> Identifier:
    """A name as an identifier, in quotes where it needs them."""
    return Identifier(name, not PLAIN_NAME.fullmatch(name) if quoted is None else quoted)


class Column(Expression):
    """A column by its physical name, of the table with a short name if that is said."""

    __slots__ = ("table", "this")
    tight = True

    def __init__(self, this: str, table: str | None = None) -> None:
        self.this, self.table = this, table

    @property
    def name(self) -> str:
        """The column's name."""
        return self.this

    def sql(self) -> str:
        """The name in quotes."""
        quoted = '"' + self.this.replace('"', '""') + '"'
        return quoted if self.table is None else f"{self.table}.{quoted}"


class Star(Expression):
    """All columns, of one table if that is said."""

    __slots__ = ("table",)

    def __init__(self, table: str | None = None) -> None:
        self.table = table

    def sql(self) -> str:
        """A star."""
        return "*" if self.table is None else f"{self.table}.*"


class Literal(Expression):
    """A text or a number, as the digits of it."""

    __slots__ = ("is_string", "this")
    tight = True

    def __init__(self, this: str, is_string: bool) -> None:
        self.this, self.is_string = this, is_string

    @classmethod
    def string(cls, text: str) -> Literal:
        """A text."""
        return cls(text, True)

    @classmethod
    def number(cls, digits: str) -> Literal:
        """A number that is not negative."""
        return cls(digits, False)

    def sql(self) -> str:
        """The text in quotes, these doubled inside; or the digits."""
        return "'" + self.this.replace("'", "''") + "'" if self.is_string else self.this


class Null(Expression):
    """NULL."""

    __slots__ = ()
    tight = True

    def sql(self) -> str:
        """NULL."""
        return "NULL"


class Boolean(Expression):
    """TRUE or FALSE."""

    __slots__ = ("this",)
    tight = True

    def __init__(self, this: bool) -> None:
        self.this = this

    def sql(self) -> str:
        """The word."""
        return "TRUE" if self.this else "FALSE"


class DataType(Expression):
    """A type by its name; `X[]` is a list."""

    __slots__ = ("this",)

    def __init__(self, this: str) -> None:
        self.this = this

    @classmethod
    def build(cls, name: str) -> DataType:
        """The type of that name."""
        return cls(name)

    def sql(self) -> str:
        """The name."""
        return self.this


class Unary(Expression):
    """An operator or a word with one side."""

    __slots__ = ("this",)
    fields = ("this",)

    def __init__(self, this: Expression) -> None:
        self.this = this


def define_unary(name: str, before: str, after: str = "", tight: bool = False) -> type[Unary]:
    """The class of a word or call around one part."""

    def sql(self: Unary) -> str:
        return f"{before}{self.this.sql()}{after}"

    return type(name, (Unary,), {"__slots__": (), "__doc__": f"{before}x{after}.", "sql": sql, "tight": tight})


Not, Paren = define_unary("Not", "NOT "), define_unary("Paren", "(", ")", tight=True)
Exists = define_unary("Exists", "EXISTS(", ")", tight=True)
FirstValue = define_unary("FirstValue", "first_value(", ")", tight=True)
LastValue = define_unary("LastValue", "last_value(", ")", tight=True)


class Neg(Unary):
    """-x."""

    __slots__ = ()

    def sql(self) -> str:
        """With a space before another minus, or it would begin a comment."""
        below = self.this.sql()
        return f"- {below}" if below.startswith("-") else f"-{below}"


class IgnoreNulls(Unary):
    """The last argument of a call over the rows that have one."""

    __slots__ = ()

    def sql(self) -> str:
        """Inside of the call's brackets, where DuckDB wants the words."""
        return f"{self.this.sql()[:-1]} IGNORE NULLS)"


class Infix(Expression):
    """An operator between two sides."""

    __slots__ = ("expression", "this")
    fields = ("this", "expression")
    sign: ClassVar[str]

    def __init__(self, this: Expression, expression: Expression) -> None:
        self.this, self.expression = this, expression

    def sql(self) -> str:
        """The sign between both sides."""
        return f"{self.this.sql()} {self.sign} {self.expression.sql()}"


class Connector(Infix):
    """AND or OR."""

    __slots__ = ()


def operator(name: str, sign: str, above: type[Infix] = Infix) -> type[Infix]:
    """The class of an operator."""
    return type(name, (above,), {"__slots__": (), "__doc__": f"x {sign} y.", "sign": sign})


And, Or = operator("And", "AND", Connector), operator("Or", "OR", Connector)
Add, Sub, Mul, Div = operator("Add", "+"), operator("Sub", "-"), operator("Mul", "*"), operator("Div", "/")
Mod, IntDiv, DPipe = operator("Mod", "%"), operator("IntDiv", "//"), operator("DPipe", "||")
EQ, NEQ, NullSafeEQ = operator("EQ", "="), operator("NEQ", "<>"), operator("NullSafeEQ", "IS NOT DISTINCT FROM")
LT, LTE, GT, GTE = operator("LT", "<"), operator("LTE", "<="), operator("GT", ">"), operator("GTE", ">=")
Is, Like, ILike = operator("Is", "IS"), operator("Like", "LIKE"), operator("ILike", "ILIKE")
Escape, BitwiseAnd, BitwiseOr = operator("Escape", "ESCAPE"), operator("BitwiseAnd", "&"), operator("BitwiseOr", "|")
BitwiseLeftShift, BitwiseRightShift = operator("BitwiseLeftShift", "<<"), operator("BitwiseRightShift", ">>")


class BitwiseXor(Infix):
    """The bits that one side has and the other has not."""

    __slots__ = ()

    def sql(self) -> str:
        """A function in DuckDB."""
        return f"xor({self.this.sql()}, {self.expression.sql()})"


class Dot(Infix):
    """A field of a structure."""

    __slots__ = ()

    def sql(self) -> str:
        """With a dot."""
        return f"{self.this.sql()}.{self.expression.sql()}"


class In(Expression):
    """x IN (...)."""

    __slots__ = ("expressions", "this")
    fields = ("this", "expressions")

    def __init__(self, this: Expression, expressions: Sequence[Expression]) -> None:
        self.this, self.expressions = this, expressions

    def sql(self) -> str:
        """The list in brackets."""
        return f"{self.this.sql()} IN ({join_sql(self.expressions)})"


class Between(Expression):
    """x BETWEEN low AND high."""

    __slots__ = ("high", "low", "this")
    fields = ("this", "low", "high")

    def __init__(self, this: Expression, low: Expression, high: Expression) -> None:
        self.this, self.low, self.high = this, low, high

    def sql(self) -> str:
        """Both ends count."""
        return f"{self.this.sql()} BETWEEN {self.low.sql()} AND {self.high.sql()}"


class Anonymous(Expression):
    """A call of a function by the engine's own name."""

    __slots__ = ("expressions", "this")
    fields = ("expressions",)
    tight = True

    def __init__(self, this: str, expressions: Sequence[Expression] = ()) -> None:
        self.this, self.expressions = this, expressions

    @property
    def name(self) -> str:
        """The function's name."""
        return self.this

    def sql(self) -> str:
        """The arguments in brackets behind the name."""
        return f"{self.this}({', '.join([a.sql() for a in self.expressions])})"


class Trim(Expression):
    """A text without characters at its ends, or at the end that `position` says (LEADING, TRAILING)."""

    __slots__ = ("expression", "position", "this")
    fields = ("this", "expression")
    tight = True

    def __init__(self, this: Expression, expression: Expression, position: str | None = None) -> None:
        self.this, self.expression, self.position = this, expression, position

    def sql(self) -> str:
        """As the standard has it."""
        side = "" if self.position is None else f"{self.position} "
        return f"trim({side}{self.expression.sql()} FROM {self.this.sql()})"


class Cast(Expression):
    """A value in another type; raises where it does not fit."""

    __slots__ = ("this", "to")
    fields = ("this",)
    tight = True
    word: ClassVar[str] = "CAST"

    def __init__(self, this: Expression, to: DataType) -> None:
        self.this, self.to = this, to

    def sql(self) -> str:
        """As a call."""
        return f"{self.word}({self.this.sql()} AS {self.to.this})"


class TryCast(Cast):
    """The same with null where it does not fit."""

    __slots__ = ()
    word = "TRY_CAST"


class If(Expression):
    """One branch of a CASE."""

    __slots__ = ("this", "true")
    fields = ("this", "true")

    def __init__(self, this: Expression, true: Expression) -> None:
        self.this, self.true = this, true

    def sql(self) -> str:
        """WHEN and THEN."""
        return f"WHEN {self.this.sql()} THEN {self.true.sql()}"


class Case(Expression):
    """CASE WHEN ... THEN ... ELSE ... END."""

    __slots__ = ("default", "ifs")
    fields = ("ifs", "default")
    tight = True

    def __init__(self, ifs: Sequence[If], default: Expression | None = None) -> None:
        self.ifs, self.default = ifs, default

    def sql(self) -> str:
        """All branches."""
        otherwise = "" if self.default is None else f" ELSE {self.default.sql()}"
        return f"CASE {' '.join([i.sql() for i in self.ifs])}{otherwise} END"


class Listed(Expression):
    """Several values in one."""

    __slots__ = ("expressions",)
    fields = ("expressions",)
    before: ClassVar[str]
    after: ClassVar[str] = ""

    def __init__(self, expressions: Sequence[Expression] = ()) -> None:
        self.expressions = expressions

    def sql(self) -> str:
        """The values between what stands around them."""
        return f"{self.before}{join_sql(self.expressions)}{self.after}"


def define_list(name: str, before: str, after: str = "", tight: bool = False) -> type[Listed]:
    """The class of a list."""
    said = {"__slots__": (), "__doc__": f"{before}x, y{after}.", "before": before, "after": after, "tight": tight}
    return type(name, (Listed,), said)


Array, Tuple, Distinct = (
    define_list("Array", "[", "]", tight=True),
    define_list("Tuple", "(", ")"),
    define_list("Distinct", "DISTINCT "),
)


class Lambda(Expression):
    """A function of one or more parameters."""

    __slots__ = ("expressions", "this")
    fields = ("this", "expressions")

    def __init__(self, this: Expression, expressions: Sequence[Identifier]) -> None:
        self.this, self.expressions = this, expressions

    def sql(self) -> str:
        """DuckDB's word, as in Python."""
        return f"LAMBDA {join_sql(self.expressions)} : {self.this.sql()}"


class Alias(Expression):
    """A value under a name."""

    __slots__ = ("alias", "this")
    fields = ("this",)

    def __init__(self, this: Expression, alias: Identifier) -> None:
        self.this, self.alias = this, alias

    def sql(self) -> str:
        """AS before the name."""
        return f"{self.this.sql()} AS {self.alias.sql()}"


class Aliases(Expression):
    """What a function of several columns gives, under their names."""

    __slots__ = ("expressions", "this")
    fields = ("this", "expressions")

    def __init__(self, this: Expression, expressions: Sequence[Identifier]) -> None:
        self.this, self.expressions = this, expressions

    def sql(self) -> str:
        """AS before the names."""
        return f"{self.this.sql()} AS ({join_sql(self.expressions)})"


class Ordered(Expression):
    """A key of an order; nulls are last in either direction unless `nulls_first`."""

    __slots__ = ("desc", "nulls_first", "this")
    fields = ("this",)

    def __init__(self, this: Expression, desc: bool = False, nulls_first: bool = False) -> None:
        self.this, self.desc, self.nulls_first = this, desc, nulls_first

    def sql(self) -> str:
        """The key, with what differs from DuckDB's usual order."""
        return f"{self.this.sql()}{' DESC' if self.desc else ''}{' NULLS FIRST' if self.nulls_first else ''}"


class Order(Expression):
    """ORDER BY: of a statement, of a window, or behind the argument `this` of a call."""

    __slots__ = ("expressions", "this")
    fields = ("this", "expressions")

    def __init__(self, expressions: Sequence[Expression], this: Expression | None = None) -> None:
        self.expressions, self.this = expressions, this

    def sql(self) -> str:
        """The keys, behind the argument if there is one."""
        keys = f"ORDER BY {join_sql(self.expressions)}"
        return keys if self.this is None else f"{self.this.sql()} {keys}"


class Filter(Expression):
    """An aggregate over the rows for which a condition holds."""

    __slots__ = ("expression", "this")
    fields = ("this", "expression")

    def __init__(self, this: Expression, expression: Expression) -> None:
        self.this, self.expression = this, expression

    def sql(self) -> str:
        """The condition behind the call."""
        return f"{self.this.sql()} FILTER(WHERE {self.expression.sql()})"


FrameEnd = Expression | str
"""Where a frame begins or ends: a number of rows or a stretch, or words."""


class WindowSpec(Expression):
    """A frame, of rows (ROWS) or of values of the key (RANGE)."""

    __slots__ = ("end", "end_side", "kind", "start", "start_side")
    fields = ("start", "end")

    def __init__(
        self, kind: str, start: FrameEnd, end: FrameEnd, start_side: str | None = None, end_side: str | None = None
    ) -> None:
        self.kind, self.start, self.start_side = kind, start, start_side
        self.end, self.end_side = end, end_side

    def parts(self) -> Iterator[Expression]:
        """Both ends, where they are no words."""
        return iter([x for x in (self.start, self.end) if isinstance(x, Expression)])

    def sql(self) -> str:
        """The kind and both ends."""
        ends = [(self.start, self.start_side), (self.end, self.end_side)]
        words = [f"{x if isinstance(x, str) else x.sql()}{f' {side}' if side else ''}" for x, side in ends]
        return f"{self.kind} BETWEEN {words[0]} AND {words[1]}"


class Window(Expression):
    """A call over a window."""

    __slots__ = ("order", "partition_by", "spec", "this")
    fields = ("this", "partition_by", "order", "spec")

    def __init__(
        self,
        this: Expression,
        partition_by: Sequence[Expression] = (),
        order: Order | None = None,
        spec: WindowSpec | None = None,
    ) -> None:
        self.this, self.partition_by, self.order, self.spec = this, partition_by, order, spec

    def around(self, call: Expression) -> Window:
        """Another call over the same window."""
        return Window(call, self.partition_by, self.order, self.spec)

    def sql(self) -> str:
        """OVER behind the call."""
        inside = [f"PARTITION BY {join_sql(self.partition_by)}"] if self.partition_by else []
        inside += [x.sql() for x in (self.order, self.spec) if x is not None]
        return f"{self.this.sql()} OVER ({' '.join(inside)})"
