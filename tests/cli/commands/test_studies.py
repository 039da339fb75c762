"""tune, envelope, mutate, latency and parity on a pack of a few files."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.cli.command_line import detlab

RULE = r"""index=wineventlog EventCode=3 NOT (Image="*\\zoom.exe")
| eval Hour=strftime(_time, "%H")
| stats count as Hourly by host, Image, DestinationIp, Hour
| stats sum(Hourly) as Total, count as Hours by host, Image, DestinationIp
| where Total >= 10 AND Hours >= 2
"""
CQL = r"""#event_simpleName=NetworkConnectIP4
| groupBy([ComputerName, ImageFileName, RemoteAddressIP4, RemotePort], function=count(as=Total))
| Total >= 10
"""
SCENARIO = """\
title: {title}
activity: {activity}
conditions: {{falcon: enriched}}
start: 2026-03-03T09:00:00Z
simulate:
  - behaviour: beacon
    host: {host}
    given: {{server: 203.0.113.20, every: {every}, jitter: 0, times: {times}, image: '{image}'}}
expect:
  - {{rule: rule.spl, outcome: {outcome}}}
"""
PROGRAM = r"C:\Tools\sync.exe"
CASES = [
    ("slow", "malicious", "WS01", "10m", 20, PROGRAM, "true positive"),
    ("fast", "malicious", "WS02", "1m", 9, PROGRAM, "false negative, because: too few"),
    ("sync", "benign", "WS03", "30m", 11, r"C:\Program Files\Sync\sync.exe", "false positive, because: it is steady"),
    ("zoom", "benign", "WS04", "10m", 30, r"C:\Program Files\Zoom\zoom.exe", "true negative"),
]


@pytest.fixture
def pack(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rule.spl").write_text(RULE)
    Path("rule.cql").write_text(CQL)
    for title, activity, host, every, times, image, outcome in CASES:
        text = SCENARIO.format(
            title=title, activity=activity, host=host, every=every, times=times, image=image, outcome=outcome
        )
        Path(f"{title}.yaml").write_text(text)
    return tmp_path


def test_tune_says_what_each_threshold_costs_and_catches(pack):
    ran = detlab("tune", "rule.spl", "--values", "Total=5,10,15")
    assert ran.code == 0
    assert re.search(r"5 +Total >= 10 .*3: 5 \.\. 15", ran.out)
    assert re.search(r"published +1 +1 +50 %", ran.out)
    assert "3 groups, 4 hosts" in ran.out
    assert re.search(r"fast +missed +", ran.out) and re.search(r"slow +caught +Total 20, needs >= 10", ran.out)


def test_tune_writes_a_patch_of_literals_only(pack):
    ran = detlab(
        "tune", "rule.spl", "--values", "Total=10,15", "--values", "Hours=2,3", "--fast", "--recall", "0", "--write"
    )
    assert ran.out.startswith("--- rule.spl\n+++ rule.spl\n")
    changed = [line for line in ran.out.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["-| where Total >= 10 AND Hours >= 2", "+| where Total >= 15 AND Hours >= 2"]


def test_tune_ends_with_1_where_no_setting_keeps_the_budget(pack):
    ran = detlab(
        "tune", "rule.spl", "--values", "Total=1,10", "--values", "Hours=1,2", "--budget", "0", "--fast", "--json"
    )
    assert (ran.code, ran.document["recommended"]) == (1, None)
    assert ran.document["published"]["caught"] == 1


def test_tune_takes_recorded_events_with_a_filter_for_the_attack(pack):
    assert detlab("simulate", "slow.yaml", "--as", "sysmon-xml", "--out", "slow.xml").code in (0, 2)
    ran = detlab("tune", "rule.spl", "--events", "slow.xml", "slow.yaml")
    assert ran.code == 2 and "--events takes the place of scenarios" in ran.err


def test_envelope_draws_the_edge_and_names_the_slowest(pack):
    ran = detlab("envelope", "rule.spl", "-x", "every=5m..60m:12", "-y", "times=5..20:4", "--plot", "edge.svg")
    assert ran.code == 0
    assert "48 variants" in ran.out and "# caught, . missed" in ran.out
    assert re.search(r"slowest still caught: every 60m, times 10", ran.out)
    assert re.search(r"missed, line 5: Total 5, needs >= 10", ran.out)
    root = ElementTree.parse("edge.svg").getroot()
    assert root.tag.endswith("svg") and "Which variants of" in Path("edge.svg").read_text()


def test_a_picture_is_the_same_each_time(pack):
    for name in ("one.svg", "two.svg"):
        arguments = ("-x", "every=5m,10m,20m", "-y", "times=5,10,20", "--plot", name)
        assert detlab("envelope", "rule.spl", *arguments).code == 0
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("tune", ("rule.spl", "--fast", "--steps", "3")),
        ("latency", ("rule.spl", "slow.yaml", "--starts", "2")),
        ("mutate", ("rule.spl", "--fast", "--least", "0")),
    ],
)
def test_every_study_that_draws_gives_a_png(pack, command, arguments):
    ran = detlab(command, *arguments, "--plot", "picture.png")
    assert ran.code == 0, ran.err
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_another_kind_is_refused(pack):
    ran = detlab("latency", "rule.spl", "slow.yaml", "--starts", "1", "--plot", "picture.gif")
    assert ran.code == 2 and "error[unknown-format]: picture.gif is neither SVG, PNG nor HTML" in ran.err


def test_a_plot_as_a_page_has_its_table_beside_it(pack):
    ran = detlab("mutate", "rule.spl", "--fast", "--least", "0", "--plot", "picture.html")
    assert ran.code == 0, ran.err
    page = Path("picture.html").read_text()
    assert "data:image/svg+xml;base64," in page and "<script" not in page
    assert re.search(r"<th scope=\"col\">survivor</th>", page) and str(Path.cwd()) not in page


def test_mutate_saves_what_would_kill_survivors_and_then_they_are_killed(pack):
    ran = detlab("mutate", "rule.spl", "--write", "killers", "--least", "100")
    assert ran.code == 1
    assert re.search(r"rule.spl: \d+\.\d % of \d+ mutants killed", ran.out)
    saved = sorted(Path("killers").glob("*.yaml"))
    assert saved
    for path in saved:
        path.rename(pack / path.name)
    judged = detlab("run", *[p.name for p in saved])
    assert judged.code == 0, judged.out
    after = detlab("mutate", "rule.spl", "--fast", "--json", "--least", "0").document
    assert after["score"] > float(re.search(r"(\d+\.\d) %", ran.out)[1]) / 100
    assert {m["fate"] for m in after["mutants"]} <= {"killed", "survived", "equivalent", "duplicate", "broken"}


def test_latency_says_that_a_window_of_one_hour_never_holds_two(pack):
    ran = detlab("latency", "rule.spl", "slow.yaml", "--every", "1h", "--back", "1h", "--starts", "3")
    assert ran.code == 1
    assert re.search(r"slow +0/3 +3/3 +never", ran.out)
    assert "never fires every 1 h with a look-back of 1 h" in ran.out
    assert "Hours 1, needs >= 2" in " ".join(ran.out.split())
    enough = detlab("latency", "rule.spl", "slow.yaml", "--every", "15m", "--back", "4h", "--starts", "3", "--json")
    assert enough.code == 0
    assert all(0 < d["seconds"] < 3 * 3600 for d in enough.document["scenarios"][0]["detections"])


def test_latency_warns_of_events_that_no_run_sees(pack):
    ran = detlab("latency", "rule.spl", "slow.yaml", "--every", "2h", "--back", "1h", "--starts", "1")
    assert "events of 1 h of every 2 h are seen by no run" in ran.out


def test_parity_names_the_clause_that_separates(pack):
    ran = detlab("parity", "rule.spl", "rule.cql", "--fast")
    assert ran.code == 1
    assert "agree on 3 of 4 scenarios" in ran.out
    assert re.search(r'rule.spl +1 +`NOT \(Image="\*\\\\zoom.exe"\)` dropped +1 +zoom.yaml', ran.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune", "none.spl"), "there is no file none.spl"),
        (("tune", "rule.spl", "--values", "Total=a"), "--values Total=a holds something that is no number"),
        (("envelope", "rule.spl", "--behaviour", "beacn"), "no behaviour is called `beacn`"),
        (("envelope", "rule.spl", "-x", "evry=1m,2m"), "behaviour `beacon` has no parameter `evry`"),
        (("latency", "rule.spl", "--every", "soon"), "--every is a duration such as"),
        (("latency", "rule.spl", "zoom.yaml"), "none of these scenarios is an attack"),
        (("mutate", "rule.cql"), "no scenario expects anything of this rule"),
    ],
)
def test_what_cannot_be_studied_is_told(pack, arguments, message):
    ran = detlab(*arguments)
    assert ran.code == 2
    assert message in ran.err


def test_latency_of_recorded_events_begins_when_the_attack_did(pack):
    assert detlab("simulate", "slow.yaml", "--out", "slow.parquet").code == 0
    given = ("--events", "slow.parquet", "--malicious", "Image=*sync.exe")
    ran = detlab("latency", "rule.spl", *given, "--every", "1h", "--back", "6h", "--json")
    (case,) = ran.document["scenarios"]
    # Ten calls ten minutes apart from nine o'clock on: the run at eleven is the first to see ten of them.
    assert (case["caught"], case["caught_without_window"]) == (1, 1)
    assert 6000 < case["median"] < 7200
    short = detlab("latency", "rule.spl", *given, "--back", "1h")
    assert short.code == 1 and "no run with a look-back of 1 h alerts on it" in " ".join(short.out.split())


def test_parity_of_recorded_events_compares_what_each_rule_alerts_on(pack):
    Path("loose.spl").write_text(RULE.replace(r' NOT (Image="*\\zoom.exe")', ""))
    for name in ("slow", "zoom"):
        assert detlab("simulate", f"{name}.yaml", "--out", f"{name}.parquet").code == 0
    given = ("--events", "slow.parquet", "--events", "zoom.parquet")
    ran = detlab("parity", "rule.spl", "loose.spl", *given)
    assert ran.code == 1 and "agree on 1 of 2 causes" in ran.out
    assert re.search(r"background of zoom.parquet \(benign\) +0 +1", ran.out)
    assert re.search(r"rule.spl +1 .*zoom.exe.* dropped +1 ", ran.out)
    assert detlab("parity", "rule.spl", "rule.spl", *given).code == 0


def test_a_store_and_files_give_one_study_where_a_filter_says_which_events_are_the_attack_s(pack):
    for name in ("slow", "zoom"):
        assert detlab("simulate", f"{name}.yaml", "--out", f"{name}.ndjson").code == 0
    assert detlab("ingest", "slow.ndjson", "zoom.ndjson", "--out", "kept").code == 0
    Path("loose.spl").write_text(RULE.replace(r' NOT (Image="*\\zoom.exe")', ""))
    said = ("--malicious", "Image=*sync.exe", "--fast", "--json")
    files = detlab("tune", "loose.spl", "--events", "slow.ndjson", "--events", "zoom.ndjson", *said).document
    store = detlab("tune", "loose.spl", "--events", "kept", *said).document
    same = ("caught", "false_alerts", "alerts", "recall", "precision")
    assert [files["published"][n] for n in same] == [store["published"][n] for n in same]
    assert (store["published"]["caught"], store["published"]["false_alerts"], store["hosts"]) == (1, 1, 2)
    unknown = detlab("tune", "loose.spl", "--events", "kept", "--malicious", "Imag=x")
    assert unknown.code == 2 and "did you mean `Image`?" in unknown.err
