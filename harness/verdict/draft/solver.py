"""Fields that make conditions of a plan true or false, found by walking the conditions."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import partial
from ipaddress import ip_address, ip_network

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Literal
from harness.detection.plan.operation import Operation
from harness.verdict.draft.conditions import UNKNOWN
from harness.verdict.draft.regex_sample import sample_regex
from harness.verdict.draft.wish import FieldWishes, Wish

# Chosen: what has not been found among so many ways of making alternatives true is left to who reads the refusal.
MOST_WAYS = 64
NUMBER_TESTS: Mapping[Operation, Callable[[float, float], bool]] = {
    ops.less: operator.lt,
    ops.less_equal: operator.le,
    ops.greater: operator.gt,
    ops.greater_equal: operator.ge,
}
MIRRORED: Mapping[Operation, Operation] = {
    ops.less: ops.greater,
    ops.less_equal: ops.greater_equal,
    ops.greater: ops.less,
    ops.greater_equal: ops.less_equal,
}
TAKEN_AS_THEY_ARE = (
    ops.lower, ops.upper, ops.trim, ops.trim_start, ops.trim_end, ops.to_text, ops.to_number, ops.round, ops.floor,
    ops.ceil, ops.truncate, ops.list_, ops.list_distinct, ops.list_sort, ops.list_get, ops.list_join, ops.list_split,
    ops.list_concat, ops.url_decode,
)  # fmt: skip
"""Operations whose result is looked at as if it were their first argument; the rule's own run says if it is not."""
DEFAULT_FOLDER = "C:\\Windows\\System32\\"


def solve_all(conditions: Sequence[Expression]) -> Iterator[FieldWishes]:
    """Wishes under which all conditions are true, one way after the other."""
    return limit_ways(solve_every([(each, True) for each in conditions], FieldWishes()))


def limit_ways(found: Iterable[FieldWishes]) -> Iterator[FieldWishes]:
    """The first of many ways."""
    for number, each in enumerate(found):
        if number >= MOST_WAYS:
            return
        yield each


def solve_every(members: Sequence[tuple[Expression, bool]], wishes: FieldWishes) -> Iterator[FieldWishes]:
    """Wishes under which each condition is as it should be."""
    if not members:
        yield wishes
        return
    (first, truth), *others = members
    for found in solve(first, truth, wishes):
        yield from solve_every(others, found)


def solve(condition: Expression, truth: bool, wishes: FieldWishes) -> Iterator[FieldWishes]:
    """Wishes under which a condition is true, or false; what nobody knows how to ask for is left as it is."""
    match condition:
        case Literal(value):
            if bool(value) == truth:
                yield wishes
        case Call(ops.and_, members) if truth:
            yield from solve_every([(m, True) for m in members], wishes)
        case Call(ops.or_, members) if not truth:
            yield from solve_every([(m, False) for m in members], wishes)
        case Call(ops.and_ | ops.or_, members):
            for member in members:
                yield from solve(member, truth, wishes)
        case Call(ops.not_, (member,)):
            yield from solve(member, not truth, wishes)
        case Call(ops.is_true, (member,)):
            yield from solve(member, truth, wishes)
        case Call(ops.if_, (chooser, chosen, otherwise)):
            yield from solve_every([(chooser, True), (chosen, truth)], wishes)
            yield from solve_every([(chooser, False), (otherwise, truth)], wishes)
        case Call(ops.coalesce, (member, *_)):
            yield from solve(member, truth, wishes)
        case Call(ops.is_null, (subject,)):
            yield from place(subject, Wish(absent=True, holds=truth), wishes)
        case Column():
            yield from place(condition, equal_wish(("true",), ignore_case=True, holds=truth), wishes)
        case Call():
            yield from solve_test(condition, truth, wishes)
        case _:
            yield wishes


def solve_test(test: Call, truth: bool, wishes: FieldWishes) -> Iterator[FieldWishes]:
    """Wishes under which a comparison or another test of one value with literals is true, or false."""
    operation, arguments = test.operation, test.arguments
    if len(arguments) == 2 and isinstance(arguments[0], Literal) and not isinstance(arguments[1], Literal):
        operation, arguments = MIRRORED.get(operation, operation), (arguments[1], arguments[0])
    literals = [a.value for a in arguments[1:] if isinstance(a, Literal)]
    if len(literals) < len(arguments) - 1:
        yield wishes
        return
    made = build_wish(operation, literals)
    if made is None:
        yield wishes
        return
    for each in made if isinstance(made, list) and truth else [made] if isinstance(made, Wish) else [any_wish(made)]:
        yield from place(arguments[0], each if truth else each.negate(), wishes)


def any_wish(wishes: Sequence[Wish]) -> Wish:
    """The wish that one of several holds."""
    return Wish(test=lambda text: any(w.test(text) for w in wishes), equal=tuple(e for w in wishes for e in w.equal))


def build_wish(operation: Operation, literals: Sequence[object]) -> Wish | list[Wish] | None:
    """What a test asks of its first argument, or each way to be it; None of a test that nobody can turn round."""
    texts = [print_wished_literal(value) for value in literals]
    match operation:
        case ops.equal | ops.in_:
            return [equal_wish((each,)) for each in texts]
        case ops.equal_ci | ops.in_ci:
            return [equal_wish((each,), ignore_case=True) for each in texts]
        case ops.not_equal:
            return equal_wish(tuple(texts)).negate()
        case ops.cidr_contains:
            return network_wish(texts)
        case ops.regex_found:
            return regex_wish(texts[0], "".join(texts[1:]))
        case ops.is_number:
            return Wish(test=looks_like_number, equal=("1", "100"))
    if operation in NUMBER_TESTS and texts and looks_like_number(texts[0]):
        return number_wish(NUMBER_TESTS[operation], float(texts[0]))
    return build_part_wish(operation, texts[0]) if texts else None


