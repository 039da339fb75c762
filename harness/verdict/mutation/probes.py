"""Scenarios that might tell a mutant from its rule: those of the pack with values that the rule's text speaks of.

Nothing here knows what a mutant changed: all probes are simulated in one go, and whichever tells one apart kills it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest

from harness.detection.plan.nodes import Node
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Scenario
from harness.telemetry.simulation.behaviour import Behaviour, load_behaviours
from harness.verdict.mutation.examples import Example, collect_numbers, examples
from harness.verdict.study.ensemble import LabelledTrial
from harness.verdict.study.variants import Variant

# All four chosen, no source: together some seconds of simulation and millions of events at most.
MOST_BASES = 12
MOST_PROBES = 6000
MOST_PROBE_EVENTS = 400
LARGEST_COUNT = 400

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
            yield from divide_probe(scenario, number, behaviour, values)


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
