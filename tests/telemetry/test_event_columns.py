"""Columns of texts become columns of times: all at once where they are alike, each as it would be alone."""

import pyarrow as pa
import pytest

from harness.telemetry.events.event import parse_plain_microseconds
from harness.telemetry.events.event_columns import parse_epoch_numbers, parse_times


@pytest.mark.parametrize("texts", [["1767571200123", "999999999999"], ["1767571200", "1767571200.25"]])
def test_numbers_that_are_alike_are_read_together(texts):
    read = parse_epoch_numbers(pa.array(texts))
    assert read is not None
    assert read.to_pylist() == [parse_plain_microseconds(text) for text in texts]


@pytest.mark.parametrize(
    "texts",
    [
        ["1767571200123", "1767571200.5"],
        # A date and a clock in figures, which is no number of milliseconds.
        ["20260105000000", "1767571200123"],
        ["0767571200123"],
        ["1767571200123", "2026-01-05T00:00:00Z"],
        ["1767571200.55", "176757120012."],
    ],
)
def test_times_of_several_looks_are_what_each_is_alone(texts):
    assert parse_times(pa.array(texts)).to_pylist() == [parse_plain_microseconds(text) for text in texts]
