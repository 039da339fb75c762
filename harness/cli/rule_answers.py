"""What a rule found in recorded events: its rows, and everything a reader has to know to believe them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from harness.cli.screen import DIFFERS, out, paper
from harness.detection.engine import CellValue, ResultRows
from harness.detection.language import language
from harness.detection.language import list_languages as languages
from harness.detection.plan.expressions import is_hidden
from harness.diagnostics import HarnessError, explain_failure
from harness.late_module import LateModule
from harness.record import record
from harness.report.console import Paper, escape_controls, format_count, one_line
from harness.report.formats.json import broken_object, explanation_object, row_objects, rule_object
from harness.report.json_document import VERSION, dumps
from harness.report.query_steps import alert_lines, steps_table
from harness.report.sentences import fault, lenient, locate_finding, reads_absent, why_missed
from harness.report.sigma_opinion import describe_opinion, encode_opinion
from harness.run import Answer, Bench
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import Refusal, list_published, list_refusals, rule_paths
from harness.scenario.pack import BUNDLED, DEFAULT
from harness.scenario.pack import find_rules as rules_in
from harness.scenario.rule import Metadata
from harness.supervisor import end_unit
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.events.time_text import UNIX_EPOCH
from harness.telemetry.platform import UNITS_PER_SECOND, platform
from harness.telemetry.scenario_telemetry import replay
from harness.telemetry.store.manifest import is_store
from harness.verdict.evidence import collect_evidence
from harness.verdict.explain import Explanation, explain, format_value
from harness.verdict.rows_behind import Labels
from harness.verdict.sigma.opinion import SigmaOpinion
from harness.verdict.verdict import Broken
from harness.verdict.world_gaps import describe_world_gaps

if TYPE_CHECKING:
    from harness.verdict.sigma import evaluation
else:
    # All of Sigma, which only a rule that was converted from it has use for.
    evaluation = LateModule("harness.verdict.sigma.evaluation")

# All four chosen, no source: a rule is run again for each condition's other values, so only where that takes seconds;
# the others keep an answer on two screens.
MOST_EVENTS_TRIED = 1_000_000
MOST_SHOWN_EVENTS = 100
MOST_DAMAGES = 5
MOST_KINDS = 8


@record(kw_only=True)
class Found:
    """An answer; its explanation where one was asked for or no row came out.

    `others` are conditions of the platform under which there would be rows, each with their number; `now` is the time
    that the rule counts from in epoch seconds, None where it asks for none; `opinion` is what a Sigma rule finds by its
    own text, where it was converted as the taxonomy has it.
    """

    answer: Answer
    explanation: Explanation | None
    others: tuple[tuple[str, int], ...] = ()
    now: float | None = None
    opinion: SigmaOpinion | None = None


def query_events(
    rules: Sequence[Path], events: Sequence[Path], options: RunOptions, *, explained: bool
) -> Iterator[Found | Broken]:
    """Runs each rule on the events; one that cannot be run is broken, and the others are run all the same."""
    with Bench(options) as bench:
        for rule in rules:
            try:
                with bench.unit():
                    # Forms of one rule are compared by the events that they find.
                    found = query_rule(bench, rule, events, explained=explained, traced=len(rules) > 1)
                yield found
            except Exception as error:
                yield Broken(path=str(rule), error=explain_failure(error))


def query_rule(bench: Bench, rule: Path, events: Sequence[Path], *, explained: bool, traced: bool) -> Found:
    """What one rule finds; what no row comes of is explained."""
    answer = bench.query(rule, events, traced=explained or traced)
    explanation = None
    # A world's events are read from files once for a plan; explaining would read them for every step.
    few = not answer.trial.store.streamed
    if few and (explained or not len(answer.rows)):
        total = answer.events
        # Nobody knows the attack here, so all events are followed.
        labels = Labels(malicious=frozenset(range(total)), total=total)
        explanation = explain(answer.plan, bench.engine, labels)
    empty = few and not len(answer.rows) and 0 < answer.events <= MOST_EVENTS_TRIED
    # A question to the events costs more than this is worth.
    counts = not answer.plan.asked and answer.trial.asks_for_time(answer.plan)
    now = answer.trial.now if counts else None
    others = tuple(elsewhere(answer)) if empty else ()
    known = few and answer.events <= MOST_EVENTS_TRIED and not bench.options.sigma.pipelines
    opinion = ask_sigma_answer(answer) if known else None
    return Found(answer=answer, explanation=explanation, others=others, now=now, opinion=opinion)


def ask_sigma_answer(answer: Answer) -> SigmaOpinion | None:
    """What the Sigma rule that a rule was converted from finds by its own text."""
    rule = answer.rule
    if rule.subject is None or not answer.events:
        return None
    store, conditions = answer.trial.store, answer.trial.conditions
    return evaluation.form_opinion(rule.subject, store.telemetry(conditions), store.views, answer.alerts, rule.fields)


def elsewhere(answer: Answer) -> Iterator[tuple[str, int]]:
    """Single conditions of the rule's platform that would give it rows, and how many."""
    trial = answer.trial
    for condition in platform(language(trial.rule.language).platform).conditions:
        for value in condition.values:
            if value != trial.conditions.get(condition.name, condition.default):
                other = replace(trial, conditions={**trial.conditions, condition.name: value})
                rows = len(trial.engine.run(other.plan().node))
                if rows:
                    yield f"{condition.name}={value}", rows


