"""Where the order of events of one time decides, the answer says that it hangs on a switch."""

import pytest

from tests.cli.command_line import detlab

EVENTS = """{"_time":"2026-01-01T00:00:01Z","host":"a","u":"x"}
{"_time":"2026-01-01T00:00:01Z","host":"a","u":"y"}
"""
DECIDED = {
    "rule.spl": [
        'index=* | dedup host | where u="x"',
        'index=* | head 1 | where u="x"',
        'index=* | stats first(u) as u by host | where u="x"',
        'index=* | stats latest(u) as u by host | where u="x"',
        'index=* | streamstats count as n | where n=1 AND u="x"',
        'index=* | transaction host maxevents=1 | head 1 | where u="x"',
    ],
    "rule.cql": [
        "head(1) | u=x",
        "groupBy(host, function=tail(1)) | u=y",
        "groupBy(host, function=selectLast([u])) | u=y",
    ],
}
UNDECIDED = {
    "rule.spl": ["index=* | stats count values(u) by host", "index=* u=x", "index=* | sort 0 u"],
    "rule.cql": ["groupBy(host, function=[count(), collect(u)])", "u=x"],
}


def answer(folder, name, text, value):
    (folder / "two.ndjson").write_text(EVENTS)
    (folder / name).write_text(text)
    switch = f"{SWITCH[name]}={value}"
    ran = detlab("query", folder / name, "--events", folder / "two.ndjson", "--switch", switch, "--json")
    assert ran.code == 0, ran.err
    return ran.document["rows"], ran.document["switches"]


SWITCH = {"rule.spl": "equal_times", "rule.cql": "equal-times"}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in DECIDED.items() for t in texts])
def test_a_row_that_hangs_on_the_order_of_equal_times_says_so(tmp_path, name, text):
    rows, switches = answer(tmp_path, name, text, "as-recorded")
    others, _ = answer(tmp_path, name, text, "reversed")

    assert sorted((len(rows), len(others))) == [0, 1]
    assert switches[SWITCH[name]] == "as-recorded"


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in UNDECIDED.items() for t in texts])
def test_rows_that_do_not_hang_on_it_do_not_ask(tmp_path, name, text):
    assert SWITCH[name] not in answer(tmp_path, name, text, "as-recorded")[1]
