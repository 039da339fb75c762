"""Which parts of a store a plan can need."""

import pytest

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Scan, Select
from harness.detection.plan.passes.partitions import StoredPart, parts_needed

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
