"""Values that the texts of a rule speak of: for each literal an address, a host name or a program that it matches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, Literal, walk_expressions
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Node, Select, Window, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS
from harness.verdict.mutation.patterns import lists_of_alternatives, split_alternatives

# A folder that no rule of the pack names.
EXAMPLE_FOLDER = "C:\\Program Files\\Vendor"
PARTIAL = re.compile(r"(?:\d{1,3}\.){1,3}")
# Chosen, no source: each is a probe for every scenario that is varied.
MOST_EXAMPLES = 400
EXAMPLE_TESTS = (ops.equal, ops.starts_with, ops.ends_with, ops.contains, ops.glob, ops.in_)
CASED_TESTS: dict[Operation, Operation] = {t: cased for cased in EXAMPLE_TESTS for t in (cased, CASELESS_TESTS[cased])}
"""Tests of text that have examples, each as the one that heeds case."""


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """A value, and of what kind: `address`, `path` or `name`."""

    kind: str
    value: str


def examples(root: Node) -> list[Example]:
    """Values that the rule's conditions on text tell apart, each once, in the order of the plan."""
    found: dict[Example, None] = {}
    for node in walk_nodes(root):
        for e in expressions(node):
            for part in walk_expressions(e):
                found.update(dict.fromkeys(of_test(part)))
    return list(found)[:MOST_EXAMPLES]


def expressions(node: Node) -> tuple[Expression, ...]:
    """The expressions of a node."""
    match node:
        case Filter(condition=condition):
            return (condition,)
        case Derive(columns=columns) | Select(columns=columns):
            return tuple(e for _, e in columns)
        case Aggregate(measures=measures) | Window(measures=measures):
            return tuple(e for _, e in measures)
        case _:
            return ()


def collect_numbers(root: Node) -> list[float]:
    """Numbers that the rule's text holds."""
    found = {
        float(part.value)
        for node in walk_nodes(root)
        for e in expressions(node)
        for part in walk_expressions(e)
        if isinstance(part, Literal) and part.span and isinstance(part.value, int | float) and part.value is not True
    }
    return sorted(found)


def of_test(e: Expression) -> Iterator[Example]:
    """Values for which a test of text holds."""
    match e:
        case Call(ops.cidr_contains, (_, *networks)):
            for network in networks:
                if isinstance(network, Literal):
                    yield from list_network_examples(str(network.value))
        case Call(ops.regex_found, (_, Literal(str() as pattern), *_)):
            yield from list_regex_examples(pattern)
        case Call(operation, (_, *literals)) if operation in CASED_TESTS:
            for literal in literals:
                if isinstance(literal, Literal) and isinstance(literal.value, str):
                    yield from of_pattern(CASED_TESTS[operation], literal.value)


def list_network_examples(network: str) -> Iterator[Example]:
    """Addresses at both ends of a network, and just outside it."""
    try:
        held = ip_network(network, strict=False)
    except ValueError:
        return
    first, last = int(held.network_address), int(held.broadcast_address)
    # Both sides of both edges: a network dropped or widened shows at one of them.
    for number in (first + 1, last - 1, first - 1, last + 1):
        if 0 < number < 2**held.max_prefixlen:
            yield Example("address", str(ip_address(number) if held.version == 4 else held[0] + (number - first)))


def of_pattern(operation: Operation, text: str) -> Iterator[Example]:
    """Values that fit a text, or a text with wildcards, at the place where an operation looks."""
    bare = text.strip("*")
    if not bare:
        return
    if is_address(bare):
        yield Example("address", bare)
    elif PARTIAL.fullmatch(bare) and (operation == ops.starts_with or text.endswith("*")):
        yield Example("address", complete_address(bare))
    elif "\\" in bare or bare.lower().endswith(".exe"):
        yield Example(
            "path",
            EXAMPLE_FOLDER + bare
            if bare.startswith("\\")
            else f"{EXAMPLE_FOLDER}\\{bare}"
            if ":" not in bare
            else bare,
        )
        if operation == ops.equal:
            yield Example("path", bare)
    else:
        yield from list_host_name_examples(operation, text, bare)


def list_host_name_examples(operation: Operation, text: str, bare: str) -> Iterator[Example]:
    """Host names that contain a text, and the text alone, which a wildcard more or less tells apart."""
    starts = operation == ops.starts_with or (operation == ops.glob and not text.startswith("*"))
    ends = operation == ops.ends_with or (operation == ops.glob and not text.endswith("*"))
    head = "" if starts or operation == ops.equal else "a" if bare.startswith(".") else "a."
    tail = "" if ends or operation == ops.equal else (".example" if not bare.endswith(".") else "example")
    yield Example("name", f"{head}{bare.replace('*', 'x')}{tail}")
    yield Example("name", bare.replace("*", "x"))


def complete_address(part: str) -> str:
    """An address that begins with some octets."""
    octets = [o for o in part.split(".") if o]
    # Any octets will do but 0 and 255.
    return ".".join([*octets, *("20", "30", "40")][:4]) if len(octets) < 4 else part


def is_address(text: str) -> bool:
    """Whether a text is an address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def list_regex_examples(pattern: str) -> Iterator[Example]:
    """Texts that each alternative of a pattern stands for, with what follows it; in capitals too, for its flags."""
    for start, end in lists_of_alternatives(pattern):
        parts = list(split_alternatives(pattern, start, end))
        if len(parts) < 2:
            continue
        tail = find_fixed_text(pattern[end:].removeprefix(")"))
        for first, last in parts:
            text = find_fixed_text(pattern[first:last])
            if text and tail is not None:
                yield from of_word(text + tail)


def of_word(text: str) -> Iterator[Example]:
    """A word as a program where it looks like one, else as a name."""
    if text.lower().endswith(".exe"):
        bare = text.rpartition("\\")[2]
        yield Example("path", f"{EXAMPLE_FOLDER}\\{bare}")
        # A letter before the name tells `\curl.exe` from `curl.exe`.
        yield Example("path", f"{EXAMPLE_FOLDER}\\x{bare}")
        yield Example("path", f"{EXAMPLE_FOLDER}\\{bare.upper()}")
    else:
        yield from of_pattern(ops.contains, text)


def find_fixed_text(pattern: str) -> str | None:
    """The text that a pattern without any choice stands for; nothing for other patterns."""
    text = re.sub(r"\\([.\\/\-])", r"\1", pattern.removesuffix("$"))
    return None if re.search(r"[\[\](){}*+?^$|]", text.replace(".", "")) or re.search(r"\\[a-zA-Z]", pattern) else text
