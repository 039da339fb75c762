"""Functions of Python inside a lambda, where engines call none: a map in each row from arguments to results."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import fn

FindElements = Callable[[Iterable[exp.Expression]], Sequence[tuple[str, exp.Expression]]]
"""The parameters that values read, with the lists that they run over, the outermost first."""


def call_of_elements(
    name: str,
    arguments: Sequence[exp.Expression],
    find_elements: FindElements,
    hoist: Callable[[exp.Expression], exp.Expression],
) -> exp.Expression:
    """What a function gives for the elements that a lambda is at; `hoist` makes a value a column of its own.

    The function `name_each` gets the distinct arguments that the elements of a row make, each as one value or as a
    struct of several, and which of the arguments are literals, by place.
    """
    varying = {f"a{i}": a for i, a in enumerate(arguments) if not b.is_literal(a)}
    one = len(varying) == 1
    places: list[object] = [
        (None if one else f"a{i}") if f"a{i}" in varying else [b.read_literal(a)] for i, a in enumerate(arguments)
    ]
    key = next(iter(varying.values())) if one else name_struct(varying)
    keys = key
    for depth, (parameter, lists) in enumerate(reversed(find_elements(varying.values()))):
        body = exp.Lambda(this=keys, expressions=[exp.to_identifier(parameter, quoted=True)])
        keys = fn("transform", lists, body)
        keys = fn("flatten", keys) if depth else keys
    known = hoist(fn("array_distinct", fn("array_compact", keys)))
    values = hoist(fn(f"{name}_each", known, b.sql_text(json.dumps(places))))
    table = hoist(fn("map_from_arrays", known, values))
    return fn("try_element_at", table, key)


def name_struct(fields: Mapping[str, exp.Expression]) -> exp.Expression:
    """A struct of these fields."""
    return fn("named_struct", *(x for name, value in fields.items() for x in (b.sql_text(name), value)))