def inquire(rules: Sequence[Path], events: Sequence[Path], options: RunOptions, *, as_json: bool, verbose: bool) -> int:
    """`run --events`: every rule, or all of the pack's, on recorded events; 1 where two forms of one rule disagree."""
    refused = [each for rule in rules for each in list_refusals(rule, options.sigma)]
    chosen = [own for rule in rules for own in converted_or_itself(rule, options)] if rules else pack_rules()
    if len(chosen) > 1:
        # Each has its own time from here on.
        end_unit()
    asked = list(query_events(chosen, events, options, explained=verbose))
    found = [each for each in asked if isinstance(each, Found)]
    broken = [each for each in asked if isinstance(each, Broken)]
    disagreeing = list(disagreements(found))
    # What could not be run counts more than what disagrees: it may hide anything.
    code = max((b.error.exit_code for b in broken), default=DIFFERS if disagreeing else 0)
    opinions = {} if found or broken else ask_unconverted(refused, events, options)
    if refused and not asked:
        code = max(each.error.exit_code for each in refused)
    if as_json:
        answers = [answer_object(f) for f in found]
        failed = [broken_object(b) for b in broken]
        document = {"document": "answers", "version": VERSION, "answers": answers, "disagreements": disagreeing}
        left_out = [encode_refusal(each, opinions.get(each.path)) for each in refused]
        out(dumps({**document, "broken": failed, "refused": left_out}))
        return code
    sheet = paper()
    for number, each in enumerate(found):
        out(([""] if number else []) + list(report_lines(each, events, sheet, verbose=verbose)))
    for failed_rule in broken:
        head = sheet.paint(f"{escape_controls(failed_rule.path)}: cannot be run", "bad")
        out(["", head, fault(failed_rule)])
    for refusal in refused:
        head = sheet.paint(f"{escape_controls(str(refusal.path))}: not converted", "warn")
        out(["", head, escape_controls(refusal.error.render())])
        out([line for said in describe_opinion(opinions.get(refusal.path)) for line in sheet.paragraph(said)])
    for sentence in disagreeing:
        out(["", *(sheet.paint(line, "bad") for line in sheet.paragraph(sentence))])
    return code


def converted_or_itself(rule: Path, options: RunOptions) -> list[Path]:
    """Every query that a path means; none where nothing of it could be converted."""
    return rule_paths(rule, options.sigma) or [rule] if not is_unconverted(rule, options) else []


def is_unconverted(rule: Path, options: RunOptions) -> bool:
    """Whether a path is a file of which no converter made anything."""
    published = list_published(rule, options.sigma)
    return bool(published) and all(each.error for _, each in published)


def ask_unconverted(
    refused: Sequence[Refusal], events: Sequence[Path], options: RunOptions
) -> Mapping[Path, SigmaOpinion]:
    """What Sigma rules without any query find by their own text."""
    subjects = {each.path: each.subject for each in refused if each.subject is not None}
    # A world is too large to be read at once.
    if not subjects or any(is_store(p) for p in events):
        return {}
    telemetry = merge_telemetry(replay(p, plain=options.plain) for p in events)
    opinions = {path: evaluation.form_opinion(subject, telemetry, (), None) for path, subject in subjects.items()}
    return {path: opinion for path, opinion in opinions.items() if opinion}


def encode_refusal(refusal: Refusal, opinion: SigmaOpinion | None) -> dict[str, Any]:
    """A rule without a query for machines."""
    sigma = encode_opinion(opinion) if opinion else None
    return {"rule": str(refusal.path), **refusal.error.as_json(), "sigma": sigma}


