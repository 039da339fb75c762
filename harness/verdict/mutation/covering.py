"""Which test of a text holds wherever another one does: `*azure.com` covers `*.azure.com`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, Literal
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS

# A NUL stands in no rule.
ANY = "\0"
"""Stands for a run of any characters in a pattern that is itself matched against another."""


@dataclass(frozen=True, slots=True)
class TextTest:
    """A test of a text: what it tests, the pattern it asks for with `ANY` for any run, whether case is no matter.

    A test for networks has those in place of a pattern.
    """

    subject: Expression
    pattern: str
    folded: bool
    networks: Call | None = None

    def covers(self, other: TextTest) -> bool:
        """Whether this one is true of whatever the other is true of; False where that is not plain to see."""
        if self.subject != other.subject or (self.networks is None) != (other.networks is None):
            return False
        if self.networks is not None and other.networks is not None:
            return self.networks != other.networks and networks_cover(self.networks, other.networks)
        # A cheap refusal before a regular expression: lists of hundreds of members are compared pair by pair.
        longest = max(self.pattern.split(ANY), key=len).lower()
        if longest not in other.pattern.lower():
            return False
        return self.folded >= other.folded and pattern_covers(self.pattern, other.pattern, folded=self.folded)


def parse_text_test(e: Expression) -> TextTest | None:
    """What an expression tests, if it is one test of a text."""
    while isinstance(e, Call) and e.operation == ops.is_true:
        e = e.arguments[0]
    match e:
        case Call(ops.cidr_contains, (subject, *_)):
            return TextTest(subject, "", False, e)
        case Call(operation, (subject, Literal(str() as text), *_)):
            found = as_glob(operation, text)
            return None if found is None else TextTest(subject, *found)
        case _:
            return None


def drop_covered(parts: Sequence[Expression]) -> list[Expression]:
    """The alternatives that no other alternative covers."""
    tests = [parse_text_test(p) for p in parts]
    return [
        part
        for part, own in zip(parts, tests, strict=True)
        if own is None or not any(t is not None and t is not own and t.covers(own) for t in tests)
    ]


def as_glob(operation: Operation, text: str) -> tuple[str, bool] | None:
    """A test as a pattern with `ANY` for any run, and whether case is no matter; nothing for other tests."""
    folded = operation in CASELESS_TESTS.values()
    match operation:
        case ops.equal | ops.equal_ci:
            return text, folded
        case ops.starts_with | ops.starts_with_ci:
            return text + ANY, folded
        case ops.ends_with | ops.ends_with_ci:
            return ANY + text, folded
        case ops.contains | ops.contains_ci:
            return ANY + text + ANY, folded
        case ops.glob | ops.glob_ci:
            return re.sub(r"\*+", ANY, text), folded
        case _:
            return None


def pattern_covers(wide: str, narrow: str, *, folded: bool) -> bool:
    """Whether a pattern matches another pattern's text, in which `ANY` is a character like no other."""
    pattern = ".*".join(re.escape(part) for part in wide.split(ANY))
    flags = re.DOTALL | (re.IGNORECASE if folded else 0)
    # Equal ones would cover each other, and both would vanish.
    return wide != narrow and re.fullmatch(pattern, narrow, flags) is not None


def networks_cover(wide: Call, narrow: Call) -> bool:
    """Whether each network of the second test lies in one of the first."""
    try:
        outer = [ip_network(str(n.value)) for n in wide.arguments[1:] if isinstance(n, Literal)]
        inner = [ip_network(str(n.value)) for n in narrow.arguments[1:] if isinstance(n, Literal)]
    except ValueError:
        return False
    return all(any(i.version == o.version and i.subnet_of(o) for o in outer) for i in inner)  # type: ignore[arg-type]
