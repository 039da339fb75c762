"""Mutation testing of detection tests: which changes of a rule its scenarios notice, and what would show the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING

from harness.detection.plan.expressions import Column
from harness.detection.plan.nodes import Node, Select
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError, Source
from harness.record import record
from harness.verdict.alerts import Alert
from harness.verdict.mutate.equivalence import canonicalise_plan
from harness.verdict.mutate.mutants import Mutant
from harness.verdict.mutate.scenario_suggestions import AlertKey, Killer, killers
from harness.verdict.mutate.time_spans import list_rule_mutants
from harness.verdict.study.emptiness import require_alerts
from harness.verdict.study.ensemble import Ensemble, LabelledTrial, classify_outcome, is_noticed
from harness.verdict.tune.thresholds import find_thresholds

if TYPE_CHECKING:
    from harness.telemetry.simulation.world.simulate_world import ProgressCallback


# Chosen, no source: as long as a person waits for an answer.
DEFAULT_SECONDS = 60.0


class Fate(StrEnum):
    """What became of a mutant.

    EQUIVALENT ones give the same alerts whatever the events are, DUPLICATE ones are the same as another mutant.
    COSMETIC ones change how often values stand in a list that no expectation looks at, TIE ones what becomes of a
    computed fraction that is exactly the number. BROKEN ones cannot be run: nobody would ship them. None of these
    counts.
    """

    KILLED = "killed"
    SURVIVED = "survived"
    COSMETIC = "cosmetic"
    TIE = "tie"
    EQUIVALENT = "equivalent"
    DUPLICATE = "duplicate"
    BROKEN = "broken"


@record(kw_only=True)
class JudgedMutant:
    """A mutant, its fate, and the scenario that killed it or one that would."""

    mutant: Mutant
    fate: Fate
    by: str = ""
    killer: Killer | None = None


@record(kw_only=True)
class KillerSearchReport:
    """How long killers were looked for among how many probes, and for how many survivors there was no time."""

    probes: int
    seconds: float
    allowed: float
    left: int


@record(kw_only=True)
class Mutation:
    """The mutants of a rule against the scenarios that expect something of it."""

    rule: Source
    mutants: tuple[JudgedMutant, ...]
    expectations: int
    failing: tuple[str, ...]
    seconds: float
    search: KillerSearchReport | None = None
    recorded: bool = False
    remarks: tuple[str, ...] = ()

    def count(self, fate: Fate) -> int:
        """How many mutants ended so."""
        return sum(m.fate is fate for m in self.mutants)

    @property
    def score(self) -> float:
        """Killed mutants by all that change what the rule does; 1 where there is none."""
        alive, dead = self.count(Fate.SURVIVED), self.count(Fate.KILLED)
        return dead / (alive + dead) if alive + dead else 1.0

    @property
    def survivors(self) -> tuple[JudgedMutant, ...]:
        """Those that no scenario noticed."""
        return tuple(m for m in self.mutants if m.fate is Fate.SURVIVED)


def mutate(
    subjects: Sequence[LabelledTrial],
    *,
    search: float = DEFAULT_SECONDS,
    progress: ProgressCallback | None = None,
) -> Mutation:
    """Runs every mutant of a rule's text on the scenarios and looks `search` seconds for others that kill survivors.

    Of recorded events or a world a mutant is noticed where it alerts on another attack or another number of times.
    Where values in the events name a rule's columns, its mutants have the same columns, and no killers are looked for.
    Raises HarnessError where no scenario expects anything of the rule.
    """
    began = perf_counter()
    if not subjects:
        raise unexpected_rule()
    recorded = subjects[0].scenario is None
    with Ensemble(subjects) as ensemble:
        # Mutants read no column that the rule does not read.
        ensemble.batch.narrow([plan.node for plan, _ in ensemble.plans])
        before = ensemble.alerts()
        if recorded:
            require_alerts(ensemble, before[0])
        noticed = [is_noticed(s, a) for s, a in zip(subjects, before, strict=True)]
        # An expectation that fails already would kill every mutant.
        sound = [i for i, fails in enumerate(noticed) if not fails]
        tried = all_tried(ensemble, sound, before, progress)
    # Values that name columns, and what was recorded, cannot be made anew.
    made_anew = search and not recorded and not any(plan.asked for plan, _ in ensemble.plans)
    report = suggest_killers(ensemble, before, tried, search) if made_anew else None
    ordered = sorted(tried.values(), key=lambda t: (t.mutant.place.start if t.mutant.place else -1, t.mutant.what))
    return Mutation(
        rule=subjects[0].trial.rule.query,
        mutants=tuple(ordered),
        expectations=len(sound),
        failing=tuple(s.name for s, fails in zip(subjects, noticed, strict=True) if fails),
        seconds=perf_counter() - began,
        search=report,
        recorded=recorded,
        remarks=ensemble.world_gaps,
    )


def unexpected_rule() -> HarnessError:
    """What is said where no scenario names the rule."""
    message = "no scenario expects anything of this rule, so none could notice a change"
    return HarnessError("no-expectations", message, help="add the rule to a scenario's `expect:`")


def suggest_killers(
    ensemble: Ensemble, before: Before, tried: dict[AlertKey, JudgedMutant], seconds: float
) -> KillerSearchReport | None:
    """Adds to survivors the scenarios that would kill them, where some are found in time."""
    survivors = [m for m, t in tried.items() if t.fate is Fate.SURVIVED]
    if not survivors:
        return None
    subjects = ensemble.subjects
    pairs = zip(subjects, before, strict=True)
    seen = [bool(a) and classify_outcome(s, a).short in ("TP", "FP") for s, a in pairs]
    hunt = killers(subjects, seen, survivors, ensemble.batch.columns, seconds=seconds)
    for key, killer in hunt.found.items():
        tried[key] = replace(tried[key], killer=killer)
    return KillerSearchReport(probes=hunt.probes, seconds=hunt.seconds, allowed=seconds, left=hunt.left)


Before = Sequence[tuple[Alert, ...]]


def all_tried(
    ensemble: Ensemble, sound: Sequence[int], before: Before, progress: ProgressCallback | None
) -> dict[AlertKey, JudgedMutant]:
    """Each mutant's fate over all meanings that the rule has for these subjects: one noticing scenario kills it."""
    found: dict[AlertKey, JudgedMutant] = {}
    source = ensemble.subjects[0].trial.rule.query
    judged = list_judged_fields(ensemble.subjects)
    for plan, numbers in ensemble.plans:
        mine = [n for n in numbers if n in sound]
        own, shown = canonicalise_plan(plan.node), canonicalise_plan(keep_columns(plan.node, judged))
        known: Forms = {}
        trial = ensemble.subjects[numbers[0]].trial
        now = trial.settings.now or trial.store.end(trial.conditions)
        listed = list_rule_mutants(trial, plan.node, ensemble.batch.columns, now)
        every = [m for m in listed if is_written(m, source)]
        for number, mutant in enumerate(every):
            if progress:
                progress(mutant.what, number, len(every))
            # Killed in one meaning of the rule is killed.
            if found.get(mutant.key) is not None and found[mutant.key].fate is Fate.KILLED:
                continue
            fate, twin = sameness(mutant, own, known)
            by = found[twin].by if twin and found[twin].fate is Fate.KILLED else ""
            made = JudgedMutant(mutant=mutant, fate=fate, by=by) if fate else run_mutant(ensemble, mutant, mine, before)
            if made.fate is Fate.SURVIVED:
                made = replace(made, fate=tell_survivor(mutant, plan.node, shown, judged))
            found[mutant.key] = better(found.get(mutant.key), made)
    return found


