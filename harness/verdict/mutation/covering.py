"""Which test of a text holds wherever another one does: `*azure.com` covers `*.azure.com`."""

from __future__ import annotations

import re
from ipaddress import ip_network

from harness.detection.plan.expressions import Call, Expression, Literal

ANY = "\0"
"""Stands for a run of any characters in a pattern that is itself matched against another."""


def covers(wide: Expression, narrow: Expression) -> bool:
    """Whether the first test is true of whatever the second is true of; False where that is not plain to see."""
    if wide == narrow:
        return False
    while isinstance(wide, Call) and isinstance(narrow, Call) and wide.operation == narrow.operation == "is_true":
        wide, narrow = wide.arguments[0], narrow.arguments[0]
    match wide, narrow:
        case (
            Call(first, (of, Literal(str() as a), *_)),
            Call(second, (other, Literal(str() as b), *_)),
        ) if of == other:
            if first == second == "cidr_contains":
                return networks_cover(wide, narrow)
            one, two = as_glob(first, a), as_glob(second, b)
            return one is not None and two is not None and one[1] >= two[1] and fits(one[0], two[0], folded=one[1])
        case _:
            return False


def as_glob(operation: str, text: str) -> tuple[str, bool] | None:
    """A test as a pattern with `ANY` for any run, and whether case is no matter; nothing for other tests."""
    folded = operation.endswith("_ci")
    match operation.removesuffix("_ci"):
        case "equal":
            return text, folded
        case "starts_with":
            return text + ANY, folded
        case "ends_with":
            return ANY + text, folded
        case "contains":
            return ANY + text + ANY, folded
        case "glob":
            return re.sub(r"\*+", ANY, text), folded
        case _:
            return None


def fits(wide: str, narrow: str, *, folded: bool) -> bool:
    """Whether a pattern matches another pattern's text, in which `ANY` is a character like no other."""
    pattern = ".*".join(re.escape(part) for part in wide.split(ANY))
    flags = re.DOTALL | (re.IGNORECASE if folded else 0)
    return wide != narrow and re.fullmatch(pattern, narrow, flags) is not None


def networks_cover(wide: Call, narrow: Call) -> bool:
    """Whether each network of the second test lies in one of the first."""
    try:
        outer = [ip_network(str(n.value)) for n in wide.arguments[1:] if isinstance(n, Literal)]
        inner = [ip_network(str(n.value)) for n in narrow.arguments[1:] if isinstance(n, Literal)]
    except ValueError:
        return False
    return all(any(i.version == o.version and i.subnet_of(o) for o in outer) for i in inner)  # type: ignore[arg-type]
