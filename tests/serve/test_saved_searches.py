"""Saved searches that run by their schedule."""

import json
import time

import pytest

pytestmark = pytest.mark.more


def test_a_scheduled_search_runs_over_its_look_back_and_its_rows_are_an_alert(own_server):
    server = own_server("--plain")
    server.send({"event": "old", "time": time.time() - 7200}, {"event": "new", "time": time.time() - 60})
    form = {
        "name": "each_minute",
        "search": "index=main",
        "is_scheduled": "1",
        "cron_schedule": "* * * * *",
        "dispatch.earliest_time": "-1h",
        "dispatch.latest_time": "now",
        "alert_type": "number of events",
        "alert_comparator": "greater than",
        "alert_threshold": "0",
    }
    assert server.ask("POST", "/services/saved/searches", form)[0] == 201
    until = time.monotonic() + 120
    alerts = []
    while not alerts and time.monotonic() < until:
        time.sleep(1)
        path = "/services/alerts/fired_alerts/each_minute?output_mode=json"
        alerts = json.loads(server.ask("GET", path)[1])["entry"]
    assert alerts[0]["content"]["triggered_alerts"] == "1"
    assert alerts[0]["content"]["sid"].startswith("scheduler__search__each_minute_at_")
