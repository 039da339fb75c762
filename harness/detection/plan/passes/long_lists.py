"""Long lists of values that something is compared with: one membership in place of a test for each.

An engine looks a value up in a hash table of a list's members, while an OR of 4,000 tests costs it 10 s to plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Literal
from harness.detection.plan.operation import Operation
from harness.record import record

LONG = 50
"""Members from which on a list is looked up; chosen, no source: shorter ones stay as they were written."""
MEMBERSHIPS: dict[Operation, Operation] = {
    ops.equal: ops.in_,
    ops.in_: ops.in_,
    ops.equal_ci: ops.in_ci,
    ops.in_ci: ops.in_ci,
}
# What is compared is described to find its list, and a rule's author can make it as large as he likes; chosen.
LARGEST_SUBJECT = 12


Key = tuple[object, ...]


@record
class EqualityTest:
    """Whether a subject is one of some literals of one type; tests with the same key can be one."""

    key: Key
    operation: Operation
    subject: Expression
    members: tuple[Literal, ...]

    def join(self, others: Sequence[EqualityTest]) -> Expression:
        """Whether it is one of its own literals, or of the others'."""
        members = {m.value: m for each in (self, *others) for m in each.members}
        return Call(self.operation, (self.subject, *members.values()))


def merge_equalities(members: Sequence[Expression]) -> list[Expression]:
    """The members of an OR; tests of one subject for equality, if they are many, put together where the first stood.

    A member that compares a number where there is one and else its text (`coalesce(n = 5, t = "5")`) is both at once.
    """
    if len(members) < LONG:
        return list(members)
    groups: dict[Key, list[tuple[int, tuple[EqualityTest, ...]]]] = {}
    for place, member in enumerate(members):
        if tests := read_tests(member):
            groups.setdefault(tuple(t.key for t in tests), []).append((place, tests))
    replaced: dict[int, Expression | None] = {}
    for found in groups.values():
        if len(found) < LONG:
            continue
        replaced |= dict.fromkeys(place for place, _ in found)
        columns = [tests[0].join(tests[1:]) for tests in zip(*(tests for _, tests in found), strict=True)]
        replaced[found[0][0]] = columns[0] if len(columns) == 1 else Call(ops.coalesce, tuple(columns))
    return [made for i, m in enumerate(members) if (made := replaced.get(i, m)) is not None]


def read_tests(member: Expression) -> tuple[EqualityTest, ...]:
    """The tests for equality with literals that a member is, of which a later one counts where an earlier is null."""
    if isinstance(member, Call) and member.operation == ops.coalesce:
        found = tuple(test for argument in member.arguments if (test := read_test(argument)))
        # Two literals that go together are one pair; a list in place of one would be a list of pairs.
        return found if len(found) == len(member.arguments) and all(len(t.members) == 1 for t in found) else ()
    test = read_test(member)
    return (test,) if test else ()


def read_test(member: Expression) -> EqualityTest | None:
    """One test for equality, if it is one of a subject that is small enough to be compared."""
    if not isinstance(member, Call) or member.operation not in MEMBERSHIPS:
        return None
    subject, *rest = member.arguments
    members = tuple(r for r in rest if isinstance(r, Literal))
    # One type: beside a text a number would be compared as text. A null is equal to nothing, but makes a list unknown.
    types = {type(m.value) for m in members}
    parts = describe_parts(subject)
    if len(members) < len(rest) or len(types) > 1 or not types <= {str, float, int} or parts is None:
        return None
    operation = MEMBERSHIPS[member.operation]
    return EqualityTest((operation, *types, *parts), operation, subject, members)


def describe_parts(expression: Expression) -> Key | None:
    """What an expression is made of, wherever it stands in the rule; nothing for one of too many parts."""
    found: list[object] = []
    stack = [expression]
    while stack:
        part = stack.pop()
        match part:
            case Column(name):
                found.append(name)
            case Literal(value):
                found += [type(value), value]
            case Call(operation, arguments) if len(arguments) <= LARGEST_SUBJECT:
                found += [operation, len(arguments)]
                stack += arguments
            case _:
                return None
        if len(found) > 2 * LARGEST_SUBJECT:
            return None
    return tuple(found)
