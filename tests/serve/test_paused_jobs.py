"""A search job that is paused: it stands still, and others do not wait for it."""

import json
import time

import pytest

pytestmark = pytest.mark.more

# Seconds of work: each row is compared with each other one.
ROWS = 2000
LONG = (
    f"| makeresults count={ROWS} | streamstats count as n | eval k=1"
    f"| join max=0 k [| makeresults count={ROWS} | eval k=1] | stats sum(n) as n"
)


def begin(server, text):
    status, answer = server.ask("POST", "/services/search/jobs", {"search": text, "output_mode": "json"})
    assert status == 201, answer
    return json.loads(answer)["sid"]


def look(server, sid):
    status, answer = server.ask("GET", f"/services/search/jobs/{sid}?output_mode=json")
    assert status == 200, answer
    return json.loads(answer)["entry"][0]["content"]


def control(server, sid, action):
    status, answer = server.ask("POST", f"/services/search/jobs/{sid}/control", {"action": action})
    assert status == 200, answer


def wait_until_done(server, sid):
    until = time.monotonic() + 300
    while not look(server, sid)["isDone"]:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_paused_job_stands_still_until_it_may_go_on(own_server):
    server = own_server("--plain")
    paused = begin(server, LONG)
    control(server, paused, "pause")
    assert look(server, paused)["dispatchState"] == "PAUSED"
    # As many of the same, which would have ended after it.
    for other in [begin(server, LONG) for _ in range(5)]:
        wait_until_done(server, other)
    found = look(server, paused)
    assert (found["dispatchState"], found["isPaused"], found["isDone"]) == ("PAUSED", True, False)
    control(server, paused, "unpause")
    wait_until_done(server, paused)
    status, answer = server.ask("GET", f"/services/search/jobs/{paused}/results?output_mode=json")
    assert (status, json.loads(answer)["results"]) == (200, [{"n": str(ROWS * (ROWS + 1) // 2 * ROWS)}])
