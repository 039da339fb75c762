"""Scenarios that might tell a mutant from its rule, with values that the rule's text speaks of.

Nothing here knows what a mutant changed: all probes are simulated in one go, and whichever tells one apart kills it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import islice, zip_longest

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, Literal, walk_expressions
from harness.detection.plan.nodes import Node, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS
from harness.late_pattern import late_pattern
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Scenario
from harness.telemetry.simulation.behaviour import Behaviour, load_behaviours
from harness.verdict.mutate.mutants import expressions
from harness.verdict.mutate.regex_alternatives import lists_of_alternatives, split_alternatives
from harness.verdict.study.ensemble import LabelledTrial, Variant

# A folder that no rule of the pack names.
EXAMPLE_FOLDER = "C:\\Program Files\\Vendor"
PARTIAL = late_pattern(r"(?:\d{1,3}\.){1,3}")
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


# All four chosen, no source: together some seconds of simulation and millions of events at most.
MOST_BASES = 12
MOST_PROBES = 6000
MOST_PROBE_EVENTS = 400
LARGEST_COUNT = 400
# Chosen, no source: each is a step of the scenario that is written.
MOST_REPEATS = 60
REPEATED_EVERY = (timedelta(seconds=0.5), timedelta(seconds=20), timedelta(minutes=11))

COUNT_PARAMETER = "a list, each a whole number"
OTHER_VALUES: dict[str, tuple[object, object]] = {
    "server": ("203.0.113.61", "203.0.113.62"),
    "port": (443, 8443),
    "ptr": ("a.relay.example", "b.relay.example"),
    "image": (
        "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
        "C:\\Windows\\SysWOW64\\WindowsPowerShell\\v1.0\\powershell.exe",
    ),
}
"""Pairs of values for parameters that tell two flows apart."""

PROBE_VALUE_KINDS = {"an address": "address", "a list, each an address": "addresses", "text": "text"}


def bases(subjects: Sequence[LabelledTrial], outcomes: Sequence[bool]) -> list[Scenario]:
    """Scenarios to vary, those that the rule alerts on first, small before large; one a behaviour and image."""
    order = sorted(
        range(len(subjects)),
        key=lambda i: (not outcomes[i], len(subjects[i].trial.store.telemetry(subjects[i].trial.conditions))),
    )
    found: dict[object, Scenario] = {}
    for i in order:
        scenario = subjects[i].scenario
        if scenario is None or not scenario.body.simulate:
            continue
        if len(subjects[i].trial.store.telemetry(subjects[i].trial.conditions)) > MOST_PROBE_EVENTS:
            continue
        step = scenario.body.simulate[0]
        # Scenarios of one shape give the same probes but for a name.
        shape = (step.behaviour, outcomes[i], *(str(step.given.get(n)) for n in ("image", "counts", "times")))
        found.setdefault(shape, scenario)
    return list(found.values())[:MOST_BASES]


def probes(root: Node, chosen: Sequence[Scenario]) -> list[Variant]:
    """Variants of the chosen scenarios by the texts and numbers of a rule; the scenarios take turns."""
    texts, values = examples(root), collect_numbers(root)
    series = [of_scenario(scenario, texts, values) for scenario in chosen]
    # In turns, so that the bound on their number leaves some of every scenario.
    mixed = (v for turn in zip_longest(*series) for v in turn if v is not None)
    return list(islice(mixed, MOST_PROBES))


def of_scenario(scenario: Scenario, texts: Sequence[Example], values: Sequence[float]) -> Iterator[Variant]:
    """Variants of one scenario: each text where it fits, then each shape of counts."""
    behaviours = load_behaviours(*behaviour_folders(scenario.path))
    for number, step in enumerate(scenario.body.simulate):
        if step.behaviour in behaviours:
            behaviour = behaviours[step.behaviour]
            for given in (*texts_given(behaviour, texts), *counts_given(behaviour, values), *ends_given(behaviour)):
                yield Variant(scenario=scenario, step=number, given=given)
            yield from repeat_probe(scenario, number, behaviour, values)
            yield from divide_probe(scenario, number, behaviour, values)


def repeat_probe(scenario: Scenario, number: int, behaviour: Behaviour, values: Sequence[float]) -> Iterator[Variant]:
    """What happens once, such as a process, done around each number of the rule: in one minute, and over hours."""
    counts = ("times", "count")
    if any(
        n in counts or p.kind.startswith(COUNT_PARAMETER) for n, p in behaviour.parameters.items() if "port" not in n
    ):
        return
    for total in sorted({int(v) + d for v in values for d in (-1, 0, 1) if 1 < int(v) + d <= MOST_REPEATS}):
        for apart in REPEATED_EVERY:
            for given in ({}, *({n: OTHER_VALUES[n][0]} for n in behaviour.parameters if n in OTHER_VALUES)):
                yield Variant(scenario=scenario, step=number, given=given, repeats=total, apart=apart, alone=True)


def divide_probe(scenario: Scenario, number: int, behaviour: Behaviour, values: Sequence[float]) -> Iterator[Variant]:
    """What reaches a number of the rule only together, done in two parts that differ in one thing each."""
    counted = next(
        (n for n, p in behaviour.parameters.items() if p.kind.startswith(COUNT_PARAMETER) and "port" not in n), None
    )
    if counted is None:
        return
    # Just more than half: either part alone stays below the number, both together pass it.
    for half in sorted({int(v) // 2 + 1 for v in values if 2 <= v <= LARGEST_COUNT}):
        given = {counted: [half - half // 2, half // 2]}
        yield Variant(scenario=scenario, step=number, given=given, again={}, other_host="WS02")
        for name, parameter in behaviour.parameters.items():
            if name in OTHER_VALUES and PROBE_VALUE_KINDS.get(parameter.kind, "number") in (
                "address",
                "text",
                "number",
            ):
                first = {name: OTHER_VALUES[name][0]}
                yield Variant(scenario=scenario, step=number, given=given | first, again={name: OTHER_VALUES[name][1]})


def texts_given(behaviour: Behaviour, texts: Sequence[Example]) -> Iterator[Mapping[str, object]]:
    """Each text as each parameter of its kind: programs as images, names as host names, addresses as servers."""
    for name, parameter in behaviour.parameters.items():
        kind = PROBE_VALUE_KINDS.get(parameter.kind)
        # What no text of the rule names, all else as it was: a condition on it alone tells the two apart.
        yield from ({name: value} for value in OTHER_VALUES.get(name, ()) if kind in ("address", "text"))
        for example in texts:
            if kind == "address" and example.kind == "address":
                yield {name: example.value}
            elif kind == "addresses" and example.kind == "address":
                yield {name: [example.value]}
            elif kind == "text" and example.kind == ("path" if is_path(parameter.default) else "name"):
                yield {name: example.value}


def is_path(default: object) -> bool:
    """Whether a parameter of text is that of a program."""
    return isinstance(default, str) and "\\" in default


def counts_given(behaviour: Behaviour, values: Sequence[float]) -> Iterator[Mapping[str, object]]:
    """How often and in which shape: around every number of the rule, even, uneven, in one hour and in several."""
    # On the number and on either side: that is where `>` and `>=`, 10 and 11 differ.
    around = sorted({int(v) + d for v in values for d in (-1, 0, 1) if 0 < int(v) + d <= LARGEST_COUNT})
    for name, parameter in behaviour.parameters.items():
        if parameter.kind.startswith(COUNT_PARAMETER) and "port" not in name:
            for total in around:
                for counts in list_hourly_shapes(total):
                    yield {name: list(counts)}
        elif parameter.kind.startswith("a whole number") and name in ("times", "count"):
            for total in around:
                yield {name: total}


def list_hourly_shapes(total: int) -> Iterator[tuple[int, ...]]:
    """Ways to spread calls over hours: one hour, two alike, two unlike, three that rise, one heavy hour."""
    yield (total,)
    if total >= 2:
        yield (total - total // 2, total // 2)
        # Two hours as uneven as they can be, for thresholds of a coefficient of variation.
        yield (total - 1, 1)
    if total >= 6:
        part = total // 6
        yield (part, total // 3, total - part - total // 3)
        yield (part, 2 * part, 3 * part)
        yield (part, 2 * part, 3 * part - 1)
        yield (2, total - 4, 2)
        yield (1,) * total if total <= 30 else (total // 3,) * 3


def ends_given(behaviour: Behaviour) -> Iterator[Mapping[str, object]]:
    """More than one end: other servers, ports, hosts' names left out."""
    for name, parameter in behaviour.parameters.items():
        if parameter.kind == "a list, each an address":
            yield {name: ["203.0.113.61", "203.0.113.62", "203.0.113.63"]}
        elif parameter.kind.startswith(COUNT_PARAMETER) and "port" in name:
            yield {name: [443, 4444, 8443]}
        elif parameter.kind == "text" and parameter.default is None:
            yield {name: "relay.vendor.example"}
