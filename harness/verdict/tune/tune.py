"""What the numbers of a rule should be: each one's values, how well they catch, what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from harness.detection.language import language
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, Source, did_you_mean
from harness.verdict.study.emptiness import describe_emptiness
from harness.verdict.study.ensemble import Ensemble, LabelledTrial
from harness.verdict.study.population import LEAST_SECONDS
from harness.verdict.tune.allowlist import AllowlistEntry, entries
from harness.verdict.tune.choice import Candidates, Choice, GridSetting, choose_for_objective, find_knee, sharpen_front
from harness.verdict.tune.grid import Grid, grid
from harness.verdict.tune.groups import select_varied_thresholds
from harness.verdict.tune.margins import find_same_range, margins
from harness.verdict.tune.numbers_in_text import NumberInText, Role, find_numbers
from harness.verdict.tune.observations import Observations, Point, observe
from harness.verdict.tune.regularity import Opinion, opinions
from harness.verdict.tune.reruns import Reruns, Tried
from harness.verdict.tune.result import CaseShare, Explored, Knob, Tuning, Wishes
from harness.verdict.tune.thresholds import Threshold, find_thresholds

# Chosen, no source: a table that fits on a screen.
MOST_ON_FRONT = 25


@dataclass(slots=True, kw_only=True)
class Study:
    """A rule with its events loaded and its numbers found; what is worked out once for all of the answer."""

    ensemble: Ensemble
    wishes: Wishes
    thresholds: tuple[Threshold, ...]
    varied: tuple[Threshold, ...]
    numbers: tuple[NumberInText, ...]
    observed: Observations

    @property
    def root(self) -> Node:
        """The rule's plan."""
        return self.ensemble.plan.node

    @property
    def rule(self) -> Source:
        """The rule's text."""
        return self.ensemble.subjects[0].trial.rule.query

    def point(self, setting: GridSetting) -> Point:
        """The rule at a setting."""
        found = setting.tried.observed.point(setting.literals, confidence=self.wishes.confidence, seed=self.wishes.seed)
        return replace(found, values=setting.values)

    def front(self, candidates: Candidates) -> list[GridSetting]:
        """The points that no other beats, finer than the grid where there is time."""
        found = candidates.on_front(MOST_ON_FRONT)
        return sharpen_front(candidates, found) if self.wishes.seconds else found

    def exclusions(self, published: Point) -> tuple[AllowlistEntry, ...]:
        """The best exclusions, each run, where they are wanted and there is something to exclude."""
        wanted = self.wishes.exclusions and published.false_alerts
        return entries(self.ensemble.batch, self.root, self.observed) if wanted else ()

    def opinions(self, published: Point) -> tuple[Opinion, ...]:
        """What statistics of waits find at as many false alerts, where that is wanted."""
        if not self.wishes.opinions:
            return ()
        return opinions(self.ensemble.batch, self.root, self.observed.population, published.false_alerts)


def tune(subjects: Sequence[LabelledTrial], wishes: Wishes | None = None) -> Tuning:
    """Judges the combinations of a rule's numbers on telemetry that is loaded and grouped once.

    Raises HarnessError where there is no number to vary, no attack, or no group at any value of the thresholds.
    """
    began = perf_counter()
    with Ensemble(subjects) as ensemble:
        study = begin_study(ensemble, wishes or Wishes())
        return answer(study, began)


def begin_study(ensemble: Ensemble, wishes: Wishes) -> Study:
    """Finds the rule's numbers and runs it once up to its last grouping."""
    trial = ensemble.subjects[0].trial
    root = ensemble.plan.node
    # Found in the plan and not in the text: a macro's or a sub-query's thresholds count as well.
    thresholds = find_thresholds(root)
    varied = select_varied_thresholds(thresholds)
    numbers: tuple[NumberInText, ...] = ()
    if wishes.seconds > 0 and not ensemble.plan.asked:
        found = find_numbers(trial.rule.query, root, partial(plan_text, ensemble, wishes))
        numbers = tuple(order_numbers(n for n in found if not is_among(n, varied)))
    check_wishes(varied, numbers, thresholds, trial.rule.query, wishes)
    watched = ensemble.watched
    if not watched.attacks:
        hint = "name scenarios of attacks, or say with --malicious FIELD=VALUE which events are an attack's"
        raise HarnessError("no-attacks", "none of the events is an attack's, so nothing could be caught", help=hint)
    observed = observe(ensemble.batch, root, varied, watched, shown=wishes.exclusions)
    return Study(
        ensemble=ensemble,
        wishes=wishes,
        thresholds=thresholds,
        varied=varied,
        numbers=numbers,
        observed=observed,
    )


