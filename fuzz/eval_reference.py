"""What eval and search mean of null and several values, written from the manual alone: nothing of the product is used.

A value is null or a tuple of texts, one or more; numbers are texts. Truth has Kleene's three values, None the unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

Value = tuple[str, ...] | None
Row = Mapping[str, Value]
Expression = tuple[Any, ...]
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def write(number: float) -> str:
    """A number as text: whole ones without a fraction."""
    return str(int(number)) if number == int(number) and abs(number) < 2**53 else repr(number)


def amount(value: Value) -> float | None:
    """The number that a single value looks like."""
    return float(value[0]) if value and len(value) == 1 and NUMBER.fullmatch(value[0]) else None


def compare_texts(sign: str, left: str, right: str) -> bool:
    """Two values: as numbers where both look like some, else byte by byte."""
    both = NUMBER.fullmatch(left) and NUMBER.fullmatch(right)
    a, b = (float(left), float(right)) if both else (left.encode(), right.encode())
    return {"=": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]  # type: ignore[operator]


def compare(sign: str, left: Value, right: Value) -> bool | None:
    """Unknown where a side is missing, else whether any pair of values satisfies it."""
    if left is None or right is None:
        return None
    return any(compare_texts(sign, a, b) for a, b in product(left, right))


def all_true(parts: list[bool | None]) -> bool | None:
    """Kleene's AND."""
    return False if False in parts else None if None in parts else True


def opposite(truth: bool | None) -> bool | None:
    """Kleene's NOT."""
    return None if truth is None else not truth


def calculate(sign: str, left: Value, right: Value) -> Value:
    """Arithmetic of single numbers; two words joined by a plus."""
    a, b = amount(left), amount(right)
    if a is None or b is None:
        words = left and right and len(left) == len(right) == 1 and a is None and b is None
        return (left[0] + right[0],) if sign == "+" and words and left and right else None
    if sign == "/":
        return (write(a / b),) if b else None
    return (write({"+": a + b, "-": a - b, "*": a * b}[sign]),)


def extreme(largest: bool, values: list[Value]) -> Value:
    """Any number before any word; numbers by size, words by bytes."""
    every = sorted((v for value in values for v in value or ()), key=rank)
    found = every[-1 if largest else 0] if every else None
    return None if found is None else (write(float(found)) if NUMBER.fullmatch(found) else found,)


def rank(text: str) -> tuple[bool, float, bytes]:
    """The place of a value among all values."""
    return (False, float(text), b"") if NUMBER.fullmatch(text) else (True, 0.0, text.encode())


def single(change: Callable[[str], str | None]) -> Callable[[Value], Value]:
    """A function that is null of several values."""
    return lambda v: (made,) if v and len(v) == 1 and (made := change(v[0])) is not None else None


def each(change: Callable[[str], str]) -> Callable[[Value], Value]:
    """A function of each of several values."""
    return lambda v: v and tuple(map(change, v))


def dedup(value: Value) -> Value:
    """The first of equal values."""
    return value and tuple(dict.fromkeys(value))


def element(value: Value, place: int) -> Value:
    """The value at a place, from the end if negative."""
    return (value[place],) if value and -len(value) <= place < len(value) else None


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "len": single(lambda t: str(len(t))),
    "upper": each(str.upper),
    "lower": each(str.lower),
    "trim": single(lambda t: t.strip(" \t")),
    "mvcount": lambda v: v and (str(len(v)),),
    "mvdedup": dedup,
    "mvsort": lambda v: v and tuple(sorted(v, key=str.encode)),
    "mvreverse": lambda v: v and v[::-1],
    "mvappend": lambda *vs: tuple(t for v in vs for t in v or ()) or None,
    "mvzip": lambda a, b: tuple(f"{x},{y}" for x, y in zip(a, b, strict=False)) if a and b else None,
    "coalesce": lambda *vs: next((v for v in vs if v is not None), None),
    "nullif": lambda a, b: None if compare("=", a, b) else a,
    "max": lambda *vs: extreme(True, list(vs)),
    "min": lambda *vs: extreme(False, list(vs)),
}
TESTS: dict[str, Callable[..., bool | None]] = {
    "isnull": lambda v: v is None,
    "isnotnull": lambda v: v is not None,
    "isnum": lambda v: amount(v) is not None,
    "ismv": lambda v: v is not None and len(v) > 1,
}


def truth(row: Row, expression: Expression) -> bool | None:
    """What a condition is in a row."""
    match expression:
        case ("compare", sign, left, right):
            return compare(sign, evaluate(row, left), evaluate(row, right))
        case ("in", value, *options):
            return opposite(all_true([opposite(truth(row, ("compare", "=", value, o))) for o in options]))
        case ("and", *parts):
            return all_true([truth(row, p) for p in parts])
        case ("or", *parts):
            return opposite(all_true([opposite(truth(row, p)) for p in parts]))
        case ("not", part):
            return opposite(truth(row, part))
        case ("match", value, text):
            found = evaluate(row, value)
            return None if found is None else any(text in v for v in found)
        case ("like", value, pattern):
            found, wanted = evaluate(row, value), evaluate(row, pattern)
            if found is None or wanted is None or len(wanted) > 1:
                return None
            shape = re.compile("".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in wanted[0]), re.S)
            return any(shape.fullmatch(v) is not None for v in found)
        case (name, value):
            return TESTS[name](evaluate(row, value))
    raise ValueError(expression)


def evaluate(row: Row, expression: Expression) -> Value:
    """What an expression is in a row."""
    match expression:
        case ("field", name):
            return row.get(name)
        case ("text", text):
            return (text,)
        case ("number", number):
            return (write(number),)
        case ("calculate", sign, left, right):
            return calculate(sign, evaluate(row, left), evaluate(row, right))
        case ("join", left, right):
            parts = [evaluate(row, left), evaluate(row, right)]
            return ("".join(p[0] for p in parts if p),) if all(p and len(p) == 1 for p in parts) else None
        case ("if", condition, yes, no):
            return evaluate(row, yes if truth(row, condition) is True else no)
        case ("mvindex", value, place):
            return element(evaluate(row, value), place)
        case ("mvjoin", value, between):
            found = evaluate(row, value)
            return found and (between.join(found),)
        case ("mvfilter", name, condition):
            return tuple(v for v in row.get(name) or () if truth({**row, name: (v,)}, condition) is True) or None
        case ("mvmap", name, body):
            made = [evaluate({**row, name: (v,)}, body) for v in row.get(name) or ()]
            return tuple(m[0] for m in made if m and len(m) == 1) or None
        case (name, *arguments):
            return FUNCTIONS[name](*(evaluate(row, a) for a in arguments))
    raise ValueError(expression)


def search(row: Row, condition: Expression) -> bool:
    """Whether a row satisfies a condition of `search`, which is never unknown."""
    match condition:
        case ("and", *parts):
            return all(search(row, p) for p in parts)
        case ("or", *parts):
            return any(search(row, p) for p in parts)
        case ("not", part):
            return not search(row, part)
        case ("=" | "!=" as sign, name, wanted):
            found = row.get(name)
            if wanted == "*":
                return sign == "=" and found is not None
            same = [fnmatchcase(v.lower(), re.sub(r"([\[?])", r"[\1]", wanted.lower())) for v in found or ()]
            return any(same) if sign == "=" else not all(same) and found is not None
        case (sign, name, wanted):
            return any(compare_texts(sign, v, wanted) for v in row.get(name) or ())
    raise ValueError(condition)