def is_written(mutant: Mutant, source: Source) -> bool:
    """Whether a person could make the change: the rule's own text holds what is changed."""
    place = mutant.place
    return place is not None and place.source == source and mutant.written


def list_judged_fields(subjects: Sequence[LabelledTrial]) -> frozenset[str] | None:
    """The fields of alerts that some expectation looks at; None where all are, as in recorded events."""
    if any(s.expectation is None for s in subjects):
        return None
    return frozenset(name for s in subjects if s.expectation for name in s.expectation.alert or ())


def keep_columns(root: Node, judged: frozenset[str] | None) -> Node:
    """The plan with only the columns that are judged; its rows stay as many."""
    if judged is None:
        return root
    return Select(source=root, columns=tuple((n, Column(n)) for n in columns_of(root) if n in judged))


def tell_survivor(mutant: Mutant, root: Node, shown: Node, judged: frozenset[str] | None) -> Fate:
    """What a mutant is that nobody noticed: one that nobody could, or a real survivor."""
    if mutant.repetition and canonicalise_plan(keep_columns(mutant.node, judged)) == shown:
        return Fate.COSMETIC
    return Fate.TIE if is_tie(mutant, root) else Fate.SURVIVED


def is_tie(mutant: Mutant, root: Node) -> bool:
    """Whether only the boundary of a comparison moved whose value is a quotient, a mean or the like."""
    for threshold in find_thresholds(root):
        span, place = threshold.comparison.span, mutant.place
        if threshold.rounded and span and place and (span.start, span.end) == (place.start, place.end):
            return mutant.boundary
    return False


