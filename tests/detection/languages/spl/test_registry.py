"""What is so of a command, an eval function or an aggregate stands where it is registered, and nowhere else."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.detection.conformance import views
from harness.detection.conformance_page import ConformanceCase, index_logs, pages, parse_cases
from harness.detection.language import Settings, Strictness, language
from harness.detection.languages.spl.aggregation import find_row_order
from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, AggregateRegistry, CommandRegistry
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Node, walk_nodes
from harness.detection.plan.passes.requirements import find_ordered_nodes
from harness.diagnostics import HarnessError, Source

ROOT = Path(__file__).parents[4]
COMMAND = '''"""The command that makes values loud."""

from harness.detection.languages.spl.coercion import as_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops


@COMMANDS.define("shout", {facts})
def shout(scope: Scope, stage: Stage) -> None:
    """Upper case in `host`.

    Reference: a test
    """
    scope.derive([("host", ops.upper(as_text(scope.typed("host"))))], stage.span)
'''
FUNCTION = '''"""An eval function and an aggregate."""

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.registry import AGGREGATES, FUNCTIONS
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed
from harness.diagnostics import Span


@FUNCTIONS.define
def loud(context: EvalContext, value: Typed) -> Typed:
    """The text with an exclamation mark.

        loud("a") -> "a!"
        loud(1)   -> "1!"

    Reference: a test
    """
    return ops.concat(as_text(value), literal("!"))


@AGGREGATES.define("foremost", {facts})
def foremost(scope: Scope, value: Typed, span: Span) -> Typed:
    """The first value.

    Reference: a test
    """
    return ops.first(value)
'''


@pytest.fixture
def checkout(tmp_path):
    """A copy of the harness that a file can be dropped into; `detlab(...)` runs its command."""
    shutil.copytree(ROOT / "harness", tmp_path / "harness")
    (tmp_path / "two.ndjson").write_text('{"_time":2,"host":"zeta"}\n{"_time":1,"host":"alpha"}\n')

    def detlab(text, *switches):
        (tmp_path / "rule.spl").write_text(text)
        line = ["query", "rule.spl", "--events", "two.ndjson", "--json", *switches]
        program = "from harness.cli.main import main; main()"
        return subprocess.run([sys.executable, "-c", program, *line], cwd=tmp_path, capture_output=True, text=True)

    return tmp_path / "harness" / "detection" / "languages" / "spl", detlab


FACTS = 'order="keeps", fields="keeps", raw="never"'


def test_a_command_is_one_file_and_nothing_else(checkout):
    language_folder, detlab = checkout
    (language_folder / "commands" / "shout.py").write_text(COMMAND.format(facts=FACTS))
    ran = detlab("index=* | stats count by host | shout | head 1 | table host", "--switch", "stats_order=first-seen")
    assert ran.returncode == 0, ran.stderr
    assert '"host": "ZETA"' in ran.stdout
    assert '"stats_order": "first-seen"' in ran.stdout


def test_an_eval_function_and_an_aggregate_are_one_file_and_nothing_else(checkout):
    language_folder, detlab = checkout
    (language_folder / "functions" / "loudness.py").write_text(FUNCTION.format(facts='order="always"'))
    ran = detlab("index=* | stats count by host | stats foremost(host) as h | eval h=loud(h) | table h")
    assert ran.returncode == 0, ran.stderr
    assert '"h": "alpha!"' in ran.stdout
    assert '"stats_order": "by-fields"' in ran.stdout


def test_a_command_that_is_silent_about_the_order_of_rows_stops_the_program_in_words(checkout):
    language_folder, detlab = checkout
    (language_folder / "commands" / "shout.py").write_text(COMMAND.format(facts='fields="keeps", raw="never"'))
    ran = detlab("index=* | table host")
    assert ran.returncode == 2
    assert "command `shout` does not say `order`, what it does with the order of rows" in ran.stdout


def command(*names, **facts):
    return CommandRegistry().define(*names, **facts)


def test_a_command_has_to_say_all_that_others_must_know():
    known = {"order": "keeps", "fields": "keeps", "raw": "never"}
    for fact in known:
        with pytest.raises(HarnessError, match=f"command `shout` does not say `{fact}`, "):
            command("shout", **{n: v for n, v in known.items() if n != fact})
    with pytest.raises(HarnessError, match="command `shout` says `order=forget`, which is none of"):
        command("shout", **{**known, "order": "forget"})
    with pytest.raises(HarnessError, match="a command is registered without a name"):
        command(**known)


def test_an_aggregate_has_to_say_whether_it_depends_on_the_order_of_rows():
    with pytest.raises(HarnessError, match="aggregate `foremost` does not say `order`, whether its value depends"):
        AggregateRegistry().define("foremost")
    with pytest.raises(HarnessError, match="`foremost` says `order=yes`, which is none of never, always, ties"):
        AggregateRegistry().define("foremost", order="yes")


def test_a_name_is_registered_once():
    registry = AggregateRegistry()
    registry.define("foremost", order="always")(len)
    with pytest.raises(HarnessError, match="the SPL statistical function `foremost` is defined twice"):
        registry.define("foremost", order="never")(max)


def test_a_command_that_runs_a_subsearch_without_saying_how_is_an_error(checkout):
    language_folder, detlab = checkout
    body = COMMAND.format(facts=FACTS).replace(
        '    scope.derive([("host", ops.upper(as_text(scope.typed("host"))))], stage.span)\n',
        "    scope.subsearch(stage.arguments.items[0])\n",
    )
    (language_folder / "commands" / "shout.py").write_text(body)
    ran = detlab("index=* | shout [search index=*]")
    assert ran.returncode == 2
    assert (
        "`shout` runs a subsearch and does not say `subsearch`, what it does with the order of its rows" in ran.stdout
    )


PUT_BACK = {"concurrency", "lookup", "makecontinuous", "untable"}
"""Commands that number the rows, and then put them back into their order or look at none of their values."""
MOST_ROWS = {"sort"}
"""Commands that look at the order only beyond their limit of 10,000 rows."""


def planned(case: ConformanceCase, duckdb, before=""):
    """A case's query, behind a stage if one is given, and its plan."""
    text = case.query if case.query.lstrip().startswith("|") or not before else f"| search {case.query}"
    dialect = Strictness(case.facts.get("Dialect", Strictness.LENIENT))
    query = language("spl").parse(Source("query.spl", before + text), dialect, case.settings)
    columns = duckdb.load(index_logs(case.logs, case.settings) if case.logs else views(case.inputs))
    return query, query.plan(columns, replace(case.settings, ask=duckdb.run))


