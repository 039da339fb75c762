"""Values that constants may decide, in three-valued logic, each with the parts that have it as the bits of a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.text import lower_characters


class Unknown:
    """A value that the constants of a part do not determine."""


UNKNOWN_TRUTH = Unknown()
ConstantNumber = tuple[str, float]
"""A number by its spelling: a mapping would take 1.0 for True."""
KnownValue = bool | str | ConstantNumber | Unknown | None
Cases = Mapping[KnownValue, int]
"""What an expression may hold, each with the parts where it does, as the bits of a number."""


def without_empty(cases: Mapping[KnownValue, int]) -> Cases:
    """The values that some part has."""
    return {value: parts for value, parts in cases.items() if parts}


def fold_cases(cases: Cases) -> Cases:
    """The same with texts in lower case."""
    found: dict[KnownValue, int] = {}
    for value, parts in cases.items():
        lower = lower_characters(value) if isinstance(value, str) else value
        found[lower] = found.get(lower, 0) | parts
    return found


def select_cases(cases: Cases, texts: set[str]) -> Cases:
    """Whether a column is one of some texts: unknown where it is, null where it is, and of booleans unknown."""
    true = false = unknown = 0
    for value, parts in cases.items():
        if isinstance(value, str):
            true |= parts if value in texts else 0
            false |= 0 if value in texts else parts
        elif isinstance(value, tuple):
            true |= parts if str(value[1]) in texts else 0
            false |= 0 if str(value[1]) in texts else parts
        elif value is not None:
            # Booleans become text when compared with one, which is the printer's business.
            unknown |= parts
    return without_empty({True: true, False: false, UNKNOWN_TRUTH: unknown, None: cases.get(None, 0)})


def combine_truths(values: Iterable[Cases], everywhere: int, *, absorbing: bool) -> Cases:
    """Kleene's AND (absorbing False) or OR (absorbing True); values behind those that decide are not computed."""
    decided = unknown = null = 0
    for cases in values:
        decided |= cases.get(absorbing, 0)
        unknown |= cases.get(UNKNOWN_TRUTH, 0)
        null |= cases.get(None, 0)
        if decided == everywhere:
            break
    unknown &= ~decided
    null &= ~(decided | unknown)
    rest = everywhere & ~(decided | unknown | null)
    return without_empty({absorbing: decided, UNKNOWN_TRUTH: unknown, None: null, not absorbing: rest})


def decide_cases(
    function: Callable[[Sequence[KnownValue]], KnownValue], arguments: Sequence[Cases], everywhere: int
) -> Cases:
    """What a function gives of each combination of values that its arguments have together in some part."""
    combined: list[tuple[tuple[KnownValue, ...], int]] = [((), everywhere)]
    for cases in arguments:
        combined = [
            ((*values, value), both)
            for values, parts in combined
            for value, own in cases.items()
            if (both := parts & own)
        ]
    found: dict[KnownValue, int] = {}
    for values, parts in combined:
        value = function(values)
        found[value] = found.get(value, 0) | parts
    return found


def strict(function: Callable[[Sequence[str]], bool]) -> Callable[[Sequence[KnownValue]], KnownValue]:
    """A test of texts: unknown of what is unknown, null of null."""

    def decided(values: Sequence[KnownValue]) -> KnownValue:
        # Booleans become text when compared with one, which is the printer's business.
        if any(isinstance(v, Unknown | bool) for v in values):
            return UNKNOWN_TRUTH
        if None in values:
            # `x IN (a, NULL)` is true or null, never false.
            return None if values[0] is None or None in values[:2] else UNKNOWN_TRUTH
        return function([str(v[1]) if isinstance(v, tuple) else str(v) for v in values])

    return decided


def negate_truth(values: Sequence[KnownValue]) -> KnownValue:
    """NOT; null of null, unknown of the unknown."""
    held = values[0]
    return not held if isinstance(held, bool) else None if held is None else UNKNOWN_TRUTH


def is_certainly_true(values: Sequence[KnownValue]) -> KnownValue:
    """Whether it is true, null counting as not."""
    return UNKNOWN_TRUTH if values[0] is UNKNOWN_TRUTH else values[0] is True


def is_certainly_null(values: Sequence[KnownValue]) -> KnownValue:
    """Whether it is null."""
    return UNKNOWN_TRUTH if values[0] is UNKNOWN_TRUTH else values[0] is None


def is_known_member(values: Sequence[str]) -> bool:
    """Whether the first is one of the others."""
    return values[0] in values[1:]


def same_but_for_case(values: Sequence[str]) -> bool:
    """Whether the first is one of the others but for case."""
    return lower_characters(values[0]) in [lower_characters(v) for v in values[1:]]


DECIDED: dict[Operation, Callable[[Sequence[KnownValue]], KnownValue]] = {
    ops.not_: negate_truth,
    ops.is_true: is_certainly_true,
    ops.is_null: is_certainly_null,
    ops.equal: strict(is_known_member),
    ops.in_: strict(is_known_member),
    ops.equal_ci: strict(same_but_for_case),
    ops.in_ci: strict(same_but_for_case),
}
EQUALITIES = frozenset({ops.equal, ops.in_, ops.equal_ci, ops.in_ci})
CASELESS = frozenset({ops.equal_ci, ops.in_ci})
