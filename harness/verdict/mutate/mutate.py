"""Mutation testing of detection tests: which changes of a rule its scenarios notice, and what would show the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING

from harness.detection.engine import open_engine
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, Source
from harness.verdict.alerts import Alert
from harness.verdict.mutate.equivalence import canonicalise_plan
from harness.verdict.mutate.mutants import Mutant, mutants
from harness.verdict.mutate.scenario_suggestions import AlertKey, Killer, killers
from harness.verdict.study.ensemble import Ensemble, LabelledTrial, classify_outcome, is_noticed

if TYPE_CHECKING:
    from harness.telemetry.simulation.world.simulate_world import ProgressCallback


class Fate(StrEnum):
    """What became of a mutant.

    EQUIVALENT ones give the same alerts whatever the events are, DUPLICATE ones are the same as another mutant; neither
    counts. BROKEN ones cannot be run: nobody would ship them.
    """

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"
    DUPLICATE = "duplicate"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMutant:
    """A mutant, its fate, and the scenario that killed it or one that would."""

    mutant: Mutant
    fate: Fate
    by: str = ""
    killer: Killer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """The mutants of a rule against the scenarios that expect something of it."""

    rule: Source
    mutants: tuple[JudgedMutant, ...]
    expectations: int
    failing: tuple[str, ...]
    seconds: float

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
    subjects: Sequence[LabelledTrial], *, search: bool = True, progress: ProgressCallback | None = None
) -> Mutation:
    """Runs every mutant of a rule on the scenarios; `search` looks for scenarios that kill those that survive.

    Where values in the events name a rule's columns, its mutants have the same columns, and no killers are looked for.

    Raises HarnessError where no scenario expects anything of the rule.
    """
    began = perf_counter()
    if not subjects:
        message = "no scenario expects anything of this rule, so none could notice a change"
        raise HarnessError("no-expectations", message, help="add the rule to a scenario's `expect:`")
    with Ensemble(subjects, open_engine(subjects[0].trial.engine.name)) as ensemble:
        # Mutants read no column that the rule does not read.
        ensemble.batch.narrow([plan.node for plan, _ in ensemble.plans])
        before = ensemble.alerts()
        failing = tuple(s.name for s, a in zip(subjects, before, strict=True) if is_noticed(s, a))
        # An expectation that fails already would kill every mutant.
        sound = [i for i, (s, a) in enumerate(zip(subjects, before, strict=True)) if not is_noticed(s, a)]
        tried = all_tried(ensemble, sound, progress)
        columns = ensemble.batch.columns
    asked = any(plan.asked for plan, _ in ensemble.plans)
    survivors = [m for m, t in tried.items() if t.fate is Fate.SURVIVED and not asked]
    if search and survivors:
        seen = [bool(a) and classify_outcome(s, a).short in ("TP", "FP") for s, a in zip(subjects, before, strict=True)]
        for key, killer in killers(subjects, seen, survivors, columns).items():
            old = tried[key]
            tried[key] = JudgedMutant(mutant=old.mutant, fate=old.fate, killer=killer)
    ordered = sorted(tried.values(), key=lambda t: (t.mutant.place.start if t.mutant.place else -1, t.mutant.what))
    return Mutation(
        rule=subjects[0].trial.rule.query,
        mutants=tuple(ordered),
        expectations=len(sound),
        failing=failing,
        seconds=perf_counter() - began,
    )


def all_tried(
    ensemble: Ensemble, sound: Sequence[int], progress: ProgressCallback | None
) -> dict[AlertKey, JudgedMutant]:
    """Each mutant's fate over all meanings that the rule has for these subjects: one noticing scenario kills it."""
    found: dict[AlertKey, JudgedMutant] = {}
    for plan, numbers in ensemble.plans:
        mine = [n for n in numbers if n in sound]
        own = canonicalise_plan(plan.node)
        known: Forms = {}
        every = mutants(plan.node)
        for number, mutant in enumerate(every):
            if progress:
                progress(mutant.what, number, len(every))
            # Killed in one meaning of the rule is killed.
            if found.get(mutant.key) is not None and found[mutant.key].fate is Fate.KILLED:
                continue
            fate, twin = sameness(mutant, own, known)
            by = found[twin].by if twin and found[twin].fate is Fate.KILLED else ""
            made = JudgedMutant(mutant=mutant, fate=fate, by=by) if fate else run_mutant(ensemble, mutant, mine)
            found[mutant.key] = better(found.get(mutant.key), made)
    return found


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


def run_mutant(ensemble: Ensemble, mutant: Mutant, numbers: Sequence[int]) -> JudgedMutant:
    """A mutant on all subjects of one meaning."""
    try:
        alerts: tuple[tuple[Alert, ...], ...] = ensemble.batch.alerts(mutant.node)
    except HarnessError as error:
        return JudgedMutant(mutant=mutant, fate=Fate.BROKEN, by=error.message)
    for number in numbers:
        if is_noticed(ensemble.subjects[number], alerts[number]):
            return JudgedMutant(mutant=mutant, fate=Fate.KILLED, by=ensemble.subjects[number].name)
    return JudgedMutant(mutant=mutant, fate=Fate.SURVIVED)


FATE_ORDER = (Fate.KILLED, Fate.SURVIVED, Fate.BROKEN, Fate.DUPLICATE, Fate.EQUIVALENT)


def better(old: JudgedMutant | None, new: JudgedMutant) -> JudgedMutant:
    """What is known of a mutant after another meaning of the rule: killed in one is killed."""
    return new if old is None or rank(new) < rank(old) else old


def rank(tried: JudgedMutant) -> float:
    """What counts more of two fates; the double of a mutant that was killed was noticed too, but is not counted."""
    # Between killed and survived: told as a survivor it would be counted although a scenario notices it.
    return 0.5 if tried.fate is Fate.DUPLICATE and tried.by else FATE_ORDER.index(tried.fate)
