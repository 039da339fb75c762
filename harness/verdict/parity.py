"""Two renderings of one detection on one truth: where they agree, where not, and which clause separates them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter

from harness.detection.engine import open_engine
from harness.detection.language import language
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, Source
from harness.record import record
from harness.scenario.scenario import Scenario
from harness.telemetry.events.event import Cause
from harness.verdict.alerts import NOBODY, Alert
from harness.verdict.explain import Explanation, explain
from harness.verdict.judge import Trial
from harness.verdict.mutate.mutants import Mutant, mutants
from harness.verdict.mutate.probes import bases, probes
from harness.verdict.rows_behind import Labels
from harness.verdict.store import compute_search_now
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.emptiness import require_alerts
from harness.verdict.study.ensemble import Ensemble, LabelledTrial, Variant, behaviours_of, keep_possible, lot

# The order is a judgement, no source: lists come first, since people edit them by hand in each rendering.
RANKS = {"member": 0, "clause": 0, "pattern": 1, "key": 2, "bucket": 2, "number": 3, "aggregate": 3, "filter": 4}
"""Kinds of change that may separate two renderings; of changes that settle a case alike the first kind is named."""

# Chosen, no source; both rules take turns, so each has half of them.
MOST_PROBES = 1500
# Chosen, no source: every mutant of the silent rule is run on them.
MOST_STUDIED = 60
# Chosen, no source: each change of a rule is a run over all recorded events.
MOST_SECONDS = 120.0
SIDES = 2


@record(kw_only=True)
class ParitySide:
    """What one rendering said of a case: alerts, whose doing they are, and of a silent one where events were lost."""

    alerts: int
    causes: frozenset[Cause] = frozenset()
    values: tuple[frozenset[str], ...] = ()
    explanation: Explanation | None = None


@record(kw_only=True)
class Compared:
    """One case under both renderings."""

    name: str
    sides: tuple[ParitySide, ParitySide]

    @property
    def agree(self) -> bool:
        """Whether both alert or both are silent."""
        return bool(self.sides[0].alerts) == bool(self.sides[1].alerts)

    @property
    def alike(self) -> bool:
        """Whether they also give as many alerts."""
        return self.sides[0].alerts == self.sides[1].alerts


@record(kw_only=True)
class ParityDifference:
    """A change that alone makes one rendering agree with the other, and the cases in which it does.

    `side` is the rendering that is changed: 0 is the first.
    """

    side: int
    mutant: Mutant
    cases: tuple[str, ...]


@record(kw_only=True)
class Parity:
    """Both renderings on all cases: scenarios first, then probes made from the texts of both.

    Of `recorded` events the causes stand in place of scenarios.
    """

    rules: tuple[Source, Source]
    scenarios: tuple[Compared, ...]
    probes: tuple[Compared, ...]
    differences: tuple[ParityDifference, ...]
    seconds: float
    recorded: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether no case tells them apart."""
        return all(c.agree for c in (*self.scenarios, *self.probes))


def parity(first: Sequence[LabelledTrial], second: Sequence[LabelledTrial], *, search: bool = True) -> Parity:
    """Compares two renderings on the same scenarios, given for each in the same order."""
    began = perf_counter()
    if not first or len(first) != len(second):
        raise HarnessError("no-scenarios", "there is nothing to run both rules on", help="name scenarios")
    connected = [Rendering(first), Rendering(second)]
    try:
        told = [r.sides([s.lot for s in r.subjects]) for r in connected]
        pairs = list(zip(first, second, *told, strict=True))
        scenarios = tuple(explain_disagreement(Compared(name=a.name, sides=(x, y)), a, b) for a, b, x, y in pairs)
        cases = [ParityCase(c, (a.lot, b.lot)) for c, (a, b, _, _) in zip(scenarios, pairs, strict=True)]
        found: list[ParityCase] = []
        if search:
            found = list(
                judge_probes(
                    connected,
                    keep_possible(list(mix_probes(connected, bases(first, [not c.agree for c in scenarios])))),
                )
            )
        differences = tuple(find_separating_changes(connected, [*cases, *choose_even_cases(found)]))
    finally:
        for rendering in connected:
            rendering.close()
    return Parity(
        rules=(first[0].trial.rule.query, second[0].trial.rule.query),
        scenarios=scenarios,
        probes=tuple(c.compared for c in found),
        differences=differences,
        seconds=perf_counter() - began,
    )


@record
class ParityCase:
    """What was compared, and the telemetry of each rendering to run it again."""

    compared: Compared
    lots: tuple[Lot, Lot]


