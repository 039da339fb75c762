"""Numbers and verdicts of studies in words, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.report.console import Paper, format_count, shorten_line
from harness.verdict.tune.choice import Choice
from harness.verdict.tune.margins import Margin
from harness.verdict.tune.numbers_in_text import NumberInText
from harness.verdict.tune.observations import Estimate, Point
from harness.verdict.tune.result import Knob, Tuning
from harness.verdict.tune.thresholds import Threshold, number_in_rule

# Chosen, no source: a table that fits on a screen.
MOST_SHARES = 12


def short_number(value: float) -> str:
    """A number with at most three digits that count."""
    if math.isnan(value):
        return "-"
    # The upper end where one host says nothing about others.
    if math.isinf(value):
        return "any"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    # Three digits: intervals from resampling are not better known.
    return f"{value:.3g}"


def format_proportion(estimate: Estimate) -> str:
    """A proportion with its interval: `38 % (19-62)`."""
    if not estimate.known:
        return "-"
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f}-{100 * estimate.high:.0f})"


def format_rate(estimate: Estimate) -> str:
    """A rate with its interval: `12 (4-31)`."""
    if not estimate.known:
        return "-"
    return f"{short_number(estimate.value)} ({short_number(estimate.low)}-{short_number(estimate.high)})"


def format_literal(value: float) -> str:
    """A literal as a rule would write it."""
    return number_in_rule(value)


def format_tuning(tuning: Tuning, paper: Paper, *, diff: bool = False) -> Iterator[str]:
    """Numbers, points, margins, cases, exclusions, second opinions, remarks; with `diff` the patch."""
    watched = tuning.population
    head = f"{tuning.rule.name}: {format_count(tuning.combinations, 'combination')} of {len(tuning.varied)} numbers"
    yield paper.paint(head, "strong")
    size = f"{format_count(tuning.groups, 'group')}, {format_count(len(watched.days), 'host')}"
    time = f"grid {tuning.grid_seconds * 1000:.0f} ms of {tuning.seconds:.1f} s"
    days = f"{short_number(watched.host_days)} host-days"
    yield f"{size}, {days}, {format_count(len(watched.attacks), 'attack')}; {time}"
    if tuning.explored.runs or tuning.explored.left:
        yield describe_exploration(tuning)
    yield ""
    yield from thresholds_table(tuning, paper)
    yield ""
    yield from points_table(tuning, paper)
    yield ""
    yield from margins_table(tuning, paper)
    for table in (shares_table, exclusions_table, opinions_table):
        rows = table(tuning, paper)
        yield from ("", *rows) if rows else ()
    yield ""
    for remark in tuning.remarks:
        yield from paper.paragraph(remark, indent=6, first="note:")
    if diff:
        yield ""
        yield (tuning.diff.rstrip("\n") if tuning.changes else "nothing to change: the published numbers are chosen")


def describe_exploration(tuning: Tuning) -> str:
    """How many edited texts were run within which time, and what is left."""
    found = tuning.explored
    ran = f"{format_count(found.runs, 'edited text')} run in {found.seconds:.1f} of {found.allowed:g} s"
    left = f"; {found.left} more were left out for want of time (--seconds)" if found.left else ""
    return ran + left


def describe_place(knob: Knob) -> str:
    """Where a number is written."""
    return str(knob.place.position[0]) if knob.place else "-"


def thresholds_table(tuning: Tuning, paper: Paper) -> list[str]:
    """Every number with its place, the values tried, the one chosen, and between which nothing changes."""
    rows = []
    for place, knob in enumerate(tuning.varied):
        values = values_tried(tuning, place)
        chosen = "-" if tuning.recommended is None else write_value(knob, tuning.recommended.values[place])
        same = ""
        if place < len(tuning.ranges):
            low, high = tuning.ranges[place]
            same = "" if low == high else f"{short_number(low)} .. {short_number(high)}"
        tried = f"{len(values)}: {write_value(knob, min(values))} .. {write_value(knob, max(values))}"
        rows.append([describe_place(knob), str(knob), chosen, tried, same, describe_role(knob)])
    known = {id(k) for k in tuning.varied} | {id(k.place) for k in tuning.varied}
    for threshold in tuning.thresholds:
        if id(threshold) not in known and not is_varied_elsewhere(threshold, tuning):
            why = threshold.fixed or "too many others may fail"
            rows.append([describe_place(threshold), str(threshold), "-", "-", "", f"not varied: {why}"])
    head = ["line", "number", "chosen", "values tried", "same alerts from .. to", ""]
    return paper.table(head, rows, right=frozenset({0}))


def is_varied_elsewhere(threshold: Threshold, tuning: Tuning) -> bool:
    """Whether a comparison's number is varied by edited texts."""
    place = threshold.place
    return any(place and k.place and (k.place.start, k.place.end) == (place.start, place.end) for k in tuning.varied)