def build_part_wish(operation: Operation, text: str) -> Wish | None:
    """What a test of a part of a text asks."""
    small = text.lower()
    match operation:
        case ops.starts_with:
            return Wish(test=lambda t: t.startswith(text), prefix=text)
        case ops.starts_with_ci:
            return Wish(test=lambda t: t.lower().startswith(small), prefix=text)
        case ops.ends_with:
            return Wish(test=lambda t: t.endswith(text), suffix=text)
        case ops.ends_with_ci:
            return Wish(test=lambda t: t.lower().endswith(small), suffix=text)
        case ops.contains | ops.list_contains:
            return Wish(test=lambda t: text in t, inner=(text,))
        case ops.contains_ci:
            return Wish(test=lambda t: small in t.lower(), inner=(text,))
        case ops.glob | ops.glob_ci | ops.like | ops.like_ci:
            pattern = text if operation in (ops.glob, ops.glob_ci) else text.replace("%", "*").replace("_", "?")
            return glob_wish(pattern)
    return None


def equal_wish(texts: tuple[str, ...], *, ignore_case: bool = False, holds: bool = True) -> Wish:
    """The wish to be one of these texts."""
    small = {each.lower() for each in texts}
    numbers = {float(each) for each in texts if looks_like_number(each)}

    def test(text: str) -> bool:
        same = text.lower() in small if ignore_case else text in texts
        return same or (looks_like_number(text) and float(text) in numbers)

    return Wish(test=test, equal=texts, holds=holds)


def glob_wish(pattern: str) -> Wish:
    """The wish to be like a pattern with `*` for any text."""
    # Brackets are themselves here.
    known = re.compile(translate(pattern.replace("[", "[[]")), re.I | re.S)
    prefix, *middle = pattern.split("*")
    suffix = middle.pop() if middle else ""
    fill = pattern.replace("*", "").replace("?", "x")
    return Wish(
        test=lambda text: known.fullmatch(text) is not None,
        prefix=prefix.replace("?", "x"),
        suffix=suffix.replace("?", "x"),
        inner=tuple(part.replace("?", "x") for part in middle if part),
        equal=(pattern.replace("*", " example ").replace("?", "x").strip(), fill),
    )


def regex_wish(pattern: str, flags: str) -> Wish | None:
    """The wish that a pattern is found in the text."""
    try:
        known = re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", pattern), re.I if "i" in flags else 0)
    except (re.error, RecursionError, OverflowError):
        return None
    sample = sample_regex(pattern)
    found = () if sample is None else (sample,)
    wish = Wish(test=lambda text: known.search(text) is not None, inner=found)
    return wish if found and not pattern.startswith(("^", "(?i)^")) else Wish(test=wish.test, equal=found)


def network_wish(networks: Sequence[str]) -> Wish | None:
    """The wish to be an address of one of these networks."""
    try:
        held = [ip_network(each, strict=False) for each in networks]
    except ValueError:
        return None

    def test(text: str) -> bool:
        try:
            return any(ip_address(text) in each for each in held)
        except ValueError:
            return False

    return Wish(test=test, equal=tuple(str(each[min(10, each.num_addresses - 1)]) for each in held))


def number_wish(compare: Callable[[float, float], bool], bound: float) -> Wish:
    """The wish to be a number on one side of another."""
    near = (bound, bound + 1, bound - 1, bound * 2, bound / 2, 0.0, bound + 0.5)
    texts = tuple(print_wished_literal(each) for each in near if compare(each, bound))
    return Wish(test=lambda text: looks_like_number(text) and compare(float(text), bound), equal=texts)


def looks_like_number(text: str) -> bool:
    """Whether a text is a plain number."""
    return re.fullmatch(r"[-+]?\d{1,15}(\.\d{1,15})?", text) is not None


def print_wished_literal(value: object) -> str:
    """A literal as a field has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def place(subject: Expression, wish: Wish, wishes: FieldWishes) -> Iterator[FieldWishes]:
    """Wishes under which a value is what is wished of it."""
    match subject:
        case Column(name) if name == UNKNOWN:
            yield wishes
        case Column(name):
            grown = wishes.add(name, wish)
            if grown is not None:
                yield grown
        case Literal(value):
            if wish.grants(None if value is None else print_wished_literal(value)):
                yield wishes
        case Call(ops.coalesce, members):
            for member in members:
                yield from place(member, wish, wishes)
        case Call(ops.if_, (chooser, chosen, otherwise)):
            # The other branch first: the first one mostly stands for what is missing.
            for truth, value in ((False, otherwise), (True, chosen)):
                for found in solve(chooser, truth, wishes):
                    yield from place(value, wish, found)
        case Call(ops.regex_replace, (value, Literal(str() as pattern), Literal(str() as new), *_)):
            change = partial(replace_by_pattern, pattern, new)
            yield from place(value, wish.through(change, before=DEFAULT_FOLDER if "\\" in pattern else ""), wishes)
        case Call(ops.length, (value,)):
            longer = tuple(
                "x" * min(int(float(t)), 10_000) for t in wish.equal if looks_like_number(t) and float(t) >= 0
            )
            yield from place(value, Wish(test=lambda text: wish.grants(str(len(text))), equal=longer), wishes)
        case Call(operation, (value, *_)) if operation in TAKEN_AS_THEY_ARE:
            yield from place(value, wish, wishes)
        case _:
            yield wishes


def replace_by_pattern(pattern: str, new: str, text: str) -> str:
    """What a replacement by a pattern makes of a text; the text itself where Python does not know the pattern."""
    try:
        return re.sub(pattern, new, text)
    except (re.error, RecursionError, IndexError):
        return text
