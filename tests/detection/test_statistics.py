"""Statistics are the same in any order of rows, over any number of threads, in groups, windows and lists."""

import math
import random
import statistics

import pyarrow as pa
import pytest

from harness.detection.engines.duckdb import connect
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Literal
from harness.detection.plan.nodes import Aggregate, Frame, Scan, Sort, SortKey, Window
from harness.detection.plan.values.numbers import compute_list_statistic
from harness.telemetry.platform import View

NAMES = [f"{kind}_{of}" for kind in ("stdev", "variance") for of in ("sample", "population")] + ["sum", "mean"]
X = Column("x")
MEASURES = tuple((name, getattr(ops, name)(X)) for name in NAMES)


@pytest.fixture(scope="module")
def engine():
    opened = connect()
    yield opened
    opened.close()


def load(engine, numbers, **more):
    columns = {"x": [float(n) for n in numbers], "texts": [[repr(float(n)) for n in numbers]] * len(numbers), **more}
    return store(engine, {"@event": list(range(len(numbers))), **columns})


def store(engine, columns):
    return Scan(columns=engine.load([View(columns=pa.table(columns))]))


def grouped(engine, source, measures=MEASURES):
    return engine.run(Aggregate(source=source, keys=(), measures=measures)).rows[0]


def some_numbers(kind, size, chance):
    return {
        "counts": lambda: [float(chance.randint(0, 50)) for _ in range(size)],
        "ratios": lambda: [chance.random() for _ in range(size)],
        "thirds": lambda: [chance.randint(-1000, 1000) / 3 for _ in range(size)],
        "epoch seconds": lambda: [1.7e9 + chance.gauss(0, 1) for _ in range(size)],
        "epoch milliseconds": lambda: [float(int(1.7e12 + chance.gauss(0, 1e5))) for _ in range(size)],
        "epoch microseconds": lambda: [float(int(1.7e15 + chance.gauss(0, 1e8))) for _ in range(size)],
        "file times": lambda: [1.33e17 + float(int(chance.gauss(0, 1e12))) for _ in range(size)],
        "microseconds": lambda: [1e-6 * (1 + chance.random()) for _ in range(size)],
        "beyond all": lambda: [chance.choice([1e-14, 1e20, 3.0, 0.1]) * chance.random() for _ in range(size)],
    }[kind]()


KINDS = ["counts", "ratios", "thirds", "epoch seconds", "epoch milliseconds", "epoch microseconds", "file times"]


@pytest.mark.parametrize("kind", [*KINDS, "microseconds", "beyond all"])
@pytest.mark.parametrize("size", [2, 5, 300])
def test_a_statistic_is_right_and_the_same_in_any_order(engine, kind, size):
    chance = random.Random(f"{kind} {size}")
    numbers = some_numbers(kind, size, chance)
    scan = load(engine, numbers)
    found = grouped(engine, scan)
    right = [statistics.stdev, statistics.pstdev, statistics.variance, statistics.pvariance, math.fsum, statistics.mean]
    # Five digits less than a double has: what bits below 2^-90 can make of microseconds.
    assert found == pytest.approx([f(numbers) for f in right], rel=1e-10)
    for _ in range(3):
        chance.shuffle(numbers)
        scan = load(engine, numbers)
        assert grouped(engine, scan) == found


@pytest.mark.parametrize("kind", [*KINDS, "microseconds", "beyond all"])
def test_groups_windows_and_lists_give_the_same(engine, kind):
    numbers = some_numbers(kind, 40, random.Random(kind))
    scan = load(engine, numbers)
    found = grouped(engine, scan)
    lists = tuple((name, ops.list_statistic(Column("texts"), Literal(name))) for name in NAMES)
    assert engine.run(Window(source=scan, measures=MEASURES)).rows[7][-len(NAMES) :] == found
    ordered = Sort(source=scan, keys=(SortKey(expression=X),))
    running = engine.run(Window(source=ordered, measures=MEASURES, frame=Frame.RUNNING)).rows
    assert running[-1][-len(NAMES) :] == found
    from_lists = engine.run(Window(source=scan, measures=tuple((n, e) for n, e in lists))).rows
    assert from_lists[0][-len(NAMES) :] == found


def test_whole_numbers_are_exact_wherever_they_are_computed(engine):
    for hours in ([6, 6, 4, 2, 2], [4, 6, 2, 6, 2], [2, 2, 4, 6, 6]):
        scan = load(engine, hours)
        found = dict(zip(NAMES, grouped(engine, scan), strict=True))
        assert (found["mean"], found["stdev_sample"], found["sum"]) == (4.0, 2.0, 20.0)
        assert found["stdev_sample"] / found["mean"] == 0.5
        texts = [str(h) for h in hours]
        assert {n: compute_list_statistic(texts, n) for n in NAMES} == found


def test_numbers_that_are_all_the_same_deviate_by_nothing(engine):
    for number in (0.1, 1e-13, 1.7e12 + 0.3, 1e20, 7):
        scan = load(engine, [number] * 9)
        assert dict(zip(NAMES, grouped(engine, scan), strict=True))["stdev_sample"] == 0.0


def test_one_number_has_no_deviation_of_a_sample_and_none_has_nothing(engine):
    scan = load(engine, [2.5])
    assert grouped(engine, scan) == (None, 0.0, None, 0.0, 2.5, 2.5)
    scan = store(engine, {"@event": [0], "x": pa.array([None], pa.float64())})
    assert grouped(engine, scan) == (None,) * 6


LINE = tuple((name, getattr(ops, name)(Column("y"), X)) for name in ("slope", "intercept", "r_squared"))


def test_a_line_through_whole_numbers_is_met_exactly(engine):
    xs = [float(x) for x in range(100)]
    scan = load(engine, xs, y=[3 * x + 2 for x in xs])
    assert grouped(engine, scan, LINE) == (3.0, 2.0, 1.0)
    scan = load(engine, xs, y=[5.0] * 100)
    assert grouped(engine, scan, LINE) == (0.0, 5.0, 1.0)


@pytest.mark.parametrize("whole", [0.0, 0.5, 1.0])
def test_a_regression_is_the_same_in_any_order(engine, whole):
    chance = random.Random(whole)
    xs = [float(chance.randint(0, 99)) if chance.random() < whole else chance.random() * 99 for _ in range(200)]
    pairs = [(x, float(int(2 * x + chance.gauss(0, 9)))) for x in xs]
    right = statistics.linear_regression(*zip(*pairs, strict=True))
    strength = statistics.correlation(*zip(*pairs, strict=True)) ** 2
    found = set()
    for _ in range(3):
        chance.shuffle(pairs)
        scan = load(engine, [x for x, _ in pairs], y=[y for _, y in pairs])
        found.add(grouped(engine, scan, LINE))
    assert len(found) == 1
    assert found.pop() == pytest.approx((right.slope, right.intercept, strength), rel=1e-12)
