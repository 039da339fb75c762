"""Scenarios that would kill surviving mutants, found among probes, checked as they are written, ready to be saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

import yaml

from harness.detection.engine import CellValue, Engine, open_engine
from harness.detection.language import language
from harness.detection.plan.expressions import Schema
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, Source
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import convert_document, load
from harness.scenario.scenario import Label, Scenario, ScenarioBody
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.alerts import Alert, is_same_value
from harness.verdict.mutate.mutants import Mutant
from harness.verdict.mutate.probes import bases, probes
from harness.verdict.mutate.time_spans import list_rule_mutants
from harness.verdict.store import compute_search_now
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.ensemble import LabelledTrial, Variant, behaviours_of, keep_possible, lot

AlertKey = tuple[str, str, int, int]
# Chosen, no source: each is simulated, loaded and judged by itself.
MOST_CHECKED = 4
FORMS = late_pattern(r"[^a-z0-9]+")


@record(kw_only=True)
class Killer:
    """A scenario that tells a mutant from its rule: its document as text, and a name for its file."""

    name: str
    text: str


@record(kw_only=True)
class LoadedProbes:
    """Probes in an engine: variants by case, the subject whose settings hold, and the rule's alerts on each."""

    variants: tuple[Variant, ...]
    owners: tuple[LabelledTrial, ...]
    batch: Batch
    root: Node
    columns: Schema
    alerts: tuple[tuple[Alert, ...], ...]


@dataclass(slots=True, kw_only=True)
class Hunt:
    """Killers by mutant, how many probes there were, how long it took, and how many mutants there was no time for."""

    allowed: float
    found: dict[AlertKey, Killer] = field(default_factory=dict)
    probes: int = 0
    seconds: float = 0.0
    left: int = 0
    began: float = field(default_factory=perf_counter)

    def in_time(self, share: float) -> bool:
        """Whether less than this share of the time is over; a mutant that comes too late is counted."""
        late = perf_counter() - self.began > share * self.allowed
        self.left += late
        return not late


def killers(
    subjects: Sequence[LabelledTrial],
    seen: Sequence[bool],
    wanted: Sequence[AlertKey],
    columns: Schema,
    *,
    seconds: float,
) -> Hunt:
    """For each mutant that is wanted a scenario that kills it, where the probes hold one, within so many seconds.

    `columns` are those of all subjects together: over fewer a rule may mean less.
    """
    hunt = Hunt(allowed=seconds)
    connected = open_engine(subjects[0].trial.engine.name)
    try:
        probed = probe(subjects, seen, columns, connected)
        if probed is None:
            return hunt
        hunt.probes = len(probed.variants)
        first = subjects[0].trial
        now = first.settings.now or compute_search_now(first.store.telemetry(first.conditions))
        chosen = {m.key: m for m in list_rule_mutants(first, probed.root, columns, now)}
        candidates: dict[AlertKey, list[int]] = {}
        for key in (k for k in wanted if k in chosen):
            # A half for finding cases, the other for checking them as scenarios.
            if hunt.in_time(0.5):
                candidates[key] = list(find_telling_cases(probed, chosen[key].node))
        search = KillerSearch(probed, connected)
        # By their first case: mutants that the same probe tells apart share the probe's run.
        for key, cases in sorted(candidates.items(), key=lambda c: c[1][:1]):
            killer = search.first_sound(key, chosen[key].line, cases) if hunt.in_time(1.0) else None
            if killer is not None:
                hunt.found[key] = killer
        return hunt
    finally:
        connected.close()
        hunt.seconds = perf_counter() - hunt.began


def probe(
    subjects: Sequence[LabelledTrial], seen: Sequence[bool], columns: Schema, connected: Engine
) -> LoadedProbes | None:
    """Simulates all probes and runs the rule on them."""
    scenarios = bases(subjects, seen)
    if not scenarios:
        return None
    by_path = {s.scenario.path: s for s in subjects if s.scenario is not None}
    first = subjects[0].trial
    root = plan_over_columns(subjects[0], columns)
    variants = keep_possible(probes(root, scenarios))
    grouped: dict[tuple[tuple[str, str], ...], list[Variant]] = {}
    for variant in variants:
        conditions = by_path[variant.scenario.path].trial.conditions
        grouped.setdefault(tuple(sorted(conditions.items())), []).append(variant)
    ordered = tuple(v for several in grouped.values() for v in several)
    if not ordered:
        return None
    lots = [lot(several, dict(conditions)) for conditions, several in grouped.items()]
    batch = Batch(connected, language(first.rule.language).platform, lots, raw=first.query.raw)
    # Statements over few columns are planned much faster, and there is one for each mutant.
    batch.narrow([root])
    owners = tuple(by_path[v.scenario.path] for v in ordered)
    return LoadedProbes(
        variants=ordered, owners=owners, batch=batch, root=root, columns=columns, alerts=batch.alerts(root)
    )


def plan_over_columns(subject: LabelledTrial, columns: Schema) -> Node:
    """What the rule means over these columns."""
    trial = subject.trial
    now = trial.settings.now or compute_search_now(trial.store.telemetry(trial.conditions))
    return trial.query.plan(columns, replace(trial.settings, now=now)).node