def choose_even_cases(found: Sequence[ParityCase]) -> list[ParityCase]:
    """Probes on which the two differ, an even choice of many."""
    differing = [c for c in found if not c.compared.agree]
    step = max(1, len(differing) // MOST_STUDIED)
    # Spread over all, since neighbours come from one text of a rule and differ for the same reason.
    return differing[::step][:MOST_STUDIED]


def compare_recorded(first: LabelledTrial, second: LabelledTrial, *, search: bool = True) -> Parity:
    """Compares two renderings on a world or on recorded events, by what each alerts on: every cause is a case.

    Each has an engine of its own. With `search` the changes are looked for that alone would bring the other's alerts.
    """
    began = perf_counter()
    with Ensemble([first]) as one, Ensemble([second]) as two:
        alerts = [e.alerts()[0] for e in (one, two)]
        if not any(alerts):
            require_alerts(one, alerts[0])
        told = [count_alerts_by_cause(each) for each in alerts]
        causes = sorted({*told[0], *told[1]}, key=lambda c: (not c.malicious, c.name, c.host))
        compared = tuple(
            Compared(
                name=describe_cause(c),
                sides=(ParitySide(alerts=told[0].get(c, 0)), ParitySide(alerts=told[1].get(c, 0))),
            )
            for c in causes
        )
        differences: list[ParityDifference] = []
        if search:
            for place, ensemble in enumerate((one, two)):
                missed = {
                    c: x for c, x in zip(causes, compared, strict=True) if not x.agree and not x.sides[place].alerts
                }
                differences += find_recorded_changes(ensemble, place, missed)
        names = (first.trial.rule.name, second.trial.rule.name)
        remarks = tuple(f"{n}: {gap}" for n, e in zip(names, (one, two), strict=True) for gap in e.world_gaps)
    return Parity(
        rules=(first.trial.rule.query, second.trial.rule.query),
        scenarios=compared,
        probes=(),
        differences=tuple(differences),
        seconds=perf_counter() - began,
        recorded=True,
        remarks=remarks,
    )


UNKNOWN_CAUSE = Cause(name=NOBODY, malicious=False)


def describe_cause(cause: Cause) -> str:
    """A cause in words."""
    what = "attack" if cause.malicious else "benign"
    return f"{cause.name} on {cause.host} ({what})" if cause.host else f"{cause.name} ({what})"


def count_alerts_by_cause(alerts: Sequence[Alert]) -> dict[Cause, int]:
    """How many alerts rest on each cause."""
    found: dict[Cause, int] = {}
    for alert in alerts:
        for cause in alert.causes or (UNKNOWN_CAUSE,):
            found[cause] = found.get(cause, 0) + 1
    return found


def find_recorded_changes(
    ensemble: Ensemble, place: int, missed: Mapping[Cause, Compared]
) -> Iterator[ParityDifference]:
    """For each cause that a rendering is silent on the likeliest change of it that alerts there."""
    left = dict(missed)
    ranked = [m for m in mutants(ensemble.plan.node) if m.kind in RANKS] if left else []
    ends = perf_counter() + MOST_SECONDS
    for mutant in sorted(ranked, key=lambda m: (RANKS[m.kind], measure_change(m))):
        if not left or perf_counter() > ends:
            return
        try:
            alerts = ensemble.batch.alerts(mutant.node)[0]
        except HarnessError:
            continue
        seen = [c for c in count_alerts_by_cause(alerts) if c in left]
        if seen:
            yield ParityDifference(side=place, mutant=mutant, cases=tuple(left.pop(c).name for c in seen))


class Rendering:
    """One of the two: its subjects, an engine, and the plan over what is loaded there now."""

    def __init__(self, subjects: Sequence[LabelledTrial]) -> None:
        self.subjects = tuple(subjects)
        self.trial = subjects[0].trial
        self.connected = open_engine(self.trial.engine.name)
        self.batch: Batch
        self.root: Node

    def close(self) -> None:
        """Closes the engine."""
        self.connected.close()

    def sides(self, lots: Sequence[Lot]) -> list[ParitySide]:
        """Loads telemetry and says what the rule says of each case."""
        trial = self.trial
        self.batch = Batch(self.connected, language(trial.rule.language).platform, lots, raw=trial.query.raw)
        now = trial.settings.now or max((compute_search_now(each.telemetry) for each in lots), default=0.0)
        settings = replace(trial.settings, now=now)
        meant = self.batch.meanings(
            lambda ask: trial.query.plan(self.batch.columns, replace(settings, ask=ask)), range(self.batch.size)
        )
        self.root = meant[0][0].node
        self.batch.narrow([plan.node for plan, _ in meant])
        found: dict[int, ParitySide] = {}
        for plan, cases in meant:
            alerts = self.batch.alerts(plan.node)
            found |= {case: side(alerts[case]) for case in cases}
        return [found[case] for case in range(self.batch.size)]


def side(alerts: Sequence[Alert]) -> ParitySide:
    """Alerts counted, with their causes and their text values."""
    values = tuple(frozenset(str(v) for v in a.fields.values() if isinstance(v, str)) for a in alerts)
    return ParitySide(alerts=len(alerts), causes=frozenset(c for a in alerts for c in a.causes), values=values)


def mix_probes(connected: Sequence[Rendering], chosen: Sequence[Scenario]) -> Iterator[Variant]:
    """Probes from the texts of both rules, in turns."""
    series = [iter(probes(r.root, chosen)) for r in connected]
    for _ in range(MOST_PROBES // SIDES):
        for each in series:
            found = next(each, None)
            if found is not None:
                yield found


def judge_probes(connected: Sequence[Rendering], variants: Sequence[Variant]) -> Iterator[ParityCase]:
    """Both renderings on each probe, under the conditions of the scenario that it varies."""
    if not variants:
        return
    by_path = {s.scenario.path: s for s in connected[0].subjects if s.scenario is not None}
    grouped: dict[tuple[tuple[str, str], ...], list[Variant]] = {}
    for variant in variants:
        chosen = by_path[variant.scenario.path].trial.conditions
        grouped.setdefault(tuple(sorted(chosen.items())), []).append(variant)
    ordered = [(v, dict(chosen)) for chosen, several in grouped.items() for v in several]
    lots = [lot(several, dict(chosen)) for chosen, several in grouped.items()]
    told = [rendering.sides(lots) for rendering in connected]
    for (variant, chosen_for), x, y in zip(ordered, told[0], told[1], strict=True):
        compared = Compared(name=describe_variant(variant), sides=(x, y))
        # Only what differs is simulated again by itself; what agrees is never run again.
        alone = lot([variant], chosen_for) if not compared.agree else Lot(telemetry=lots[0].telemetry)
        yield ParityCase(compared, (alone, alone))


def describe_variant(variant: Variant) -> str:
    """A probe in words: its scenario and its changed parameters."""
    steps = variant.steps(behaviours_of(variant.scenario, {}))
    changes = [f"{n}={v}" for n, v in variant.given.items()]
    if variant.again is not None:
        changes.append("and again with " + (", ".join(f"{n}={v}" for n, v in variant.again.items()) or steps[-1].host))
    return f"{variant.scenario.name} with {', '.join(changes)}"


def explain_disagreement(compared: Compared, first: LabelledTrial, second: LabelledTrial) -> Compared:
    """A disagreement with the explanation of the silent rendering."""
    if compared.agree:
        return compared
    sides = list(compared.sides)
    for place, subject in enumerate((first, second)):
        if not sides[place].alerts:
            wanted = sides[1 - place].causes
            sides[place] = replace(sides[place], explanation=explain_silence(subject.trial, wanted))
    return replace(compared, sides=(sides[0], sides[1]))


def explain_silence(trial: Trial, wanted: frozenset[Cause]) -> Explanation:
    """Where a silent rule loses the events of those causes that the other alerts on, an attack's or not."""
    plan = trial.plan()
    truth = trial.store.truth
    numbers = [i for i, cause in enumerate(truth.causes) if cause in wanted]
    return explain(plan, trial.engine, Labels(malicious=truth.find_events(numbers), total=truth.size))


def find_separating_changes(connected: Sequence[Rendering], cases: Sequence[ParityCase]) -> Iterator[ParityDifference]:
    """For each case the single change of the silent rendering that brings its alerts nearest to the other's."""
    for place, rendering in enumerate(connected):
        wanted = [c for c in cases if not c.compared.agree and not c.compared.sides[place].alerts]
        if not wanted:
            continue
        rendering.sides([c.lots[place] for c in wanted])
        chosen: dict[int, tuple[tuple[int, int, int], Mutant]] = {}
        for mutant in mutants(rendering.root):
            if mutant.kind in RANKS:
                for i, shared in find_agreeing_cases(rendering.batch, mutant, wanted, 1 - place):
                    # The change whose alerts hold most of the other's values, then the likelier
                    # kind, then the smaller place.
                    worth = (-shared, RANKS[mutant.kind], measure_change(mutant))
                    if i not in chosen or worth < chosen[i][0]:
                        chosen[i] = (worth, mutant)
        groups: dict[tuple[str, str, int, int], ParityDifference] = {}
        for i, (_, mutant) in sorted(chosen.items()):
            known = groups.get(mutant.key)
            names = (*(known.cases if known else ()), wanted[i].compared.name)
            groups[mutant.key] = ParityDifference(side=place, mutant=mutant, cases=names)
        yield from sorted(groups.values(), key=lambda d: (d.mutant.line, measure_change(d.mutant)))


def find_agreeing_cases(
    batch: Batch, mutant: Mutant, wanted: Sequence[ParityCase], other: int
) -> Iterator[tuple[int, int]]:
    """The cases in which a changed rendering alerts on what the other alerts on, and how much alike both are."""
    try:
        alerts = batch.alerts(mutant.node)
    except HarnessError:
        return
    for i, case in enumerate(wanted):
        mine, theirs = side(alerts[i]), case.compared.sides[other]
        if mine.causes & theirs.causes:
            yield i, max((len(a & b) for a in mine.values for b in theirs.values), default=0)


def measure_change(mutant: Mutant) -> int:
    """How much of the text a change touches."""
    # What the text does not hold comes last: nobody could make that change.
    return mutant.place.end - mutant.place.start if mutant.place else 10**9