def disagreements(found: Sequence[Found]) -> Iterator[str]:
    """Rules whose conversions into several languages do not find the same events."""
    forms: dict[Path, list[Found]] = {}
    for each in found:
        if each.answer.rule.subject is not None:
            forms.setdefault(each.answer.rule.path.with_suffix(""), []).append(each)
    for holder, same in forms.items():
        # By events and not by rows: the languages name and order their columns differently.
        events = {each.answer.rule.language: {e for a in each.answer.alerts for e in a.events} for each in same}
        if len({frozenset(e) for e in events.values()}) > 1:
            counted = ", ".join(f"{language.upper()} {format_count(len(e), 'event')}" for language, e in events.items())
            yield f"the conversions of {holder} do not agree: {counted}"


def pack_rules() -> list[Path]:
    """The rules of ./scenarios, else of the bundled pack."""
    folder = DEFAULT if DEFAULT.is_dir() else BUNDLED / "scenarios"
    found = rules_in([folder], languages())
    if not found:
        raise HarnessError("no-rules", f"there is no rule in {folder}", help="name one: --rule FILE")
    return found


def report_lines(found: Found, events: Sequence[Path], sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """One rule's answer for people."""
    answer = found.answer
    where = ", ".join(str(e) for e in events)
    counts = f"{format_count(answer.events, 'event')}, {format_count(len(answer.rows), 'row')}"
    head = f"{answer.rule.path} on {where}: {counts}"
    yield from (sheet.paint(line, "strong") for line in sheet.paragraph(head))
    yield from owner(answer.rule.page, sheet)
    yield from rows_table(answer.rows, sheet)
    yield from describe_remarks(found, sheet, verbose=verbose)


def owner(page: Metadata, sheet: Paper) -> list[str]:
    """Whose rule it is and under which licence, where its page says so."""
    said = [*([f"by {page.author}"] if page.author else []), *([page.license] if page.license else [])]
    return sheet.paragraph(f"{page.title}: {', '.join(said)}") if said else []


def rows_table(rows: ResultRows, sheet: Paper) -> list[str]:
    """The rows as a table; too many columns for the width are written one below the other."""
    shown_at = [i for i, name in enumerate(rows.columns) if not is_hidden(name)]
    head = [rows.columns[i] for i in shown_at]
    if not rows.rows or not head:
        return []
    columns = [format_column(rows, i) for i in shown_at]
    # One long command line should not turn the whole table on its side.
    widths = [max(len(h), min(40, max(map(len, column)))) for h, column in zip(head, columns, strict=True)]
    if sum(widths) + 2 * len(widths) <= sheet.width:
        numeric = frozenset(i for i, at in enumerate(shown_at) if all(is_numeric_cell(row[at]) for row in rows.rows))
        return sheet.table(head, list(zip(*columns, strict=True)), right=numeric)
    lines: list[str] = []
    widest = max(len(h) for h in head)
    named = [
        name_cells(f"  {escape_controls(h).ljust(widest)}  ", column) for h, column in zip(head, columns, strict=True)
    ]
    for number, row in enumerate(zip(*named, strict=True), 1):
        lines.append(sheet.paint(f"row {number}", "dim"))
        lines += filter(None, row)
    return lines


def name_cells(name: str, cells: Sequence[str]) -> list[str]:
    """The cells of a column as lines behind its name; nothing for an empty one."""
    # Rows repeat hosts, programs and small numbers: thousands of rows have hundreds of different cells.
    lines = {cell: name + one_line(cell) if cell else "" for cell in set(cells)}
    return [lines[cell] for cell in cells]


def format_column(rows: ResultRows, place: int) -> list[str]:
    """The cells of a column for people, nothing where it is empty; each value is written once."""
    name, values = rows.columns[place], [row[place] for row in rows.rows]
    keys: Sequence[object] = values
    if list in (kinds := set(map(type, values)) - {NoneType}) or len(kinds) > 1:
        # By type too, since True and 1.0 are one key.
        keys = [(type(value), tuple(value) if isinstance(value, list) else value) for value in values]
    texts = {
        key: "" if value is None else format_cell(name, value)
        for key, value in dict(zip(keys, values, strict=True)).items()
    }
    return [texts[key] for key in keys]


def format_cell(column: str, value: CellValue) -> str:
    """A cell for people: an event's time as a time, all else as it is."""
    per_second = UNITS_PER_SECOND.get(column)
    if per_second is None or not is_numeric_cell(value):
        return format_value(value)
    return format_moment(float(value) / per_second)  # type: ignore[arg-type]


def format_moment(seconds: float) -> str:
    """Epoch seconds as a time in UTC, with as much of a fraction as there is; as a number where no date is so far."""
    try:
        moment = UNIX_EPOCH + timedelta(microseconds=round(seconds * 1e6))
    except OverflowError:
        return format_value(seconds)
    fraction = f"{moment.microsecond:06}".rstrip("0")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"


def is_numeric_cell(value: object) -> bool:
    """Whether a cell is a number or empty."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def describe_remarks(found: Found, sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """Why nothing came out, fields read in vain, lenient reading, damages."""
    answer = found.answer
    empty = not len(answer.rows)
    yield from sheet.paragraph(kinds(answer)) if answer.events else ["no event was read"]
    if answer.events and empty and (lost := why_missed(found.explanation)):
        yield from sheet.paragraph(f"line {lost[0]}: {lost[1]}" if lost[0] else lost[1])
    for sentence in describe_opinion(found.opinion):
        yield from sheet.paragraph(sentence)
    for condition, rows in found.others:
        yield from sheet.paragraph(f"with --condition {condition} it returns {format_count(rows, 'row')}")
    if found.explanation is not None and answer.events and (verbose or empty):
        yield from steps_table(found.explanation, sheet, attack="events", other="")
    if verbose:
        behind = [
            collect_evidence(answer.trial.store.views, a.events, answer.plan.reads, MOST_SHOWN_EVENTS)
            for a in answer.alerts
        ]
        yield from alert_lines(answer.alerts, sheet, evidence=behind, most_events=MOST_SHOWN_EVENTS)
    if found.now is not None:
        given = answer.trial.settings.now
        how = "as --now says" if given else "when the events end; --now TIME counts from another"
        yield from sheet.paragraph(f"time is counted from {format_moment(found.now)}, {how}")
    for gap in describe_world_gaps(answer.trial.store, answer.plan):
        yield from sheet.paragraph(gap)
    if answer.absent:
        yield from sheet.paragraph(reads_absent(answer.absent))
    # A sentence for all of them; -v lists each at its place below.
    if answer.deviations and not verbose:
        yield from sheet.paragraph(lenient(answer.rule.name, answer.deviations))
    for finding in (*answer.rule.findings, *(answer.deviations if verbose else ()), *answer.plan.findings):
        said = f"{finding.message}; {finding.help}" if finding.help else finding.message
        yield from sheet.paragraph(f"{locate_finding(finding, answer.rule.query)}: {said} [{finding.code}]", indent=2)
    yield from damage_remarks(answer, sheet, verbose=verbose)


def damage_remarks(answer: Answer, sheet: Paper, *, verbose: bool) -> Iterator[str]:
    """What was read, but perhaps not as what it is, and what could not be read."""
    # Before what is only lost: of these a rule looks quiet although its events are there.
    for head, misread in (("not understood", True), ("damaged", False)):
        told = [d for d in answer.damages if d.misread is misread]
        shown = told if verbose else told[:MOST_DAMAGES]
        for damage in shown:
            yield from sheet.paragraph(f"{head}: {damage}", indent=2)
        if len(told) > len(shown):
            noun = "more remark" if misread else "more damage"
            yield f"  and {format_count(len(told) - len(shown), noun)}; -v lists them"


def kinds(answer: Answer) -> str:
    """How many events of which sensor were read, the most frequent first."""
    found = Counter(answer.trial.store.counts(answer.trial.conditions))
    shown = [f"{kind}: {number:,}" for kind, number in found.most_common(MOST_KINDS)]
    more = f", and {len(found) - MOST_KINDS} more kinds" if len(found) > MOST_KINDS else ""
    return ", ".join(shown) + more


def answer_object(found: Found) -> dict[str, Any]:
    """One rule's answer for machines."""
    answer = found.answer
    return {
        "rule": rule_object(answer.rule),
        "events": answer.events,
        "columns": [c for c in answer.rows.columns if not is_hidden(c)],
        "rows": list(row_objects(answer.rows)),
        "switches": dict(answer.plan.switches),
        "now": None if found.now is None else format_moment(found.now),
        "absent": list(answer.absent),
        "rows_under_other_conditions": dict(found.others),
        "sigma": encode_opinion(found.opinion) if found.opinion else None,
        "deviations": [d.as_json() for d in answer.deviations],
        "findings": [f.as_json() for f in (*answer.rule.findings, *answer.plan.findings)],
        "damages": [{"place": d.place, "message": d.message} for d in answer.damages if not d.misread],
        "not_understood": [{"place": d.place, "message": d.message} for d in answer.damages if d.misread],
        "explanation": explanation_object(found.explanation) if found.explanation else None,
    }
