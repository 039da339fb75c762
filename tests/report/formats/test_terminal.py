from dataclasses import replace

import msgspec

from harness.diagnostics import HarnessError
from harness.report.console import Paper, printed_width
from harness.report.formats.terminal import Terminal
from harness.report.report import Report
from harness.scenario.scenario import Outcome
from harness.verdict.verdict import Broken

SHOWN = """\
detlab 0.1.0: telemetry simulated; engine duckdb; addon=legacy, falcon=enriched unless a row says
otherwise
server.cql is read leniently: its product rejects lines 4, 20 and 21 (5 places) and would silently
get lines 14 and 15 wrong; `detlab lint pack/server.cql` says how to mend it

T1583.004 Published atomic tests                                             server.spl  server.cql
  1 Beacon as published                                                      missed      missed
        server.spl:15 DestinationIp="127.*" excludes 127.0.0.1
        server.cql:2 cidr(RemoteAddressIP4, subnet=[" .. 7.0.0.0/8"]) excludes 127.0.0.1
        sysmon 3 (DestinationPort=8888): page promises 5, host records 10: a connection to the same
        host leaves an event of each side
        variants: server.spl sees 1 of 2, server.cql sees 1 of 1, as routable/1-three-hours.yaml

T1583.004 Variants: routable                                                 server.spl  server.cql
  Five calls to a public server                                              missed      -
        server.spl:34 TotalConnections 5, needs >= 10; HoursActive 1, needs >= 2
  A call a minute for three hours                                            seen        seen

T1583.004 Benign software                                                                server.spl
  An updater that polls                                                                  flagged
  server.spl flags 1 of 1; its page lists 5 kinds:
      - Monitoring and telemetry agents that check in with cloud back ends at fixed intervals and..
      - Software updaters that are no browsers and poll on a schedule
      - Enterprise applications that hold heartbeat connections to their vendor's cloud
      - Security tools that fetch threat intelligence at fixed intervals with curl.exe or PowerShell
      - Remote management tools that are no browsers and keep management connections

4 scenarios, 6 verdicts as expected, 0 differ; 1 signal as expected, 0 differ; 0.9 s
"""


def expecting(report: Report, outcome: Outcome) -> Report:
    """The same run, had the first expectation been another."""
    first = report.outcomes.verdicts[0]
    expectation = msgspec.structs.replace(first.expectation, outcome=outcome)
    changed = replace(first, expectation=expectation)
    return replace(report, outcomes=replace(report.outcomes, verdicts=(changed, *report.outcomes.verdicts[1:])))


def test_a_run_is_told_in_one_screen(report):
    assert Terminal().write(report) == SHOWN


def test_a_verdict_that_differs_is_marked_and_told_in_full(report):
    shown = Terminal().write(expecting(report, Outcome.TRUE_POSITIVE))
    assert "  1 Beacon as published                                                      missed !    missed\n" in shown
    assert shown.endswith(
        """
pack/1-beacon.yaml: Beacon as published
server.spl: false negative, DIFFERS
  expected true positive, observed false negative
  line  step                                                            rows   attack  other
>    1  index=wineventlog sourcetype="XmlWinEvent .. webview2.exe")  34 -> 0  34 -> 0      0  LOST
        line 1 lost 14 rows: needs index=wineventlog, events hold crowdstrike
        line 1 lost 3 rows: needs sourcetype="XmlWinEventLog:Micro .. Operational", events hold
        XmlWinEventLog:Security, XmlWinEventLog:Microsoft-Windows-PowerShell/Operational
        line 1 lost 7 rows: needs EventCode=3, events hold 11, 5, 1
        line 15 lost 10 rows: DestinationIp="127.*" excludes 127.0.0.1
        11 steps after it: no rows

4 scenarios, 5 verdicts as expected, 1 differ; 1 signal as expected, 0 differ; 0.9 s
"""
    )


def test_quiet_tells_only_what_differs(report):
    assert Terminal(quiet=True).write(report) == f"\n{SHOWN.splitlines()[-1]}\n"
    assert "expected true positive" in Terminal(quiet=True).write(expecting(report, Outcome.TRUE_POSITIVE))


def test_verbose_tells_reasons_steps_and_alerts(report):
    shown = Terminal(verbose=True).write(report)
    assert "        because loopback is excluded\n" in shown
    assert "        server.spl updaters poll as regularly as implants\n" in shown
    assert "        alert 1: 24 events by beacon (benign)\n" in shown
    assert "line 34 nearest miss: HoursActive 1, needs >= 2\n" in shown


def test_no_line_is_wider_than_the_paper(report):
    for width in (60, 80, 100, 140):
        for verbose in (False, True):
            shown = Terminal(paper=Paper(width=width), verbose=verbose).write(report)
            assert max(len(line) for line in shown.splitlines()) <= width


def test_colours_change_nothing_but_colours(report):
    plain, coloured = Terminal().write(report), Terminal(paper=Paper(colour=True)).write(report)
    assert "\x1b[" not in plain
    assert "\x1b[32mseen\x1b[0m" in coloured
    assert [printed_width(line) for line in coloured.splitlines()] == [len(line) for line in plain.splitlines()]


def test_many_rules_are_numbered_where_their_names_leave_no_room(report):
    shown = Terminal(paper=Paper(width=60)).write(report)
    assert "[1]       [2]" in shown
    assert "  [1] server.spl, [2] server.cql\n" in shown


def test_what_cannot_be_judged_is_told_with_its_error(report):
    broken = Broken(path="pack/x.yaml", error=HarnessError("no-such-rule", "there is no file x.spl", help="look"))
    shown = Terminal().write(replace(report, outcomes=replace(report.outcomes, broken=(broken,))))
    assert "pack/x.yaml: cannot be judged\nerror[no-such-rule]: there is no file x.spl\n  = help: look\n" in shown
    assert "; 1 broken; 0.9 s" in shown.splitlines()[-1]


def test_escape_sequences_in_titles_and_alerts_are_spelled_out(report):
    first = report.outcomes.verdicts[0]
    body = msgspec.structs.replace(first.scenario.body, title="\x1b]0;owned\x07")
    hostile = replace(first, scenario=msgspec.structs.replace(first.scenario, body=body))
    shown = Terminal(verbose=True).write(replace(report, outcomes=replace(report.outcomes, verdicts=(hostile,))))
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07" in shown
