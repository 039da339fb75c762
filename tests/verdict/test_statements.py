"""How many statements a verdict takes, whatever it finds: counts, since times hang on the machine."""

from pathlib import Path

import pytest

from harness.detection.engines.duckdb.connection import DuckDB
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Filter, Scan, Union, walk_nodes
from harness.detection.plan.passes.shared_nodes import SharedNodes
from harness.run import judge_files
from harness.run_options import RunOptions
from harness.verdict.verdict import Verdict

PACK = Path(__file__).parents[2] / "scenarios" / "T1583.004"
MISSED = PACK / "1-beacon-check-in.yaml"


@pytest.fixture
def statements(monkeypatch):
    """The plans that DuckDB runs, as they come."""
    seen = []
    run = DuckDB.run

    def note(self, node, *, limit=None):
        seen.append(node)
        return run(self, node, limit=limit)

    monkeypatch.setattr(DuckDB, "run", note)
    return seen


def judge(*paths):
    """The verdicts on these scenarios."""
    found = judge_files(RunOptions(), list(paths))
    return [result for results in found for result in results if isinstance(result, Verdict)]


def test_a_rule_that_misses_one_attack_takes_three_statements(statements):
    verdicts = judge(MISSED)
    assert {v.rule.language for v in verdicts} == {"spl", "cql"}
    assert all(v.explanation.loss is not None for v in verdicts)
    # What it says, the events behind each step, and the condition that lost the attack.
    assert len(statements) <= 3 * len(verdicts)


def test_many_scenarios_take_five_statements_a_rule(statements):
    many = sorted((PACK / "routable").glob("*.yaml"))
    verdicts = judge(MISSED, *many)
    assert len(verdicts) > 20
    # Those of one, the switches' other values, and what the nodes below a first step leave where that lost an attack.
    assert len(statements) <= 5 * len({v.rule.path for v in verdicts})


def test_equal_parts_of_two_plans_become_one():
    def plan(limit):
        scan = Scan(columns={"count": Kind.NUMBER})
        some = Filter(source=scan, condition=ops.greater(Column("count"), Literal(1.0)))
        return Filter(source=some, condition=ops.less(Column("count"), Literal(limit)))

    share = SharedNodes()
    one, same, other = share(plan(9.0)), share(plan(9.0)), share(plan(8.0))
    assert one is same
    assert other is not one
    assert other.source is one.source
    assert len(list(walk_nodes(Union(sources=(one, same, other))))) == 5