def find_telling_cases(probed: LoadedProbes, node: Node) -> Iterator[int]:
    """Cases in which a mutant's alerts differ: first those where it alerts and the rule does not, or the other way."""
    try:
        alerts = probed.batch.alerts(node)
    except HarnessError:
        return
    differs = [bool(a) != bool(b) for a, b in zip(alerts, probed.alerts, strict=True)]
    # An alert more or less is a plainer expectation than another value in a field.
    yield from (i for i, d in enumerate(differs) if d)
    for i, (mine, own) in enumerate(zip(alerts, probed.alerts, strict=True)):
        if not differs[i] and mine and own and not same_fields(mine, own):
            yield i


def same_fields(mine: Sequence[Alert], own: Sequence[Alert]) -> bool:
    """Whether alerts have equal fields, numbers but for rounding."""
    return len(mine) == len(own) and not telling_fields(own, mine) and not telling_fields(mine, own)


class KillerSearch:
    """Looks for the first case that still kills a mutant when its scenario is read from its text and run alone."""

    def __init__(self, probed: LoadedProbes, connected: Engine) -> None:
        self.probed, self.connected = probed, connected
        self.last: ProbeVerdict | None = None

    def first_sound(self, key: AlertKey, line: int, cases: Sequence[int]) -> Killer | None:
        """The scenario of that case, ready to be saved."""
        for case in cases[:MOST_CHECKED]:
            body = probe_as_document(self.probed, case, key, line)
            try:
                if self.last is None or self.last.case != case:
                    # Read from its own text, since that is what will be saved: a number may be rounded on the way.
                    self.last = judge_probe_alone(self.probed, case, as_yaml(body), self.connected)
                expect = build_killer_expectation(self.last, key, self.probed.owners[case].trial.rule.name)
            except HarnessError:
                self.last = None
                continue
            if expect is not None:
                body["activity"] = expect.pop("activity")
                body["expect"] = [expect]
                # A file's name; 70 and 150 characters are chosen, no source.
                name = FORMS.sub("-", f"line-{line}-{key[1]}".lower()).strip("-")[:70].strip("-")
                return Killer(name=f"{name}.yaml", text=as_yaml(body))
        return None


def as_yaml(body: Mapping[str, Any]) -> str:
    """A document as text, its keys in the order given."""
    text: str = yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True, width=120)
    return text


def probe_as_document(probed: LoadedProbes, case: int, key: AlertKey, line: int) -> dict[str, Any]:
    """A probe as the document of a scenario, its expectation still to come."""
    variant, owner = probed.variants[case], probed.owners[case]
    body = variant.scenario.body
    steps = [
        {"behaviour": s.behaviour, "host": s.host, "given": dict(s.given)}
        | ({"at": f"{s.at.total_seconds():g}s"} if s.at else {})
        for s in variant.steps(behaviours_of(variant.scenario, {}))
    ]
    return {
        "title": f"Line {line} of {owner.trial.rule.name}: {key[1]}"[:150],
        "activity": str(Label.MALICIOUS),
        **({"technique": body.technique} if body.technique else {}),
        "start": body.start,
        **({"conditions": dict(owner.trial.conditions)} if owner.trial.conditions else {}),
        "simulate": steps,
    }


@record(kw_only=True)
class ProbeVerdict:
    """A probe as a scenario of its own: its telemetry in an engine, the rule's alerts, and the rule's mutants."""

    case: int
    batch: Batch
    own: tuple[Alert, ...]
    mutants: Mapping[AlertKey, Mutant]


def judge_probe_alone(probed: LoadedProbes, case: int, text: str, connected: Engine) -> ProbeVerdict:
    """Reads a scenario's text and runs the rule on it."""
    owner = probed.owners[case]
    path = probed.variants[case].scenario.path.parent / "killer.yaml"
    document = load(Source(str(path), text))
    scenario = Scenario(path=path, body=convert_document(document, ScenarioBody), document=document)
    telemetry = record_scenario(scenario, owner.trial.conditions)
    platform = language(owner.trial.rule.language).platform
    batch = Batch(connected, platform, [Lot(telemetry=telemetry, conditions=owner.trial.conditions)])
    now = compute_search_now(telemetry)
    root = owner.trial.query.plan(probed.columns, replace(owner.trial.settings, now=now)).node
    listed = list_rule_mutants(owner.trial, root, probed.columns, now)
    return ProbeVerdict(case=case, batch=batch, own=batch.alerts(root)[0], mutants={m.key: m for m in listed})


def build_killer_expectation(found: ProbeVerdict, key: AlertKey, rule: str) -> dict[str, Any] | None:
    """What a scenario expects of the rule and a mutant fails; None where it does not tell them apart."""
    if key not in found.mutants:
        return None
    own, mine = found.own, found.batch.alerts(found.mutants[key].node)[0]
    if bool(own) != bool(mine):
        outcome = ("malicious", "true positive") if own else ("benign", "true negative")
        return {"activity": outcome[0], "rule": rule, "outcome": outcome[1]}
    fields = telling_fields(own, mine)
    return {"activity": "malicious", "rule": rule, "outcome": "true positive", "alert": fields} if fields else None


def telling_fields(own: Sequence[Alert], mine: Sequence[Alert]) -> Mapping[str, CellValue]:
    """Fields of one of the rule's alerts that no alert of the mutant has."""
    for alert in own:
        nearest = [
            {n: v for n, v in alert.fields.items() if not is_same_value(other.fields.get(n), v)} for other in mine
        ]
        if nearest and all(nearest):
            # The fewest fields that tell: more would also pin what the mutant did not change.
            return min(nearest, key=len)
    return {}
