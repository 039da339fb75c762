"""A store without a single event, and so without a field."""

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import Source


def test_statistics_of_fields_that_nobody_has_are_no_rows():
    opened = open_engine()
    try:
        columns = opened.load([])
        query = language("cql").parse(Source("q.cql", "groupBy([#type], function=[fieldstats()]) | field!=/^#/"))
        assert opened.run(query.plan(columns, Settings()).node).rows == ()
    finally:
        opened.close()
