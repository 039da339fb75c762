"""Times as text and back, in zones with and without summer time."""

import pytest

from harness.detection.plan.values.calendar import add_calendar_units, extract_time_part, floor_to_calendar_unit
from harness.detection.plan.values.time_format import compute_parse_time, format_epoch

CLOCKS_BACK = 1698541200.0
"""2023-10-29 01:00 UTC: in London 02:00 summer time becomes 01:00."""


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("%Y %y %C", "2024 24 20"),
        ("%m %-m %b %B %h", "02 2 Feb February Feb"),
        ("%d %-d %e %j", "05 5  5 036"),
        ("%a %A %u %w", "Mon Monday 1 1"),
        ("%U %W %V %G %g", "05 06 06 2024 24"),
        ("%H %-H %k %I %l", "04 4  4 04  4"),
        ("%M %S %p %P", "07 09 AM am"),
        ("%L %f %N", "250 250000 250000000"),
        ("%s %Q", "1707106029 1707106029250"),
        ("%z %:z %Z", "+0000 +00:00 UTC"),
        ("%% %q text", "% %q text"),
    ],
)
def test_each_code_has_its_text(code, wanted):
    assert format_epoch(1707106029.25, code, "UTC") == wanted


def test_an_hour_that_comes_twice_has_two_offsets():
    assert format_epoch(CLOCKS_BACK - 1, "%H:%M:%S %z %Z", "Europe/London") == "01:59:59 +0100 BST"
    assert format_epoch(CLOCKS_BACK, "%H:%M:%S %z %Z", "Europe/London") == "01:00:00 +0000 GMT"
    assert floor_to_calendar_unit(CLOCKS_BACK + 60, "hour", "Europe/London") == CLOCKS_BACK
    assert floor_to_calendar_unit(CLOCKS_BACK - 60, "hour", "Europe/London") == CLOCKS_BACK - 3600


def test_a_day_of_25_hours_is_one_day():
    midnight = floor_to_calendar_unit(CLOCKS_BACK, "day", "Europe/London")
    assert add_calendar_units(midnight, 1, "day", "Europe/London") - midnight == 25 * 3600


@pytest.mark.parametrize(
    ("text", "form", "zone", "wanted"),
    [
        ("2024-02-05 04:07:09", "%Y-%m-%d %H:%M:%S", "UTC", 1707106029),
        ("2024-02-05 04:07:09", "%Y-%m-%d %H:%M:%S", "America/New_York", 1707124029),
        ("2024-02-05T04:07:09.250Z", "%Y-%m-%dT%H:%M:%S.%L%z", "America/New_York", 1707106029.25),
        ("05/Feb/2024:04:07:09 -0500", "%d/%b/%Y:%H:%M:%S %z", "UTC", 1707124029),
        ("Feb  5 2024 4:07 am", "%b %e %Y %I:%M %p", "UTC", 1707106020),
        ("1707106029", "%s", "UTC", 1707106029),
        ("1707106029250", "%Q", "UTC", 1707106029.25),
        ("2024-036", "%Y-%j", "UTC", 1707091200),
        ("2024-02-05 and more", "%Y-%m-%d", "UTC", 1707091200),
        ("2024-02-30", "%Y-%m-%d", "UTC", None),
        ("2024-02-05", "%Y/%m/%d", "UTC", None),
        ("13:00 PM", "%I:%M %p", "UTC", None),
        ("2016-12-31 23:59:60", "%Y-%m-%d %H:%M:%S", "UTC", 1483228800),
        ("2024-02-05 EST", "%Y-%m-%d %Z", "UTC", 1707109200),
        ("2024-02-05", "%Y-%m-%d", "Mars/Olympus", None),
    ],
)
def test_a_text_is_read_as_a_time_or_is_none(text, form, zone, wanted):
    assert compute_parse_time(text, form, zone) == wanted


def test_a_time_before_the_first_year_or_after_the_last_has_no_text():
    assert [format_epoch(t, "%Y", "UTC") for t in (-1e12, 1e12, float("nan"), float("inf"))] == [None] * 4
    assert extract_time_part(1e12, "year", "UTC") is None
    assert floor_to_calendar_unit(-62_135_596_800.0, "year", "America/New_York") is None


def test_months_end_where_they_end():
    assert add_calendar_units(1706659200, 1, "month", "UTC") == 1709164800
    assert add_calendar_units(1709164800, 12, "month", "UTC") == 1740700800
    assert add_calendar_units(0, -1, "quarter", "UTC") == -92 * 86400
    assert add_calendar_units(0, 1e9, "year", "UTC") is None