def plan_text(ensemble: Ensemble, wishes: Wishes, text: str) -> Node:
    """The plan of an edited rule over the loaded events."""
    trial = ensemble.subjects[0].trial
    source = Source(trial.rule.query.name, text)
    query = language(trial.rule.language).parse(source, wishes.strictness, trial.settings)
    settings = replace(trial.settings, now=trial.settings.now or trial.store.end(trial.conditions))
    return query.plan(ensemble.batch.columns, settings).node


def is_among(number: NumberInText, thresholds: Sequence[Threshold]) -> bool:
    """Whether a number is one of these thresholds."""
    own = number.place
    return any(t.place and t.place.source == own.source and t.place.start == own.start for t in thresholds)


def order_numbers(found: Iterator[NumberInText]) -> list[NumberInText]:
    """Those that people tune before those that they rarely do: thresholds first, weights last."""
    return sorted(found, key=lambda n: (list(Role).index(n.role), n.place.start))


def answer(study: Study, began: float) -> Tuning:
    """Explores, chooses, and describes."""
    wishes, observed = study.wishes, study.observed
    grouped = perf_counter()
    given = {str(t): v for t in study.varied if (v := find_values(t, wishes.values)) is not None}
    axes = grid(observed.groups, observed.malicious, given, wishes.steps)
    own = Tried(numbers=tuple(n.published for n in study.numbers), observed=observed, surface=observed.surface(axes))
    grid_seconds = perf_counter() - grouped
    tried, explored = explore(study, own)
    candidates = Candidates(tried=tried, grid=axes, published=observed.groups.published, numbers=own.numbers)
    choice = choose_for_objective(candidates, wishes.objective, observed, wishes.seed, wishes.confidence)
    as_written = GridSetting(tried=own, literals=observed.groups.published)
    published, shown = study.point(as_written), choice.setting if choice else as_written
    on_front = tuple(study.point(s) for s in study.front(candidates))
    return Tuning(
        rule=study.rule,
        thresholds=study.thresholds,
        varied=(*study.varied, *study.numbers),
        population=observed.population,
        groups=len(observed.groups),
        combinations=axes.size * len(tried),
        published=published,
        front=on_front,
        knee=find_knee([p.caught for p in on_front], [p.false_alerts for p in on_front]),
        objective=wishes.objective,
        choice=choice,
        recommended=study.point(choice.setting) if choice else None,
        ranges=tuple(find_same_range(shown.tried.observed, shown.literals, j) for j in range(len(study.varied))),
        explored=explored,
        shares=tuple(share_cases(study)),
        confidence=wishes.confidence,
        margins=margins(observed),
        exclusions=study.exclusions(published),
        opinions=study.opinions(published),
        surface=own.surface,
        tried=tuple(tried),
        seconds=perf_counter() - began,
        grid_seconds=grid_seconds,
        remarks=tuple(list_remarks(study, published, choice)),
    )


def explore(study: Study, own: Tried) -> tuple[list[Tried], Explored]:
    """Runs edited texts for the numbers that the grid does not hold."""
    wishes = study.wishes
    began = perf_counter()
    tried = [own]
    runs = prepare_reruns(study, own.surface.grid)
    try:
        given = {i: v for i, n in enumerate(study.numbers) if (v := find_values(n, wishes.values)) is not None}
        tried += runs.explore(wishes.seconds, given, own)
    finally:
        runs.close()
    spent = perf_counter() - began
    explored = Explored(
        values=tuple(tuple(sorted(set(line))) for line in zip(*(t.numbers for t in tried), strict=True)),
        runs=len(tried) - 1,
        left=runs.left,
        failed=runs.failed,
        seconds=spent,
        allowed=wishes.seconds,
    )
    require_groups(study, tried, explored)
    return tried, explored


def prepare_reruns(study: Study, axes: Grid) -> Reruns:
    """What runs edited texts of a study's rule; whoever has it closes it."""
    return Reruns(
        batch=study.ensemble.batch,
        source=study.rule,
        root=study.root,
        planned=partial(plan_text, study.ensemble, study.wishes),
        numbers=study.numbers,
        thresholds=study.thresholds,
        varied=tuple(i for i, t in enumerate(study.thresholds) if any(t is v for v in study.varied)),
        watched=study.observed.population,
        grid=axes,
    )


