"""GraphQL to the extent that LogScale's clients need it: one operation, its fields, arguments, variables and lists.

Fragments, directives and introspection are refused.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.late_pattern import late_pattern
from harness.record import record

GRAPHQL_TOKEN = late_pattern(
    r'[\s,]+|#[^\n]*|(?P<text>"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'
    r"|(?P<name>[_A-Za-z]\w*)|(?P<sign>\.\.\.|[{}()\[\]:!=$@|&])"
)
# What people write is a few hundred characters.
LONGEST_REQUEST = 1 << 18
DEEPEST = 30


class GraphQLError(Exception):
    """What is wrong with a request, or with what it asks for."""


@record(kw_only=True)
class Selection:
    """A field that is asked for: its name, the name in the answer, its arguments, and what of it is wanted."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    inside: tuple[Selection, ...]


Resolve = Callable[[Mapping[str, Any]], Awaitable[Any]]


async def answer_graphql(
    text: str, variables: Mapping[str, Any], queries: Mapping[str, Resolve], mutations: Mapping[str, Resolve]
) -> dict[str, Any]:
    """The data of a request: each field of the operation is resolved, then cut to what is wanted of it."""
    operation, selections = GraphQLReader(text, variables).read()
    known = mutations if operation == "mutation" else queries
    found: dict[str, Any] = {}
    for selection in selections:
        if selection.name not in known:
            raise GraphQLError(f"Cannot query field '{selection.name}' on type '{operation.title()}'")
        found[selection.alias] = select_fields(await known[selection.name](selection.arguments), selection)
    return found


def select_fields(value: Any, wanted: Selection) -> Any:
    """A value cut to what is wanted of it."""
    if isinstance(value, list):
        return [select_fields(each, wanted) for each in value]
    if not isinstance(value, dict) or not wanted.inside:
        return value
    found = {}
    for each in wanted.inside:
        if each.name == "__typename":
            found[each.alias] = value.get(each.name, "Object")
            continue
        if each.name not in value:
            raise GraphQLError(f"Cannot query field '{each.name}'")
        found[each.alias] = select_fields(value[each.name], each)
    return found


class GraphQLReader:
    """Reads a request's text, the values of its variables put in their places."""

    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        if len(text) > LONGEST_REQUEST:
            raise GraphQLError("The request is too long")
        self.tokens = list(split_tokens(text))
        self.at = 0
        self.variables = dict(variables)

    def read(self) -> tuple[str, tuple[Selection, ...]]:
        """The kind of the operation, and its fields."""
        operation = "query"
        if self.peek() in ("query", "mutation"):
            operation = self.take()
            if self.peek() not in ("{", "("):
                self.take()
            if self.peek() == "(":
                self.define_variables()
        found = self.selections(0)
        if self.peek():
            raise GraphQLError(f"Unexpected {self.peek()}")
        return operation, found

    def peek(self) -> str:
        """The next token; "" at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        """The next token, which has to be the wanted one if one is given."""
        found = self.peek()
        if not found or (wanted and found != wanted):
            raise GraphQLError(f"Expected {wanted or 'more'}, found {found or 'the end'}")
        self.at += 1
        return found

    def define_variables(self) -> None:
        """`($name: Type! = value)`: types are not checked, defaults hold where no value is given."""
        self.take("(")
        while self.peek() != ")":
            self.take("$")
            name = self.take()
            self.take(":")
            while self.peek() not in ("$", ")", "=", ""):
                self.take()
            if self.peek() == "=":
                self.take()
                value = self.value(0)
                self.variables.setdefault(name, value)
        self.take(")")

    def selections(self, depth: int) -> tuple[Selection, ...]:
        """What stands in braces."""
        if depth > DEEPEST:
            raise GraphQLError("The request is nested too deep")
        self.take("{")
        found = []
        while self.peek() != "}":
            found.append(self.selection(depth))
        self.take("}")
        return tuple(found)

    def selection(self, depth: int) -> Selection:
        """One field."""
        name = self.take()
        if not name.isidentifier():
            raise GraphQLError(f"Unexpected {name}")
        alias = name
        if self.peek() == ":":
            self.take()
            name = self.take()
        arguments = self.arguments() if self.peek() == "(" else {}
        inside = self.selections(depth + 1) if self.peek() == "{" else ()
        return Selection(name=name, alias=alias, arguments=arguments, inside=inside)

    def arguments(self) -> dict[str, Any]:
        """`(name: value, ...)`."""
        self.take("(")
        found = {}
        while self.peek() != ")":
            name = self.take()
            self.take(":")
            found[name] = self.value(0)
        self.take(")")
        return found

    def value(self, depth: int) -> Any:
        """A value: a variable, a text, a number, a list, an object, or a word."""
        if depth > DEEPEST:
            raise GraphQLError("The request is nested too deep")
        token = self.take()
        if token == "$":
            return self.variables.get(self.take())
        if token == "[":
            listed = []
            while self.peek() != "]":
                listed.append(self.value(depth + 1))
            self.take("]")
            return listed
        if token == "{":
            held = {}
            while self.peek() != "}":
                name = self.take()
                self.take(":")
                held[name] = self.value(depth + 1)
            self.take("}")
            return held
        return read_scalar(token)


def split_tokens(text: str) -> Sequence[str]:
    """The tokens of a text. Raises GraphQLError for a character that belongs to none."""
    found, at = [], 0
    while at < len(text):
        match = GRAPHQL_TOKEN.match(text, at)
        if match is None:
            raise GraphQLError(f"Unexpected {text[at]}")
        if match.lastgroup:
            found.append(match.group())
        at = match.end()
    return found


def read_scalar(token: str) -> Any:
    """A text, a number, a truth value, null, or the name of an enumeration's value."""
    if token.startswith('"""'):
        return token[3:-3]
    if token.startswith('"') or re.fullmatch(r"-?\d.*", token):
        try:
            return msgspec.json.decode(token.encode())
        except msgspec.DecodeError as error:
            raise GraphQLError(f"Not a value: {token[:60]}") from error
    if not token.isidentifier():
        raise GraphQLError(f"Unexpected {token}")
    return {"true": True, "false": False, "null": None}.get(token, token)
