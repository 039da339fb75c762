"""What real products say of scenarios and rules, and how that differs from what is said here."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.cli.commands.run import choose_exit_code
from harness.cli.options import is_product, list_chosen_engines
from harness.cli.report_options import ReportChoice, write_reports
from harness.cli.rule_answers import rows_table
from harness.cli.screen import DIFFERS, ProgressLine, out, paper
from harness.cli.sigma_options import expand_rule
from harness.detection.remote_engine import ProductChoice
from harness.diagnostics import HarnessError
from harness.product_comparison import Local, compare_runs, index_verdicts
from harness.product_run import ProductRun, query_own_events, query_product, reach_product, run_on_product
from harness.record import record
from harness.report.console import Paper, escape_controls, format_count
from harness.report.formats.json import row_objects
from harness.report.formats.terminal import Terminal
from harness.report.json_document import VERSION, dumps
from harness.report.report import Report, format
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.telemetry.simulation.behaviour import parse_duration
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.engine_differences import EngineDifference


@record(kw_only=True)
class Shown:
    """How a person wants to be told: as JSON, in full, only what differs, and in which reports besides."""

    as_json: bool
    verbose: bool
    quiet: bool
    told: ReportChoice


def judge_on_engines(
    paths: tuple[Path, ...], chosen: RunOptions, product: Mapping[str, Any], how: Shown, *, elsewhere: bool
) -> int:
    """`run` with a product, or with several engines: each judges the scenarios, and what differs is told."""
    engines, choice = list_chosen_engines(), ProductChoice(**product)
    if elsewhere:
        raise HarnessError(
            "usage", "recorded events are sent to a product by `detlab query`", help="leave out --events"
        )
    # Before anything else is judged: what nobody can reach is known at once.
    for name in filter(is_product, engines):
        reach_product(name, choice)
    here = [name for name in engines if not is_product(name)]
    reports = [judge_here(paths, replace(chosen, engine=name), how.told) for name in here]
    local = index_verdicts(reports[0].outcomes) if reports else None
    twins = [compare_here(reports[0], report, chosen, name) for name, report in zip(here[1:], reports[1:], strict=True)]
    runs = [judge_there(paths, chosen, name, choice, local) for name in engines if is_product(name)]
    reports += [replace(how.told.report(run.outcomes, chosen), engine=run.product) for run in runs]
    if not any(report.outcomes.scenarios for report in reports):
        raise HarnessError("no-scenarios", "there is no scenario", help="`detlab run --help`")
    write_reports(reports[0], how.told)
    runs = [*twins, *runs]
    differences = [d for run in runs for d in run.differences]
    if how.as_json:
        out(dumps(encode_comparison(engines, reports, runs)))
    else:
        out(format_comparison(reports, runs, local, how, paper()))
    # What could not be judged has the higher codes, and counts more than what differs.
    code = max(choose_exit_code(report.outcomes, gates_missed=bool(report.gates)) for report in reports)
    return code or (DIFFERS if differences else 0)


def compare_here(first: Report, second: Report, chosen: RunOptions, engine: str) -> ProductRun:
    """What a second engine that runs plans says differently."""
    options = (replace(chosen, engine=first.engine), replace(chosen, engine=engine))
    differences = compare_runs((first.outcomes, second.outcomes), options)
    compared = len(index_verdicts(first.outcomes).keys() & index_verdicts(second.outcomes).keys())
    return ProductRun(product=engine, differences=differences, compared=compared)


def judge_here(paths: Sequence[Path], chosen: RunOptions, told: ReportChoice) -> Report:
    """The scenarios on an engine that runs plans."""
    progress = ProgressLine()
    try:
        outcomes = run_scenarios(paths, chosen, progress)
    finally:
        progress.done()
    return told.report(outcomes, chosen)


def judge_there(
    paths: Sequence[Path], chosen: RunOptions, engine: str, choice: ProductChoice, local: Local | None
) -> ProductRun:
    """The scenarios on a product."""
    progress = ProgressLine()
    try:
        return run_on_product(paths, chosen, engine, choice, local, progress)
    finally:
        progress.done()


def format_comparison(
    reports: Sequence[Report], runs: Sequence[ProductRun], local: Local | None, how: Shown, sheet: Paper
) -> Iterator[str]:
    """The report of each engine, of all but the first only what differs; then how the engines differ."""
    for number, report in enumerate(reports):
        terminal = Terminal(paper=sheet, verbose=how.verbose, quiet=how.quiet or number > 0)
        if number:
            yield ""
            yield sheet.paint(report.engine, "strong")
        yield from terminal.lines(report)
    for run in runs:
        yield ""
        yield from format_product_run(run, reports[0].engine, sheet, compared=local is not None)


def format_product_run(run: ProductRun, first: str, sheet: Paper, *, compared: bool) -> Iterator[str]:
    """How a product differs from the first engine, and what it said."""
    for difference in run.differences:
        yield from format_difference(difference, sheet)
        yield ""
    for remark in run.remarks:
        yield from sheet.paragraph(escape_controls(f"{run.product}: {remark}"))
    if run.left_out:
        left_out = format_count(run.left_out, "expectation")
        yield from sheet.paragraph(f"{left_out} of rules in other languages are not for {run.product}")
    if run.chosen:
        chosen = format_count(run.chosen, "expectation")
        yield from sheet.paragraph(f"{chosen} with `switches:` ask for one meaning, and {run.product} has its own")
    if compared:
        same = run.compared - len(run.differences)
        said = f"{first} and {run.product}: {format_count(run.compared, 'verdict')} compared with their rows, "
        style = "bad" if run.differences else "good"
        for line in sheet.paragraph(f"{said}{same} the same, {len(run.differences)} differ"):
            yield sheet.paint(line, style)


def format_difference(difference: EngineDifference, sheet: Paper) -> Iterator[str]:
    """One difference: outcomes, rows, the step at which they part, and the switches that explain it."""
    first, second = difference.engines
    head = f"{difference.scenario}: {difference.rule.name}"
    yield from (sheet.paint(line, "bad") for line in sheet.paragraph(escape_controls(head)))
    yield from sheet.paragraph(
        f"{first}: {difference.outcomes[0]}, {format_count(difference.rows[0], 'row')}; "
        f"{second}: {difference.outcomes[1]}, {format_count(difference.rows[1], 'row')}",
        indent=2,
    )
    parting = difference.parting
    if parting is None:
        yield from sheet.paragraph("no step of the query could be found at which the rows part", indent=2)
        return
    line, _ = parting.span.position
    text = " ".join(parting.span.text.split())
    where = f"rows part at step {parting.number} (line {line}): {text[:200]}"
    yield from sheet.paragraph(escape_controls(where), indent=2)
    for name, rows, only in zip((first, second), parting.rows, parting.only, strict=True):
        yield from sheet.paragraph(f"{name}: {format_count(rows, 'row')} there", indent=4)
        for each in only:
            yield from sheet.paragraph(escape_controls(f"only there: {each[:300]}"), indent=6)
    if not difference.switches:
        yield from sheet.paragraph("no switch explains it; `detlab conformance --engine ...` asks them all", indent=2)
    for chosen in difference.switches:
        options = " ".join(f"--switch {name}={value}" for name, value in chosen)
        yield from sheet.paragraph(
            f"explained by {options}: run with it, or say so in the scenario's `switches:`", indent=2
        )


def encode_comparison(engines: Sequence[str], reports: Sequence[Report], runs: Sequence[ProductRun]) -> dict[str, Any]:
    """Everything for machines: each engine's report, and the differences."""
    return {
        "document": "engines",
        "version": VERSION,
        "engines": list(engines),
        "reports": [json.loads(format("json").write(report)) for report in reports],
        "products": [
            {
                "product": run.product,
                "compared": run.compared,
                "left_out": run.left_out,
                "chosen": run.chosen,
                "remarks": list(run.remarks),
                "differences": [encode_difference(d) for d in run.differences],
            }
            for run in runs
        ],
    }


