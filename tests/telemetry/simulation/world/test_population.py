"""Clocks that stop, and working days."""

import numpy as np
import pytest

from harness.diagnostics import HarnessError
from harness.scenario.world import Hours, Site
from harness.telemetry.simulation.world.population import build_clock, clip_stretches, midnights, outages, workdays

BERLIN = Site(name="Berlin", time_zone="Europe/Berlin", outages_a_day=2, outage_minutes=10)


def at(text):
    return np.datetime64(f"2026-03-{text}", "us")


def test_a_timer_goes_on_where_it_stopped():
    found = build_clock([(at("27T09:00"), at("27T12:00")), (at("27T13:00"), at("27T17:00"))])
    assert found.length == np.timedelta64(7, "h")
    moments = np.array([at("27T09:30"), at("27T11:59"), at("27T12:00"), at("27T15:30")])
    assert (
        found.real(moments).tolist()
        == np.array([at("27T09:30"), at("27T11:59"), at("27T13:00"), at("27T16:30")]).tolist()
    )


def test_what_was_before_a_clock_began_stays_where_it_was():
    found = build_clock([(at("27T09:00"), at("27T10:00")), (at("27T13:00"), at("27T17:00"))])
    assert found.real(at("27T08:59")) == at("27T08:59")


def test_stretches_too_short_for_anything_are_left_out():
    assert build_clock([(at("27T09:00"), at("27T09:05"))]) is None


def test_stretches_are_cut_to_a_part():
    assert clip_stretches([(at("27T09:00"), at("27T12:00"))], at("27T10:00"), at("27T11:00")) == [
        (at("27T10:00"), at("27T11:00"))
    ]


def test_work_begins_an_hour_earlier_in_utc_after_the_change_of_clocks():
    nights = midnights(BERLIN, at("27T00:00"), 5)
    days = workdays(Hours(begin="09:00", spread_minutes=0, absent=0), nights, "LT-1", 1)
    hours = [float((d.arrival - d.arrival.astype("datetime64[D]")) / np.timedelta64(1, "h")) for d in days]
    dates = [str(d.arrival)[:10] for d in days]
    assert dates == ["2026-03-26", "2026-03-27", "2026-03-30", "2026-03-31", "2026-04-01", "2026-04-02"]
    assert all(abs(h - 8) < 0.8 for h in hours[:2])
    assert all(abs(h - 7) < 0.8 for h in hours[2:])


def test_outages_are_as_frequent_as_the_site_says():
    found = outages(BERLIN, at("01T00:00"), 500, 1)
    assert 850 < len(found) < 1150
    mean = np.mean([(e - b) / np.timedelta64(60, "s") for b, e in found])
    assert 9 < mean < 11


def test_a_time_zone_that_is_none_is_told():
    with pytest.raises(HarnessError, match="no time zone is called `Europe/Berlim`"):
        midnights(Site(name="x", time_zone="Europe/Berlim"), at("01T00:00"), 1)
