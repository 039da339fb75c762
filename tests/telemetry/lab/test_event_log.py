"""Event logs page by page, and what is lost for the reason that is said; the host here answers as wevtutil does."""

import re
import time

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.lab.attribution import attribute_events
from harness.telemetry.lab.event_log import (
    LogState,
    events_between,
    find_channel_losses,
    read_settings,
    split_events,
    state_of,
)
from harness.telemetry.lab.output import Output
from harness.telemetry.lab.remote import Ended

CHANNEL = "Microsoft-Windows-PowerShell/Operational"


class Host:
    """A log of records of given sizes; `numbers` may have gaps, `answer` may say anything."""

    def __init__(self, sizes, answer=None):
        self.sizes, self.answer, self.pages = sizes, answer, []

    def run(self, line, *, timeout, stop=None):
        after, upto = map(int, re.search(r"EventRecordID>(\d+)\) and \(EventRecordID<=(\d+)", line.text).groups())
        most = int(re.search(r"/c:(\d+)", line.text)[1])
        self.pages.append(most)
        output = Output()
        chosen = [n for n in sorted(self.sizes) if after < n <= upto][:most]
        for number in chosen if self.answer is None else ():
            output.add(record(number, self.sizes[number]).encode() + b"\r\n")
        return Ended(exit_code=0, stdout=output.text() if self.answer is None else self.answer)


def record(number, size):
    system = f"<System><EventRecordID>{number}</EventRecordID></System>"
    return f"<Event xmlns='x'>{system}<EventData><Data>{'x' * size}</Data></EventData></Event>"


def test_large_records_are_all_read_in_smaller_pages():
    host = Host(dict.fromkeys(range(1, 501), 30_000))
    assert [n for n, _ in events_between(host, CHANNEL, 0, 500)] == list(range(1, 501))
    assert host.pages[0] == 200
    assert max(host.pages[1:]) < 150


def test_pages_grow_again_behind_large_records():
    host = Host(dict.fromkeys(range(1, 11), 2_000_000) | dict.fromkeys(range(11, 3000), 200))
    assert len(events_between(host, CHANNEL, 0, 2999)) == 2999
    assert len(host.pages) < 40


def test_a_record_that_no_page_can_hold_is_told_as_such_and_the_others_are_read():
    host = Host({1: 10, 2: 5 << 20, 4: 10, 5: 6 << 20})
    found = events_between(host, CHANNEL, 0, 5)
    assert [(n, bool(xml)) for n, xml in found] == [(1, True), (2, False), (4, True), (5, False)]


def test_gaps_in_the_numbers_do_not_end_the_reading():
    host = Host(dict.fromkeys([*range(1, 50), *range(90, 400), 777], 10))
    assert len(events_between(host, CHANNEL, 0, 1000)) == 49 + 310 + 1


def test_reading_ends_at_its_time_and_its_size():
    host = Host(dict.fromkeys(range(1, 5000), 1000))
    assert events_between(host, CHANNEL, 0, 4999, until=time.monotonic() - 1) == []
    assert 900 < len(events_between(host, CHANNEL, 0, 4999, most=1_000_000)) < 1300


@pytest.mark.parametrize(
    "answer",
    [
        record(3, 10) * 200,
        record(10**25, 10),
        record(1, 10).replace(">1<", ">" + "9" * 5000 + "<"),
        "<Event " * 600_000,
        "<Event ><EventRecordID>" * 180_000,
        "",
    ],
)
def test_an_answer_that_leads_nowhere_ends_the_reading(answer):
    start = time.process_time()
    found = events_between(Host({}, answer), CHANNEL, 3, 10**19)
    assert time.process_time() - start < 5
    assert found == []


def test_an_error_of_the_host_is_told_without_its_control_characters():
    class Failing:
        def run(self, line, *, timeout, stop=None):
            return Ended(exit_code=5, stderr="Access\x1b[31m is\r\n denied.")

    with pytest.raises(HarnessError, match=r"cannot be read: Access\?\[31m is denied\."):
        events_between(Failing(), CHANNEL, 0, 9)


def state(oldest, newest, **other):
    return LogState(**{"channel": CHANNEL, "there": True, "enabled": True, "oldest": oldest, "newest": newest, **other})


def losses(before, now, read, unread=""):
    return [str(loss).partition(": ")[2] for loss in find_channel_losses(before, now, read, unread)]


def test_each_lost_record_is_lost_for_its_own_reason():
    read = dict.fromkeys(range(11, 101), "") | {20: "larger than 4 MiB each", 21: "what the host gives is no XML"}
    assert losses(state(1, 10), state(1, 100), read) == [
        "1 record is lost: larger than 4 MiB each",
        "1 record is lost: what the host gives is no XML",
    ]
    del read[50], read[51]
    assert "2 records are lost: the host does not give them" in losses(state(1, 10), state(1, 100), read)
    slow = dict.fromkeys(range(11, 61), "")
    assert losses(state(1, 10), state(1, 100), slow, "reading took longer than 600 s") == [
        "40 records are lost: reading took longer than 600 s"
    ]
    late = dict.fromkeys(range(91, 101), "")
    enlarge = f'(run: wevtutil sl "{CHANNEL}" /ms:268435456)'
    assert losses(state(1, 10), state(91, 100), late) == [f"80 records are lost: the log rolled over {enlarge}"]
    assert losses(state(1, 10), state(1, 10), {}) == []


def test_records_that_rolled_over_after_they_were_read_are_not_lost():
    assert losses(state(1, 10), state(91, 100), dict.fromkeys(range(11, 101), "")) == []


def test_a_host_may_say_any_number_and_nothing_is_counted_out():
    start = time.process_time()
    found = find_channel_losses(state(1, 10), state(1, 10**18), {})
    assert time.process_time() - start < 1
    assert found[0].records == 10**18 - 10


def test_what_wevtutil_says_of_a_log_is_read_line_by_line():
    config = f"name: {CHANNEL}\r\nenabled: true\r\nlogging:\r\n  retention: false\r\n  maxSize: 67108864\r\n"
    status = "creationTime: 2026-01-01T00:00:00.000Z\r\nnumberOfLogRecords: 12\r\noldestRecordNumber: 7\r\n"
    assert state_of(CHANNEL, config, status) == state(7, 18)
    nonsense = "numberOfLogRecords: " + "9" * 5000 + "\r\noldestRecordNumber: \u0663\r\n"
    assert state_of(CHANNEL, config, nonsense) == state(0, 0)
    start = time.process_time()
    read_settings("\n" * 4_000_000)
    read_settings("a: b " * 800_000)
    assert time.process_time() - start < 5


def test_events_are_split_where_they_stand():
    text = f"noise {record(1, 3)}\r\n<EventX>{record(2, 3)}<Event xmlns='x'><System>"
    assert list(split_events(text)) == [record(1, 3), record(2, 3)]


def test_a_log_in_the_reverse_order_of_its_processes_is_attributed_in_time():
    sysmon = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": "1"}
    last = 30_000
    events = [
        {**sysmon, "ProcessGuid": f"{{{n}}}", "ParentProcessGuid": f"{{{n - 1}}}", "CommandLine": "x"}
        for n in range(last, 1, -1)
    ]
    root = {**sysmon, "ProcessGuid": "{1}", "ParentProcessGuid": "{0}", "CommandLine": "set DETLAB=r.1& x"}
    start = time.process_time()
    assert all(attribute_events([*events, root], "r.1", "r"))
    assert time.process_time() - start < 10
