"""A plan in a form in which equal meanings look equal: equivalent mutants are known for such.

Places are left out; comparisons that bounds decide become true or false and vanish; conditions that another one covers
vanish; columns that nobody reads and orders that nobody looks at vanish. Two plans that are equal after this give the
same alerts whatever the events are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from math import ceil, floor

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    FALSE_LITERAL,
    TRUE,
    Aggregation,
    Call,
    Column,
    Expression,
    Lambda,
    Literal,
    Schema,
    SortKey,
    columns_read,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Named,
    Node,
    Scan,
    Select,
    Sort,
    Window,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS
from harness.detection.plan.passes.requirements import collect_columns_by_node, find_ordered_nodes
from harness.detection.plan.schema import columns_of
from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.mutate.implied_presence import drop_implied_presence
from harness.verdict.mutate.marks import settle_marks
from harness.verdict.mutate.value_ranges import Bounds, KnownBounds, bound_expression, of_nodes
from harness.verdict.study.isolation import rebuild_on_sources

# A NUL stands in no rule.
ANY = "\0"
"""Stands for a run of any characters in a pattern that is itself matched against another."""


@record
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


PLAIN = late_pattern(r"(?:[\w \-]|\\[.\-/])+")
ALTERNATIVES = late_pattern(r"(?P<flags>\(\?i\))?\((?:\?:)?(?P<words>[^()\[\]]+)\)(?P<tail>(?![+*?{]).*)", re.DOTALL)
BACK_REFERENCE = late_pattern(r"\\[1-9gk]")


def drop_covered_alternatives(pattern: str, *, folded: bool) -> str:
    r"""A pattern that begins with a choice of plain words, without those that others are the end of.

    Nothing holds the left side, so `(adfind|find)\.exe` is `(find)\.exe`; with nothing behind it a word covers those
    that begin with it too. Only for tests: what a group would capture is another text.
    """
    found = ALTERNATIVES.fullmatch(pattern)
    words = found["words"].split("|") if found else []
    if not found or BACK_REFERENCE.search(found["tail"]) or not all(PLAIN.fullmatch(w) for w in words):
        return pattern
    same = str.lower if folded or found["flags"] else str

    def covers(wide: str, narrow: str) -> bool:
        one, other = same(wide), same(narrow)
        return one != other and (other.endswith(one) if found and found["tail"] else one in other)

    kept = [w for w in words if not any(covers(v, w) for v in words)]
    return f"{found['flags'] or ''}({'|'.join(dict.fromkeys(map(same, kept)))}){found['tail']}"


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


def canonicalise_plan(root: Node) -> Node:
    """The plan in that form; two such plans are compared by `==`."""
    root = drop_implied_presence(settle_marks(root))
    known = of_nodes(root)
    made: dict[int, Node] = {}
    for node in walk_nodes(root):
        made[id(node)] = simplify_node(
            rebuild_on_sources(node, made), known[id(node.source)] if hasattr(node, "source") else {}
        )
    return prune_plan(made[id(root)])


def simplify_node(node: Node, known: KnownBounds) -> Node:
    """One node without places, its expressions simplified."""
    node = replace(node, span=None)
    match node:
        case Filter(source=source, condition=condition):
            made = simplify_expression(condition, known)
            return source if made == TRUE else replace(node, condition=made)
        case Derive(columns=columns) | Select(columns=columns):
            return replace(node, columns=all_simple(columns, known))
        case Aggregate(keys=keys, measures=measures):
            # Only groups with keys have a row for certain.
            grouped = bool(keys)
            listed = tuple((n, simplify_expression(e, known, grouped=grouped)) for n, e in measures)
            return replace(node, keys=all_simple(keys, known), measures=listed)
        case Window(partition=partition, measures=measures):
            return replace(
                node,
                partition=tuple(simplify_expression(e, known) for e in partition),
                measures=all_simple(measures, known),
            )
        case Sort(keys=keys):
            return replace(
                node, keys=tuple(replace(k, expression=simplify_expression(k.expression, known)) for k in keys)
            )
        case Join(keys=keys, columns=columns, condition=condition):
            pairs = tuple((simplify_expression(a, {}), simplify_expression(b, {})) for a, b in keys)
            return replace(
                node,
                keys=pairs,
                columns=all_simple(columns, {}),
                condition=condition and simplify_expression(condition, {}),
            )
        case _:
            return node


def all_simple(named: Sequence[Named], known: KnownBounds) -> tuple[Named, ...]:
    """Columns with their expressions simplified."""
    return tuple((n, simplify_expression(e, known)) for n, e in named)


def simplify_expression(e: Expression, known: KnownBounds, *, grouped: bool = False) -> Expression:
    """An expression without places, simplified."""
    match e:
        case Literal(value):
            return Literal(value)
        case Column(name):
            return Column(name)
        case Lambda(parameter, body):
            return Lambda(replace(parameter, span=None), simplify_expression(body, {}))
        case Aggregation(operation, arguments, where, order):
            keys = tuple(SortKey(simplify_expression(k.expression, known), k.descending, k.nulls_first) for k in order)
            inner = tuple(simplify_expression(a, known) for a in arguments)
            return Aggregation(operation, inner, None if where is None else simplify_expression(where, known), keys)
        case Call(operation, arguments):
            made = Call(operation, tuple(simplify_expression(a, known, grouped=grouped) for a in arguments))
            return simplify_call(made, known, grouped=grouped)
        case _:
            return replace(e, span=None)  # type: ignore[call-arg]


def simplify_call(e: Call, known: KnownBounds, *, grouped: bool) -> Expression:
    """A call whose arguments are simple, simplified itself."""
    match e:
        case Call(
            ops.less | ops.less_equal | ops.greater | ops.greater_equal, (left, Literal(int() | float() as value))
        ):
            return simplify_comparison(e.operation, left, float(value), bound_expression(left, known, grouped=grouped))
        case Call(ops.regex_found, (subject, Literal(str() as pattern), *rest)):
            folded = any(isinstance(r, Literal) and "i" in str(r.value) for r in rest)
            return Call(e.operation, (subject, Literal(drop_covered_alternatives(pattern, folded=folded)), *rest))
        case Call(ops.if_, (condition, yes, no)):
            return yes if condition == TRUE else no if condition == FALSE_LITERAL else e
        case Call(ops.and_, parts):
            return simplify_chain(ops.and_, parts, TRUE, FALSE_LITERAL)
        case Call(ops.or_, parts):
            return simplify_chain(ops.or_, parts, FALSE_LITERAL, TRUE)
        case Call(ops.not_ | ops.is_true, (Literal(bool() as value),)):
            return Literal(value if e.operation == ops.is_true else not value)
        case Call(ops.is_true, (Call(ops.is_true, _) as inner,)):
            return inner
        case Call(ops.not_, (Call(ops.not_, (Call(ops.is_true | ops.is_null, _) as inner,)),)):
            return inner
        case _:
            return e


def simplify_comparison(operation: Operation, left: Expression, value: float, held: Bounds) -> Expression:
    """A comparison with a number: decided by bounds where they can, of whole numbers always with `>=` or `<=`."""
    # A comparison with null is neither true nor false, so bounds cannot decide it.
    if not held.nullable:
        decided: dict[Operation, tuple[bool, bool]] = {
            ops.less: (held.high < value, held.low >= value),
            ops.less_equal: (held.high <= value, held.low > value),
            ops.greater: (held.low > value, held.high <= value),
            ops.greater_equal: (held.low >= value, held.high < value),
        }
        always, never = decided[operation]
        if always or never:
            return Literal(always)
    if held.whole:
        if operation in (ops.greater, ops.greater_equal):
            return ops.greater_equal(
                left, Literal(float(floor(value) + 1 if operation == ops.greater else ceil(value)))
            )
        return ops.less_equal(left, Literal(float(ceil(value) - 1 if operation == ops.less else floor(value))))
    return Call(operation, (left, Literal(value)))


def simplify_chain(
    operation: Operation, parts: Sequence[Expression], nothing: Literal, all_of_it: Literal
) -> Expression:
    """AND or OR without parts that add nothing: neutral ones, repetitions, and in an OR what another part covers."""
    flat: list[Expression] = []
    for part in parts:
        flat += part.arguments if isinstance(part, Call) and part.operation == operation else (part,)
    if all_of_it in flat:
        return all_of_it
    kept = [p for p in dict.fromkeys(flat) if p != nothing]
    if operation == ops.or_:
        # Not in an AND: there the wider one is what falls away.
        kept = drop_covered(kept)
    if not kept:
        return nothing
    # Sorted, so that the order of conditions, which means nothing, does not tell two plans apart.
    return kept[0] if len(kept) == 1 else Call(operation, tuple(sorted(kept, key=repr)))


def prune_plan(root: Node) -> Node:
    """The plan without unread columns and without orders that no node above depends on."""
    wanted = collect_columns_by_node(root, infer_schemas(root))
    # The order of a rule's result neither.
    seen = find_ordered_nodes(root, final=False)
    made: dict[int, Node] = {}
    for node in walk_nodes(root):
        new = rebuild_on_sources(node, made)
        own = wanted[id(node)]
        match new:
            case Derive(source=source, columns=columns):
                kept = tuple((n, e) for n, e in columns if n in own)
                new = replace(new, columns=kept) if kept else source
            case Aggregate(measures=measures):
                new = simplify_regrouping(replace(new, measures=tuple((n, e) for n, e in measures if n in own)))
            case Select(columns=columns):
                new = replace(new, columns=tuple((n, e) for n, e in columns if n in own))
            case Scan():
                # What the store orders by is no part of a verdict.
                new = replace(new, order=())
            case Sort(source=source) if id(node) not in seen:
                new = source
        made[id(node)] = new
    return made[id(root)]


def simplify_regrouping(node: Aggregate) -> Aggregate:
    """A grouping of groups: lists that it only makes distinct need not be distinct below."""
    path: list[Filter] = []
    below = node.source
    while isinstance(below, Filter):
        path.append(below)
        below = below.source
    if not isinstance(below, Aggregate):
        return node
    rest = [e for _, e in (*node.keys, *node.measures) if not distinct_list(e)] + [f.condition for f in path]
    read = {name for e in rest for name in columns_read(e)}
    loose = {c for _, e in node.measures for c in distinct_list(e) if c not in read}
    measures = tuple((n, simplify_list(e) if n in loose else e) for n, e in below.measures)
    source: Node = replace(below, measures=measures)
    for step in reversed(path):
        source = replace(step, source=source)
    return replace(node, source=source)


def simplify_list(e: Expression) -> Expression:
    """A list of values in one form, whether or not it is distinct."""
    match e:
        case Aggregation(ops.values | ops.collect, arguments, where):
            return ops.values(*arguments, where=where)
        case _:
            return e


def distinct_list(e: Expression) -> frozenset[str]:
    """The column of which a measure lists the distinct values, if that is all it does."""
    match e:
        case Aggregation(ops.values, (Column(name),), None):
            return frozenset({name})
        case _:
            return frozenset()


def infer_schemas(root: Node) -> dict[int, Schema]:
    """The columns of every node of a plan."""
    known: dict[int, Schema] = {}
    columns_of(root, known)
    return known
