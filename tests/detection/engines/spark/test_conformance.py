"""Every conformance page on Spark: the same rows as on DuckDB, and what differs is declared here with its reason."""

import os

import pytest

from harness.detection.conformance import check_case
from harness.detection.engine import open_engine
from tests.detection import test_conformance as embedded

pytestmark = pytest.mark.more
pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")

DECLARED: dict[str, str] = {}
"""Cases whose answer is another one on Spark, by page and title, each with the reason."""

CLOSED = {
    "spl/statistical_functions.md: The mean of a hundred equal prices is printed in full": (
        "Spark adds number by number, as Splunk does, and a few rows in their order"
    ),
}
"""Known gaps of the embedded engine that are none on Spark, each with the reason."""


def list_cases():
    """Every case; of those that are closed on Spark, without the mark of a known gap."""
    for each in embedded.every_case():
        yield pytest.param(*each.values, id=each.id) if each.id in CLOSED else each


@pytest.fixture(scope="module")
def spark():
    # Half of the time would go into compiling Java's own code for statements that run once.
    before = os.environ.get("JAVA_TOOL_OPTIONS")
    os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1"
    opened = open_engine("spark")
    if before is None:
        del os.environ["JAVA_TOOL_OPTIONS"]
    yield opened
    opened.close()


@pytest.mark.parametrize("case", list(list_cases()))
def test_a_case_of_the_pages_holds_on_spark(case, spark, request):
    name = request.node.callspec.id
    problem = check_case(case, spark)
    if name in DECLARED:
        assert problem is not None, f"it does not differ any more: {DECLARED[name]}"
    else:
        assert problem is None, f"{case.place}\n{problem}"


def test_what_is_declared_to_differ_is_a_case():
    assert {*DECLARED, *CLOSED} <= {p.id for p in embedded.every_case()}