def values_tried(tuning: Tuning, place: int) -> tuple[float, ...]:
    """The values of one of the varied numbers."""
    axes = tuning.surface.grid.axes
    return axes[place] if place < len(axes) else tuning.explored.values[place - len(axes)]


def write_value(knob: Knob, value: float) -> str:
    """A value as the rule would write it."""
    return knob.written(value) if isinstance(knob, NumberInText) else format_literal(value)


def describe_role(knob: Knob) -> str:
    """What a number is that edited texts were run for."""
    return f"{knob.role}" if isinstance(knob, NumberInText) else ""


def list_point_rows(tuning: Tuning) -> tuple[list[str], list[list[str]]]:
    """The published point, the chosen one on both parts, and the front."""
    rows = [point_row("published", tuning.published)]
    choice = tuning.choice
    if choice is not None and tuning.recommended is not None:
        if choice.held_out is not None:
            rows.append(point_row("chosen on half", choice.on))
            rows.append(point_row("held-out half", choice.held_out))
        rows.append(point_row("chosen, on all", tuning.recommended))
    for number, point in enumerate(tuning.front, 1):
        rows.append(point_row(f"front {number}{', knee' if tuning.knee == number - 1 else ''}", point))
    return ["point", "caught", "false alerts", "precision", "recall", "false/day/1000 hosts"], rows


def points_table(tuning: Tuning, paper: Paper) -> Iterator[str]:
    """The same for people, and below what each changes."""
    head, rows = list_point_rows(tuning)
    days = short_number(tuning.population.host_days)
    yield from paper.table(head, rows, right=frozenset({1, 2}))
    sure = f"{100 * tuning.confidence:.0f} %"
    about = f"in brackets: where the truth lies in {sure} of cases, from resampling hosts"
    yield paper.paint(f"{about}; rates are extrapolated from {days} host-days", "dim")
    yield from describe_choice(tuning, paper)
    for number, point in enumerate(tuning.front, 1):
        changed = describe_changed_literals(point, tuning.varied)
        yield from paper.paragraph(f"front {number}: {changed}", indent=4, first="  ")


def describe_choice(tuning: Tuning, paper: Paper) -> Iterator[str]:
    """What was chosen for which objective on which part, or that nothing was."""
    choice = tuning.choice
    if not tuning.objective.given:
        yield "nothing is chosen without an objective: --budget, --recall or --cost says what matters"
    elif choice is None or tuning.recommended is None:
        yield f"no combination has {tuning.objective}"
    else:
        if choice.held_out is not None:
            on, off = (describe_part(choice, side) for side in (0, 1))
            yield f"chosen on {on}; scored on {off}"
        changed = describe_changed_literals(tuning.recommended, tuning.varied)
        yield from paper.paragraph(f"chosen for {tuning.objective}: {changed}", indent=4, first="  ")


def describe_part(choice: Choice, side: int) -> str:
    """One part of the hosts and attacks."""
    return f"{format_count(choice.attacks[side], 'attack')}, {format_count(choice.hosts[side], 'host')}"