def require_groups(study: Study, tried: Sequence[Tried], explored: Explored) -> None:
    """Raises HarnessError where no text that was run leaves any group."""
    if any(len(t.observed.groups) for t in tried):
        return
    left = f" ({explored.left} more were left out for want of time)" if explored.left else ""
    also = f", nor with any of {explored.runs} edited texts{left}" if explored.runs else ""
    raise HarnessError("no-groups", f"no group reaches the thresholds{also}: {describe_emptiness(study.ensemble)}")


def find_values(knob: Knob, values: Mapping[str, Sequence[float]]) -> tuple[float, ...] | None:
    """A person's own values for a number, by any of its names."""
    return next((tuple(values[n]) for n in list_knob_names(knob) if n in values), None)


def list_knob_names(knob: Knob) -> tuple[str, ...]:
    """What a number may be called: whole, by the field alone, by line and column."""
    place = knob.place
    # In the file that a person has, and for a converted rule in the text that was made.
    places = [place.position, place.source.position(place.start)] if place else []
    return str(knob), knob.name, *(f"{line}:{column}" for line, column in places)


def check_wishes(
    varied: Sequence[Threshold],
    numbers: Sequence[NumberInText],
    thresholds: Sequence[Threshold],
    rule: Source,
    wishes: Wishes,
) -> None:
    """Raises HarnessError where the rule has no number to vary, or a value is for a number that it has not."""
    if not varied and not numbers:
        why = "; ".join(f"`{t}`: {t.fixed}" for t in thresholds)
        message = "the rule compares no aggregated value with a number that could be varied" + (
            f" ({why})" if why else ""
        )
        from_start = rule.whole()
        raise HarnessError("no-threshold", f"{from_start}: {message}", help="`detlab mutate` studies rules of any kind")
    knobs: tuple[Knob, ...] = (*varied, *numbers)
    names = {n for k in knobs for n in list_knob_names(k)}
    for name in wishes.values:
        if name not in names:
            hint = did_you_mean(name, names) or f"there are {', '.join(f'`{k}`' for k in knobs)}"
            raise HarnessError("unknown-threshold", f"the rule has no threshold `{name}`", help=hint)


def share_cases(study: Study) -> Iterator[CaseShare]:
    """What each case weighs in the study, where there are several."""
    observed, subjects = study.observed, study.ensemble.subjects
    if len(subjects) < 2:
        return
    alerting = observed.groups.judged(observed.groups.published)
    caught = observed.caught(alerting)
    false: dict[int, int] = {}
    for unit in observed.unit_of[alerting & ~observed.malicious].tolist():
        case = observed.units[unit][0]
        false[case] = false.get(case, 0) + 1
    for case, subject in enumerate(subjects):
        own = [i for i, a in enumerate(observed.population.attacks) if a.case == case]
        yield CaseShare(
            name=subject.name,
            host_days=sum(d for (c, _), d in observed.population.days.items() if c == case),
            attacks=len(own),
            caught=int(caught[own].sum()),
            false_alerts=false.get(case, 0),
        )


def list_remarks(study: Study, published: Point, choice: Choice | None) -> Iterator[str]:
    """What a reader has to know to believe the numbers."""
    observed, watched = study.observed, study.observed.population
    yield (
        "an alert is a row of one search over the whole time; a rule that runs every hour alerts again as long as its "
        "window holds the events (`detlab latency`)"
    )
    yield from study.ensemble.world_gaps
    for subject in study.ensemble.subjects:
        if subject.same:
            yield f"the same telemetry, counted once: {', '.join((subject.name, *subject.same))}"
    if min(watched.days.values(), default=1.0) * 86400 <= LEAST_SECONDS:
        yield "some hosts were watched for less than an hour and count as watched for one: rates a day are rough"
    hosts = len({u for u, b in zip(observed.unit_of.tolist(), observed.malicious.tolist(), strict=True) if not b})
    # The usual rule of thumb for resampling; no other source.
    if hosts < 30:
        yield f"hosts with groups that rest on no attack: {hosts}; intervals of false alerts are rough"
    if choice is not None and choice.held_out is None:
        count = len(watched.attacks)
        yield f"{count} attacks are too few to hold some out: the choice was scored on what it was made on"
    limit = observed.groups.limit
    if limit is not None and published.alerts > limit:
        yield f"the rule cuts its result to {limit} rows of {published.alerts}: the grid does not cut"
