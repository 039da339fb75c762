"""The conformance pages hold on events that are codes, whatever work is done on codes in place of values."""

import pytest

from harness.detection.conformance import check_case
from tests.coded_events import CodedDuckDB
from tests.detection.test_conformance import every_case


@pytest.fixture(scope="module")
def coded():
    opened = CodedDuckDB()
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", list(every_case()))
def test_a_case_of_the_pages_holds_on_codes(case, coded):
    problem = check_case(case, coded)
    assert problem is None, f"{case.place}\n{problem}"
