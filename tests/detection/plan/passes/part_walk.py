"""The parts that a plan needs, told part by part: each condition is walked for each part by Kleene's tables."""

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Literal
from harness.detection.plan.nodes import Derive, Filter, Select
from harness.detection.plan.passes.partitions import chain_over_scan, list_conjuncts
from harness.detection.plan.values.text import lower_characters

UNKNOWN = object()
TEXT_TESTS = {ops.equal: str, ops.in_: str, ops.equal_ci: lower_characters, ops.in_ci: lower_characters}


def parts_of(plan, parts):
    """The parts of which a row may come through a plan that treats each row by itself."""
    scan, chain = chain_over_scan(plan)
    assert scan is not None
    return tuple(part for part in parts if may_pass(part, chain))


def may_pass(part, chain):
    def held(name):
        return part.constants.get(name, UNKNOWN if name in part.columns else None)

    for node in chain:
        match node:
            case Filter(condition=condition):
                values = [value_of(each, held) for each in list_conjuncts(condition)]
                if any(value is not True and value is not UNKNOWN for value in values):
                    return False
            case Derive(columns=named) | Select(columns=named):
                made = {name: value_of(e, held) for name, e in named}
                below = (lambda name: None) if isinstance(node, Select) else held
                held = lambda name, made=made, below=below: made[name] if name in made else below(name)  # noqa: E731
    return True


def value_of(expression, held):
    match expression:
        case Literal(bool() | str() | float() | None as value):
            return value
        case Column(name):
            return held(name)
        case Call(ops.and_ | ops.or_ as operation, arguments):
            return chain_value([value_of(a, held) for a in arguments], absorbing=operation == ops.or_)
        case Call(ops.if_, (condition, then, otherwise)):
            chosen = value_of(condition, held)
            first, second = value_of(then, held), value_of(otherwise, held)
            if chosen is not UNKNOWN:
                return first if chosen is True else second
            return first if type(first) is type(second) and first == second else UNKNOWN
        case Call(operation, arguments):
            return call_value(operation, [value_of(a, held) for a in arguments])
    return UNKNOWN


def chain_value(values, *, absorbing):
    if any(value is absorbing for value in values):
        return absorbing
    if any(value is UNKNOWN for value in values):
        return UNKNOWN
    return None if any(value is None for value in values) else not absorbing


def call_value(operation, values):
    first = values[0] if values else UNKNOWN
    if operation == ops.not_:
        return (not first) if isinstance(first, bool) else None if first is None else UNKNOWN
    if operation == ops.is_true:
        return UNKNOWN if first is UNKNOWN else first is True
    if operation == ops.is_null:
        return UNKNOWN if first is UNKNOWN else first is None
    if operation in TEXT_TESTS:
        if any(value is UNKNOWN or isinstance(value, bool) for value in values):
            return UNKNOWN
        if None in values:
            return None if None in values[:2] else UNKNOWN
        mine, *others = [TEXT_TESTS[operation](str(value)) for value in values]
        return mine in others
    return None if not operation.takes_null and any(value is None for value in values) else UNKNOWN
