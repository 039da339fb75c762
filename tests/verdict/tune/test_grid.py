"""The grid answers what running the rule again would."""

import numpy as np
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan.expressions import Literal, rebuild_expression
from harness.detection.plan.nodes import Derive, Filter, Node
from harness.verdict.tune.grid import Cells, Grid, grid
from harness.verdict.tune.groups import collect_groups, select_varied_thresholds
from harness.verdict.tune.thresholds import find_thresholds, split_at_last_grouping
from tests.verdict.tune.beacon_plan import TEXT, events, plan


@pytest.fixture(scope="module")
def judged():
    store = open_engine("duckdb")
    columns = store.load([events(1)])
    root = plan(dict(columns))
    thresholds = select_varied_thresholds(find_thresholds(root))
    yield store, root, collect_groups(store.run, root, split_at_last_grouping(root)[1], thresholds)
    store.close()


def with_literals(root: Node, values: dict[int, float]) -> Node:
    """The plan with other numbers where these places of the text are."""

    def changed(e):
        return Literal(values[e.span.start], e.span) if isinstance(e, Literal) and e.span else e

    def again(node):
        match node:
            case Filter(source=source, condition=condition):
                return Filter(source=again(source), condition=rebuild_expression(condition, changed))
            case Derive(source=source, columns=columns):
                return Derive(
                    source=again(source), columns=tuple((n, rebuild_expression(e, changed)) for n, e in columns)
                )
            case _ if hasattr(node, "keys") and hasattr(node, "measures"):
                return node
            case _:
                return again(node.source)

    return again(root)


def test_thresholds_are_found_with_their_places_and_guards_are_left_alone():
    found = find_thresholds(plan({}))
    assert [(str(t), t.place.text, t.needed, bool(t.fixed)) for t in found] == [
        ("Total >= 10", "10", True, False),
        ("Hours >= 2", "2", True, False),
        ("Mean > 0", "0", False, True),
        ("Ratio < 0.5", "0.5", False, False),
        ("Mean >= 0.75", "0.75", False, False),
        ("Total > 50", "50", False, False),
        ("Risk >= 1", "1", True, False),
    ]
    assert TEXT[found[3].place.start : found[3].place.end] == "0.5"


def test_fifty_random_points_of_the_grid_equal_running_the_rule_again(judged):
    store, root, found = judged
    random = np.random.default_rng(7)
    guard = next(t for t in find_thresholds(root) if t.fixed)
    cells = Cells(found, grid(found, np.zeros(len(found), bool), {}, 5))
    counts = cells.counts(np.ones(len(found), bool))
    seen = set()
    for _ in range(50):
        cell = tuple(int(random.integers(0, n)) for n in cells.grid.shape)
        point = cells.grid.point(cell)
        literals = {t.place.start: v for t, v in zip(found.thresholds, point, strict=True)}
        rows = len(store.run(with_literals(root, {**literals, guard.place.start: 0.0})))
        assert (counts[cell], found.judged(point).sum()) == (rows, rows), point
        seen.add(rows)
    assert len(seen) > 5


def test_a_comparison_with_null_is_true_at_no_value(judged):
    store, root, found = judged
    j = [str(t) for t in found.thresholds].index("Ratio < 0.5")
    single_hour = np.isnan(found.values[0, j])
    assert single_hour.any()
    loose = tuple(1.0 if t.rising else 1e9 for t in found.thresholds)
    cells = Cells(found, Grid(axes=tuple((v,) for v in loose)))
    assert cells.counts(np.ones(len(found), bool)).item() == found.judged(loose).sum()
    assert len(store.run(root)) == found.judged(found.published).sum()


def test_a_set_of_groups_counts_once_however_many_of_it_alert(judged):
    found = judged[2]
    cells = Cells(found, Grid(axes=tuple((t.published,) for t in found.thresholds)))
    alerting = np.flatnonzero(found.judged(found.published))
    silent = np.flatnonzero(~found.judged(found.published))
    sets = [alerting[:3], alerting[:1], alerting[:1], np.array([alerting[4], silent[0]]), silent[:2], silent[:1]]
    assert cells.anywhere(sets).item() == 4


def test_every_axis_holds_the_published_value_and_goes_from_loose_to_strict(judged):
    found = judged[2]
    made = grid(found, np.arange(len(found)) < 20, {"Hours": [2, 3, 4]}, None)
    assert made.axes[1] == (2.0, 3.0, 4.0)
    for threshold, axis in zip(found.thresholds, made.axes, strict=True):
        assert threshold.published in axis
        assert list(axis) == sorted(axis, reverse=not threshold.rising)