def point_row(name: str, point: Point) -> list[str]:
    """Cells of a point: counts, proportions and the rate with their intervals."""
    return [
        name,
        str(point.caught),
        str(point.false_alerts),
        format_proportion(point.precision),
        format_proportion(point.recall),
        format_rate(point.false_alerts_a_day),
    ]


def describe_changed_literals(point: Point, varied: Sequence[Knob]) -> str:
    """The numbers of a point that are not the published ones."""
    found = []
    for knob, value in zip(varied, point.values, strict=True):
        if value != knob.published:
            new = (
                f"{knob.name} {knob.sign} {format_literal(value)}"
                if isinstance(knob, Threshold)
                else (f"{knob.name} with {knob.written(value)}")
            )
            found.append(f"{new} (is {write_value(knob, knob.published)})")
    return ", ".join(found) or "as published"


def shares_table(tuning: Tuning, paper: Paper) -> list[str]:
    """What each of several cases weighs: those with most false alerts first."""
    order = sorted(tuning.shares, key=lambda s: (-s.false_alerts, -s.host_days, s.name))
    total = sum(s.false_alerts for s in order)
    rows = [
        [
            shorten_line(s.name, 54),
            short_number(s.host_days),
            f"{s.caught} of {s.attacks}" if s.attacks else "",
            f"{s.false_alerts} ({100 * s.false_alerts / total:.0f} %)" if s.false_alerts else "",
        ]
        for s in order[:MOST_SHARES]
    ]
    if len(order) > MOST_SHARES:
        rest = order[MOST_SHARES:]
        days = short_number(sum(s.host_days for s in rest))
        rows.append([f"{len(rest)} more, each counted once", days, "", str(sum(s.false_alerts for s in rest))])
    head = ["each case counts by its alerts and host-days", "host-days", "caught", "false alerts"]
    return paper.table(head, rows, right=frozenset({1, 3})) if rows else []


def margins_table(tuning: Tuning, paper: Paper) -> list[str]:
    """Each attack and its distance from the edge."""
    rows = [margin_row(m) for m in tuning.margins]
    return paper.table(["attack", "", "nearest edge"], rows) if rows else ["no attack in this telemetry"]


def margin_row(margin: Margin) -> list[str]:
    """Cells of an attack: name, caught or missed, nearest edge."""
    state = "caught" if margin.caught else "missed"
    return [shorten_line(margin.attack.name, 54), state, edge_text(margin)]


def edge_text(margin: Margin) -> str:
    """What would change an attack's fate."""
    if not margin.groups:
        # Two different repairs: the rule, or the sensor.
        return "never reaches the thresholds" if margin.attack.events else "left no event on this platform"
    if not margin.edges:
        return "no single threshold decides"
    edge = margin.edges[0]
    wanted = edge.threshold
    reached = f"{wanted.name} {short_number(edge.reached)}, needs {wanted.sign} {format_literal(wanted.published)}"
    return f"{reached}: a tie within rounding" if wanted.is_tie(edge.reached) else reached


def exclusions_table(tuning: Tuning, paper: Paper) -> list[str]:
    """The exclusions that were tried."""
    if not tuning.exclusions:
        return []
    rows = [
        [
            str(e),
            str(e.removed),
            str(e.lost),
            format_proportion(e.point.recall),
            format_rate(e.point.false_alerts_a_day),
        ]
        for e in tuning.exclusions
    ]
    head = ["exclude (run with it)", "false alerts removed", "attacks lost", "recall", "false/day/1000 hosts"]
    return paper.table(head, rows, right=frozenset({1, 2}))


def opinions_table(tuning: Tuning, paper: Paper) -> list[str]:
    """The rule beside statistics of waits on the same events, at as many false alerts."""
    if not tuning.opinions:
        return []
    rows = [["the rule as published", str(tuning.published.caught), str(tuning.published.false_alerts), "-"]]
    rows += [[o.name, str(o.caught), str(o.false_alerts), short_number(o.area)] for o in tuning.opinions]
    return paper.table(["second opinion", "caught", "false alerts", "area under ROC"], rows, right=frozenset({1, 2, 3}))