Forms = dict[int, list[tuple[Node, AlertKey]]]


def sameness(mutant: Mutant, own: Node, known: Forms) -> tuple[Fate | None, AlertKey | None]:
    """Whether a mutant is the rule itself, or a mutant that was seen before, and which, in another guise."""
    form = canonicalise_plan(mutant.node)
    if form == own:
        return Fate.EQUIVALENT, None
    # By length first: comparing every two plans would be the square of hundreds.
    alike = known.setdefault(len(repr(form)), [])
    twin = next((key for other, key in alike if other == form), None)
    if twin is not None:
        return Fate.DUPLICATE, twin
    alike.append((form, mutant.key))
    return None, None


def run_mutant(ensemble: Ensemble, mutant: Mutant, numbers: Sequence[int], before: Before) -> JudgedMutant:
    """A mutant on all subjects of one meaning."""
    try:
        alerts: tuple[tuple[Alert, ...], ...] = ensemble.batch.alerts(mutant.node)
    except HarnessError as error:
        return JudgedMutant(mutant=mutant, fate=Fate.BROKEN, by=error.message)
    for number in numbers:
        subject = ensemble.subjects[number]
        own = subject.expectation is None and describe_alerts(alerts[number]) != describe_alerts(before[number])
        if own or is_noticed(subject, alerts[number]):
            return JudgedMutant(mutant=mutant, fate=Fate.KILLED, by=ensemble.subjects[number].name)
    return JudgedMutant(mutant=mutant, fate=Fate.SURVIVED)


def describe_alerts(alerts: Sequence[Alert]) -> tuple[int, frozenset[tuple[str, str]]]:
    """How many alerts rest on no attack, and which attacks the others rest on."""
    attacks = frozenset((c.name, c.host) for a in alerts for c in a.causes if c.malicious)
    return sum(not a.malicious for a in alerts), attacks


FATE_ORDER = (Fate.KILLED, Fate.SURVIVED, Fate.TIE, Fate.COSMETIC, Fate.BROKEN, Fate.DUPLICATE, Fate.EQUIVALENT)


def better(old: JudgedMutant | None, new: JudgedMutant) -> JudgedMutant:
    """What is known of a mutant after another meaning of the rule: killed in one is killed."""
    return new if old is None or rank(new) < rank(old) else old


def rank(tried: JudgedMutant) -> float:
    """What counts more of two fates; the double of a mutant that was killed was noticed too, but is not counted."""
    # Between killed and survived: told as a survivor it would be counted although a scenario notices it.
    return 0.5 if tried.fate is Fate.DUPLICATE and tried.by else FATE_ORDER.index(tried.fate)