def list_stages(pipeline):
    """All stages of a query, those in brackets too."""
    return [part for part in walk_query(pipeline) if isinstance(part, Stage)]


def looks_at_order(node: Node, before: Node, *, final: bool) -> bool:
    """Whether the rows of a plan, or with `final` their order, depend on the order of those before."""
    return id(before) in find_ordered_nodes(node, final)


def test_no_command_says_less_of_the_order_than_its_plan_looks_at(duckdb):
    checked, wrong = set(), []
    for _, path in (p for p in pages(ROOT / "tests" / "conformance") if p[0] == "spl"):
        for case in parse_cases(Source(path.name, path.read_text("utf-8")), "spl"):
            try:
                query, plan = planned(case, duckdb, "| eval zz=1 ")
            except HarnessError:
                continue
            for stage, before, after in zip(query.pipeline.stages[1:], plan.steps, plan.steps[1:], strict=False):
                built = id(before.node) in {id(n) for n in walk_nodes(after.node)}
                if not built or COMMANDS[stage.name].shape in ("stats", "chart", "tstats"):
                    continue
                checked.add(stage.name)
                said = find_row_order(stage, False)
                reads = looks_at_order(after.node, before.node, final=False)
                reads = reads and stage.name not in PUT_BACK | MOST_ROWS
                keeps = looks_at_order(after.node, before.node, final=True)
                if (reads and said != "reads") or (keeps and said == "forgets"):
                    wrong.append(f"{stage.name} says {said}: {case.query}")
    assert wrong == []
    assert len(checked) > 60


@pytest.mark.parametrize("name", sorted(n for n, a in AGGREGATES.items() if not a.drawn))
def test_an_aggregate_says_of_the_order_what_its_plan_looks_at(name):
    columns = {"_time": Kind.NUMBER, "x": Kind.TEXT, "@event": Kind.NUMBER}
    plan = language("spl").parse(Source("query.spl", f"| eval y=x | stats {name}(y)")).plan(columns, Settings())
    derived, grouped = (s.node for s in plan.steps)
    assert looks_at_order(grouped, derived, final=False) == (AGGREGATES[name].order != "never")


def test_no_command_works_on_the_text_of_events_without_saying_so(duckdb):
    """`fields` keeps the text where it is there; a search that does nothing else needs none."""
    silent = []
    for _, path in (p for p in pages(ROOT / "tests" / "conformance") if p[0] == "spl"):
        for case in parse_cases(Source(path.name, path.read_text("utf-8")), "spl"):
            try:
                query, plan = planned(case, duckdb)
            except HarnessError:
                continue
            if "_raw" in plan.reads and not query.raw and all(s.name != "fields" for s in list_stages(query.pipeline)):
                silent.append(case.query)
    assert silent == []
