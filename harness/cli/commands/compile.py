"""Print the SQL that a rule becomes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click
import pyarrow as pa

from harness.cli import options
from harness.cli.project_settings import default_of, is_strict_project
from harness.cli.rule_argument import add_rule_argument
from harness.cli.rule_options import build_settings as settings_of
from harness.cli.rule_options import complete, contents
from harness.cli.sigma_options import Studied, add_sigma_options, show_studies
from harness.detection.content import Content, read_content_beside
from harness.detection.dialects import list_dialects, open_dialect
from harness.detection.engine import DEFAULT_ENGINE, open_engine
from harness.detection.language import Plan, Query, Settings, Strictness, language
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Kind
from harness.detection.plan.nodes import Scan, walk_nodes
from harness.late_pattern import late_pattern
from harness.report.json_document import VERSION
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.rule import read_rule
from harness.scenario.sigma.choice import SigmaChoice
from harness.supervisor import Limits
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import View

ABSENT_FIELD = late_pattern(r"^no event has a field `(.+)` here$")


@click.command("compile")
@add_rule_argument()
@click.option(
    "--dialect", default="duckdb", metavar="NAME", show_default=True, help=f"SQL of {', '.join(list_dialects())}."
)
@click.option("--strict", is_flag=True, default=is_strict_project, help="Read the rule as its product does.")
@click.option("--events", multiple=True, type=options.PATH, metavar="PATH", help="Take the fields from these events.")
@options.switch
@options.condition_option
@contents
@add_sigma_options
@options.add_limits
@options.json_option
def command(
    rule: Path,
    content: Content,
    sigma: SigmaChoice,
    dialect: str,
    strict: bool,
    events: tuple[Path, ...],
    switch: Mapping[str, str],
    condition: Mapping[str, str],
    limits: Limits,
    as_json: bool,
) -> int:
    """Prints the SQL statement that RULE becomes, over a table `events`.

    Without --events the table has the fields that the rule reads, as text.
    """
    limits = complete(limits)
    code = options.in_child(limits, engine=DEFAULT_ENGINE, whole=True)
    if code is not None:
        return code
    chosen = RunOptions(
        dialect=Strictness.STRICT if strict else Strictness.LENIENT,
        switches={**default_of("switches", {})(), **switch},
        conditions=condition,
        usual=content.inputs,
        settings=settings_of(content),
        limits=limits,
        sigma=sigma,
    )

    def study(own: Path) -> Studied:
        text = over_events(own, events, chosen, dialect) if events else over_own_fields(own, content, chosen, dialect)
        document = {"document": "compile", "version": VERSION, "dialect": dialect, "sql": text}
        return Studied(document=document, lines=lambda: text)

    return show_studies(rule, chosen, study, as_json=as_json)


def over_own_fields(rule: Path, content: Content, chosen: RunOptions, dialect: str) -> str:
    """The statement over the fields that a rule reads."""
    read = read_rule(rule, choice=chosen.sigma)
    settings = replace(settings_of(content.over(read_content_beside(rule))), switches=chosen.switches)
    how = Strictness(chosen.dialect or Strictness.LENIENT)
    return over_fields(language(read.language).parse(read.query, how, settings), settings, dialect)


def over_events(rule: Path, events: Sequence[Path], chosen: RunOptions, dialect: str) -> str:
    """The statement over the fields that recorded events have."""
    with Bench(chosen) as bench:
        answer = bench.query(rule, events)
        writer = bench.engine if dialect == DEFAULT_ENGINE else open_dialect(dialect)
        return writer.sql(answer.plan.node)


def find_absent_fields(plan: Plan) -> frozenset[str]:
    """Fields of events that a rule reads and no event has, as its plan tells them."""
    told = [ABSENT_FIELD.search(f.message) for f in plan.findings if f.code == "absent-field"]
    return frozenset(found[1] for found in told if found)


def over_fields(query: Query, settings: Settings, dialect: str) -> str:
    """The statement over the fields that the rule reads; those that order events are numbers, all else is text."""
    bare, known = query.plan({}, settings), frozenset[str]()
    # Again over these, as long as others are told to be absent: CQL looks into a field only where there is one.
    while not known >= (found := known | bare.reads | find_absent_fields(bare)):
        known = found
        bare = query.plan(dict.fromkeys(sorted(known), Kind.TEXT), settings)
    scans = [node for node in walk_nodes(bare.node) if isinstance(node, Scan)]
    clocks = {k.expression.name for s in scans for k in s.order if isinstance(k.expression, Column)} - {EVENT_COLUMN}
    fields = {name: pa.string() for name in sorted(known - clocks)}
    fields |= {name: pa.float64() for name in sorted(clocks)} | {EVENT_COLUMN: pa.int64(), CAUSE: pa.int32()}
    empty = pa.table({name: pa.array([], kind) for name, kind in fields.items()})
    target = open_engine() if dialect == DEFAULT_ENGINE else open_dialect(dialect)
    try:
        columns = target.load([View(columns=empty)])
        # What events are ordered by is a number even where no event says so.
        assert all(columns.get(name) is Kind.NUMBER for name in clocks)
        plan = query.plan(columns, settings)
        if plan.asked:
            sys.stderr.write("note: what the rule means hangs on the events; --events says on which\n")
        return target.sql(plan.node)
    finally:
        target.close()
