"""Which parts of a store a plan can need."""

import json
from random import Random

import pytest

from harness.detection.language import Settings, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Scan, Select
from harness.detection.plan.passes.partitions import StoredPart, chain_over_scan, parts_needed
from harness.detection.view_columns import list_view_columns, without_hidden
from harness.diagnostics import Source
from harness.telemetry.platform import platform
from harness.telemetry.scenario_telemetry import replay
from tests.detection.plan.passes.part_walk import parts_of

CREATED = StoredPart(name="created", constants={"EventCode": "11"}, columns={"Image": Kind.TEXT})
DELETED = StoredPart(name="deleted", constants={"EventCode": "23"}, columns={"Image": Kind.TEXT, "Archived": Kind.TEXT})
SCAN = Scan(columns={"EventCode": Kind.TEXT, "Image": Kind.TEXT, "Archived": Kind.TEXT})
CODE, IMAGE, GROUP = Column("EventCode"), Column("Image"), Column("@group")
HAS_GROUP = ops.not_(ops.is_null(GROUP))


def needed(root, scan=SCAN):
    return {part.name for part in parts_needed(root, {"events": (CREATED, DELETED)})[id(scan)]}


def grouped(condition, source=SCAN):
    return Derive(source=source, columns=(("@group", ops.if_(condition, Literal(6.0), NULL)),))


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        (ops.equal(CODE, Literal("23")), {"deleted"}),
        (ops.in_(CODE, Literal("1"), Literal("3")), set()),
        (ops.equal(IMAGE, Literal("a")), {"created", "deleted"}),
        (ops.equal(Column("Archived"), Literal("true")), {"deleted"}),
        (ops.and_(ops.equal(IMAGE, Literal("a")), ops.equal(CODE, Literal("11"))), {"created"}),
        (
            ops.or_(ops.equal(IMAGE, Literal("a")), ops.equal(CODE, Literal("11"))),
            {"created", "deleted"},
        ),
        (NULL, set()),
    ],
)
def test_a_filter_needs_the_parts_whose_constants_may_satisfy_it(condition, parts):
    assert needed(Filter(source=SCAN, condition=condition)) == parts


def test_a_filter_may_ask_for_what_is_derived_of_constants():
    both = ops.and_(ops.ends_with_ci(IMAGE, Literal(".exe")), ops.equal(CODE, Literal("11")))
    assert needed(Filter(source=grouped(both), condition=HAS_GROUP)) == {"created"}


def test_a_derived_column_that_depends_on_the_row_needs_all_parts():
    some = ops.ends_with_ci(IMAGE, Literal(".exe"))
    assert needed(Filter(source=grouped(some), condition=HAS_GROUP)) == {"created", "deleted"}


def test_a_column_that_is_derived_anew_is_no_longer_the_constant():
    renamed = Derive(source=SCAN, columns=(("EventCode", IMAGE),))
    assert needed(Filter(source=renamed, condition=ops.equal(CODE, Literal("23")))) == {"created", "deleted"}


def test_a_column_that_is_not_selected_is_null_above():
    narrowed = Select(source=SCAN, columns=(("Image", IMAGE),))
    assert needed(Filter(source=narrowed, condition=ops.is_null(CODE))) == {"created", "deleted"}
    assert needed(Filter(source=narrowed, condition=ops.equal(CODE, Literal("11")))) == set()


def test_a_filter_above_a_limit_or_an_aggregate_leaves_all_parts():
    deleted = ops.equal(CODE, Literal("23"))
    assert needed(Filter(source=Limit(source=SCAN, count=1), condition=deleted)) == {"created", "deleted"}
    counted = Aggregate(source=SCAN, keys=(("EventCode", CODE),), measures=(("n", ops.count()),))
    assert needed(Filter(source=counted, condition=deleted)) == {"created", "deleted"}


KINDS = ("1", "3", "11", "22", "4104")
SOURCES = ("Sysmon", "sysmon", "PowerShell", "Security")
NAMES = ("EventCode", "source", "Image", "User", "nowhere", "made")


def random_parts(random):
    def part(number):
        constants = {"EventCode": random.choice(KINDS), "source": random.choice(SOURCES)}
        constants = {n: v for n, v in constants.items() if random.random() < 0.9}
        columns = {n: Kind.TEXT for n in ("Image", "User", "EventCode") if random.random() < 0.6 and n not in constants}
        return StoredPart(name=str(number), constants=constants, columns=columns)

    return tuple(map(part, range(12)))


def random_condition(random, depth=0):
    column = Column(random.choice(NAMES))
    texts = [Literal(random.choice((*KINDS, *SOURCES, "1.0"))) for _ in range(random.randint(1, 3))]
    leaves = [
        lambda: ops.equal(column, texts[0]),
        lambda: ops.equal_ci(column, texts[0]),
        lambda: ops.in_ci(column, *texts),
        lambda: ops.in_(column, *texts, NULL),
        lambda: ops.contains_ci(column, texts[0]),
        lambda: ops.is_null(column),
        lambda: ops.equal(column, Literal(1.0)),
        lambda: Literal(random.choice((True, False, None))),
    ]
    if depth > 3 or random.random() < 0.3:
        return random.choice(leaves)()
    inner = [random_condition(random, depth + 1) for _ in range(random.randint(1, 3))]
    return random.choice(
        [
            lambda: ops.and_(*inner),
            lambda: ops.or_(*inner),
            lambda: ops.not_(inner[0]),
            lambda: ops.is_true(inner[0]),
            lambda: ops.is_null(inner[0]),
            lambda: ops.if_(inner[0], inner[-1], inner[0]),
        ]
    )()


def random_plan(random):
    plan = SCAN
    for _ in range(random.randint(1, 3)):
        made = random.choice((Column("source"), Literal("1"), Literal(1.0), random_condition(random)))
        steps = [
            lambda plan: Filter(source=plan, condition=random_condition(random)),
            lambda plan, made=made: Derive(source=plan, columns=(("made", made),)),
            lambda plan: Select(source=plan, columns=(("Image", Column("Image")), ("source", Column("EventCode")))),
        ]
        plan = random.choices(steps, (5, 2, 1))[0](plan)
    return Filter(source=plan, condition=random_condition(random))


@pytest.mark.parametrize("seed", range(8))
def test_looking_parts_up_gives_what_walking_the_condition_for_each_part_gives(seed):
    random = Random(seed)
    for _ in range(250):
        parts, plan = random_parts(random), random_plan(random)
        (found,) = parts_needed(plan, {"events": parts}).values()
        assert found == parts_of(plan, parts), plan


def test_of_published_rules_the_same_parts_are_needed_as_when_each_part_is_walked(samples):
    sample = samples / "dev" / "cross"
    telemetry = replay(sample / "events.ndjson")
    rules = [json.loads(line) for line in (sample / "rules.ndjson").read_text("utf-8").splitlines()]
    for suffix, conditions in (("spl", {"source": "WinEventLog", "system_names": "sigma"}), ("cql", {})):
        spoken = language(suffix)
        views = platform(spoken.platform).present(telemetry, conditions)
        columns = without_hidden(list_view_columns(views))
        parts = tuple(
            StoredPart(name=str(n), constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
            for n, v in enumerate(views)
        )
        counted = 0
        for rule in rules[::7]:
            plan = spoken.parse(Source("rule", rule[suffix])).plan(columns, Settings()).node if rule[suffix] else SCAN
            if chain_over_scan(plan)[0] is not None:
                (found,) = parts_needed(plan, {"events": parts}).values()
                assert found == parts_of(plan, parts)
                counted += 1
        assert counted > 100
