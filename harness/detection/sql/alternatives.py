"""Long ORs of tests of one column: many prefixes and whole values without letters are one regular expression.

A chain of nineteen ILIKEs over addresses costs four times what one RE2 pattern does (10 million rows, Parquet). Tests
with letters stay as they are: columns that have them repeat their values, and DuckDB tests each value once.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Kind, Literal, Schema
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS

# One test fewer than that stays readable as it is; chosen, no source: only the chain of nineteen was measured.
FEWEST = 4
# \z and not $: RE2 takes $ for the end of the text as well, but only as long as nobody sets its flag m.
PATTERN_ENDS: dict[Operation, str] = {
    ops.starts_with: "",
    ops.starts_with_ci: "",
    ops.equal: r"\z",
    ops.equal_ci: r"\z",
    ops.in_: r"\z",
    ops.in_ci: r"\z",
}
SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def caseless(text: str) -> bool:
    """Whether the text is ASCII without letters, so that case cannot matter."""
    return text.isascii() and not any(c.isalpha() for c in text)


def merge_alternatives(members: Sequence[Expression], columns: Schema) -> list[Expression]:
    """The members of an OR, those over one column that can be one pattern put together where the first one stood."""
    groups: dict[tuple[str, bool], list[int]] = {}
    for i, member in enumerate(members):
        # Members inside of `is_true` stay apart from bare ones: over a null column the first
        # are false, the others null.
        test, closed = unwrap_test(member)
        if test is not None and columns.get(find_tested_column(test)) is Kind.TEXT:
            groups.setdefault((find_tested_column(test), closed), []).append(i)
    replaced: dict[int, Expression | None] = {}
    for (name, closed), places in groups.items():
        branches = [b for i in places for b in patterns(members[i])]
        # An `in` brings a branch for each of its values, so branches are counted and not members.
        if len(branches) >= FEWEST:
            whole = Literal(rf"\A(?:{'|'.join(branches)})")
            found: Expression = ops.regex_found(Column(name), whole, Literal(""))
            replaced |= dict.fromkeys(places)
            replaced[places[0]] = ops.is_true(found) if closed else found
    return [made for i, m in enumerate(members) if (made := replaced.get(i, m)) is not None]


def find_tested_column(test: Call) -> str:
    """The name of the column that a test is about."""
    column = test.arguments[0]
    return column.name if isinstance(column, Column) else ""


def unwrap_test(member: Expression) -> tuple[Call | None, bool]:
    """The test inside a member if it can be a part of a pattern, and whether it stands in `is_true`."""
    closed = isinstance(member, Call) and member.operation == ops.is_true
    test = member.arguments[0] if isinstance(member, Call) and closed else member
    if not isinstance(test, Call) or test.operation not in PATTERN_ENDS or not isinstance(test.arguments[0], Column):
        return None, closed
    wanted = test.arguments[1:]
    if not all(isinstance(w, Literal) and isinstance(w.value, str) for w in wanted):
        return None, closed
    # With letters the pattern would need RE2's (?i), which takes U+017F for an s where DuckDB's
    # ILIKE and lower() do not.
    cased = test.operation not in CASELESS_TESTS.values()
    fits = all(cased or caseless(str(w.value)) for w in wanted if isinstance(w, Literal))
    return (test if fits else None), closed


def patterns(member: Expression) -> list[str]:
    """The branches of the pattern that a test becomes."""
    test, _ = unwrap_test(member)
    assert test is not None
    return [
        "".join("\\" + c if c in SPECIAL else c for c in str(w.value)) + PATTERN_ENDS[test.operation]
        for w in test.arguments[1:]
        if isinstance(w, Literal)
    ]
