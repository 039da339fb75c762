"""A plan that would run for hours is stopped."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.detection.plan.expressions import EVENT_COLUMN
from harness.diagnostics import HarnessError, Source
from harness.telemetry.platform import View

EVENTS = View(
    columns=pa.table(
        {EVENT_COLUMN: pa.array(range(3000)), "_time": [0.0] * 3000, "host": [f"h{i}" for i in range(3000)]}
    )
)
PAIRS = (
    "* | eval one=1 | join max=0 one [search * | eval one=1] | join max=0 one [search * | eval one=1] | stats dc(host)"
)


@pytest.fixture
def impatient():
    connected = open_engine("duckdb", patience=0.5)
    yield connected
    connected.close()


def test_a_search_that_takes_too_long_is_stopped_and_says_so(impatient):
    columns = impatient.load([EVENTS])
    plan = language("spl").parse(Source("pairs.spl", PAIRS)).plan(columns, Settings())
    with pytest.raises(HarnessError) as stopped:
        impatient.run(plan.node)
    assert stopped.value.code == "time-limit"
    assert "0.5 s" in stopped.value.message


def test_the_next_search_runs_as_if_nothing_had_been(impatient):
    columns = impatient.load([EVENTS])
    spoken = language("spl")
    with pytest.raises(HarnessError):
        impatient.run(spoken.parse(Source("pairs.spl", PAIRS)).plan(columns, Settings()).node)
    counted = spoken.parse(Source("count.spl", "* | stats count")).plan(columns, Settings())
    assert impatient.run(counted.node).rows == ((3000,),)