def encode_difference(difference: EngineDifference) -> dict[str, Any]:
    """One difference for machines; lines count from 1."""
    parting = difference.parting
    step = None
    if parting is not None:
        line, column = parting.span.position
        step = {
            "number": parting.number,
            "name": parting.name,
            "line": line,
            "column": column,
            "text": parting.span.text,
            "rows": list(parting.rows),
            "only": [list(each) for each in parting.only],
        }
    return {
        "engines": list(difference.engines),
        "scenario": difference.scenario,
        "rule": str(difference.rule),
        "outcomes": [str(each) for each in difference.outcomes],
        "rows": list(difference.rows),
        "step": step,
        "switches": [dict(chosen) for chosen in difference.switches],
    }


def look_back(text: str) -> TimeStretch:
    """From so long ago until now. Raises HarnessError for what is no duration."""
    try:
        back = parse_duration(text)
    except ValueError as error:
        raise HarnessError("wrong-duration", f"--last is {error}", help="write --last 1d") from error
    # Up to the next whole second: an event that has just arrived is one of them.
    now = int(time.time()) + 1
    return TimeStretch(begin=int((now - back.total_seconds()) * 1e6), end=int(now * 1e6))


def query_there(
    rule: Path,
    events: tuple[Path, ...],
    chosen: RunOptions,
    product: Mapping[str, Any],
    *,
    as_json: bool,
    counted: bool,
) -> int:
    """`query` on a product: its rows, and what it says about them."""
    engines = list_chosen_engines()
    if len(engines) > 1 or counted:
        message = "several engines are compared by `detlab run`" if len(engines) > 1 else "a product knows no causes"
        raise HarnessError("usage", message, help="name one engine, and leave out --by and --every")
    own = expand_rule(rule, chosen.sigma)[0]
    choice = ProductChoice(ca=product["ca"], repository=product["repository"])
    if events:
        found = query_product(own, events, chosen, engines[0], choice)
    else:
        found = query_own_events(own, chosen, engines[0], choice, look_back(product["last"] or "1d"))
    if as_json:
        document = {"document": "query", "version": VERSION, "rule": str(rule), "engine": found.product}
        rows = {"events": found.events, "columns": list(found.rows.columns), "rows": list(row_objects(found.rows))}
        out(dumps({**document, **rows, "remarks": list(found.remarks)}))
        return 0
    out(rows_table(found.rows, paper()))
    sys.stdout.flush()  # rows before remarks, also where both go to one terminal
    searched = "its own events" if found.events is None else format_count(found.events, "event")
    said = [f"{found.product}: {searched}, {format_count(len(found.rows), 'row')}"]
    sys.stderr.write("".join(f"{escape_controls(line)}\n" for line in (*said, *found.remarks)))
    return 0
