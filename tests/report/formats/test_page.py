"""The page of a run: what it says, that nothing of strangers becomes markup, and its size for many tests."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from harness.report.formats.html import Html
from harness.report.report import Report
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.scenario.scenario import Outcome
from tests.cli.command_line import detlab
from tests.report.formats.test_machine_formats import EVIL, with_title


class Page(HTMLParser):
    """The texts of a page by element and id, and its scripts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.data, self.tags = [], [], [], {}, set()
        self.inside = None
        self.scripts, self.policy, self.words = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        self.tags.add(tag)
        self.ids += [facts["id"]] if "id" in facts else []
        self.links += [v for n, v in attributes if n in ("src", "href", "action", "data")]
        if facts.get("http-equiv") == "Content-Security-Policy":
            self.policy = facts["content"]
        if tag == "script":
            self.inside = facts.get("id", "")
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.inside = None if tag == "script" else self.inside

    def handle_data(self, text):
        if self.inside is None:
            self.words.append(text)
        elif self.inside:
            self.data[self.inside.removeprefix("data-")] = json.loads(text)
        else:
            self.scripts.append(text)


def detailed(repository):
    return Report(outcomes=run_scenarios([Path("pack")], RunOptions(detailed=True, jobs=1)))


def said(page):
    return " ".join(" ".join(page.words).split())


def test_the_page_opens_with_what_is_detected_and_tells_known_gaps_apart(report):
    text = said(Page(Html().write(report)))
    assert "0 of 1 Published atomic tests seen by any rule" in text
    assert "1 of 2 Variants: routable seen by any rule" in text
    assert "0 of 1 Benign software quiet" in text
    assert "Nothing differs from what the scenarios expect" in text
    assert "3 missed attacks and 1 false positive on record as known gaps" in text
    assert text.index("What is detected") < text.index("as known gaps") < text.index("an alert of the rule rests")


def test_what_differs_stands_before_the_matrix(report):
    text = said(Page(Html().write(with_title(report, "Renamed"))))
    assert "results differ from what the scenarios expect" in text
    assert "Renamed cannot be judged" in text
    assert text.index("Renamed cannot be judged") < text.index("an alert of the rule rests")


def test_the_page_says_when_and_under_what_it_was_made(report):
    said_so = replace(report, began="2026-12-01T05:00:00Z", seed=7, chosen=(("sysmon", "sysmon10"),))
    text = said(Page(Html().write(said_so)))
    assert "run 2026-12-01T05:00:00Z; 4 scenarios; 6 verdicts; telemetry simulated; engine duckdb; " in text
    assert "addon=legacy, falcon=enriched, sysmon=sysmon10 unless a row says otherwise; seed 7; 0.9 s" in text


def test_each_cell_opens_its_rule_step_by_step(repository):
    page = Page(Html().write(detailed(repository)))
    texts = page.data.pop("texts")
    assert set(page.data) <= {link[1:] for link in page.links}
    missed = page.data["pack-1-beacon--server-spl"]
    lost = next(step for step in missed["funnel"]["steps"] if step.get("lost"))
    assert lost["line"] == 1
    assert lost["lost"][-1] == 'line 15 lost 10 rows: DestinationIp="127.*" excludes 127.0.0.1'
    start, end = lost["marks"][-1]
    assert texts[lost["text"]][start:end] == 'DestinationIp="127.*"'
    five = page.data["pack-routable-1-five-calls--server-spl"]["funnel"]["steps"]
    lost = next(step for step in five if step.get("lost"))
    assert [texts[lost["text"]][a:b] for a, b in lost["marks"]] == ["TotalConnections >= 10", "HoursActive >= 2"]
    seen = page.data["pack-routable-1-three-hours--server-spl"]
    assert [s["attack"] for s in seen["funnel"]["steps"]] == [180] * len(seen["funnel"]["steps"])
    assert seen["alerts"][0]["count"] == 180
    assert len(seen["alerts"][0]["events"]) == 8
    assert seen["alerts"][0]["events"][0][0].startswith("2026-03-03 09:12:")


def test_the_timeline_has_every_event_and_the_moment_of_the_alert(repository):
    data = Page(Html().write(detailed(repository))).data["pack-routable-1-three-hours--server-spl"]
    line = data["timeline"]
    assert line["width"] == 300
    assert sum(line["attack"]) == data["funnel"]["attack"]
    assert sum(line["other"]) == data["funnel"]["other"]
    ((moment, malicious),) = line["alerts"]
    assert malicious
    assert line["start"] < moment < line["start"] + len(line["attack"]) * 300


def test_benign_software_that_is_flagged_has_its_steps_too(repository):
    data = Page(Html().write(detailed(repository))).data["pack-benign-updater--server-spl"]
    assert (data["word"], data["gap"]) == ("flagged", True)
    assert data["funnel"]["steps"][-1]["other"] == 24


def test_a_page_holds_nothing_from_elsewhere_and_runs_only_its_own_script(report):
    text = Html().write(report)
    page = Page(text)
    assert page.open == []
    assert [link for link in page.links if not link.startswith("#")] == []
    assert {link[1:] for link in page.links} <= {*page.ids, *page.data}
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.isdisjoint({"link", "img", "iframe", "object", "base"})
    assert "url(" not in text and "@import" not in text
    (script,) = page.scripts
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in page.policy
    assert page.policy.startswith("default-src 'none'")


def with_evil(report):
    folder = EVIL.replace("\0", "")
    evil = msgspec.structs.replace

    def spoil(verdict):
        body = evil(verdict.scenario.body, title=EVIL, technique=EVIL, conditions={EVIL: EVIL})
        page = evil(verdict.rule.page, title=EVIL, author=EVIL, false_positives=(EVIL,))
        return replace(
            verdict,
            scenario=evil(verdict.scenario, body=body, path=Path(folder, "x.yaml")),
            rule=evil(verdict.rule, page=page, path=Path(f"</script>{folder}.spl")),
            expectation=evil(verdict.expectation, because=EVIL, outcome=Outcome.TRUE_POSITIVE),
            alerts=tuple(replace(a, fields={EVIL: EVIL}) for a in verdict.alerts),
            conditions={EVIL: EVIL},
        )

    verdicts = tuple(spoil(v) for v in report.outcomes.verdicts)
    return replace(report, outcomes=replace(report.outcomes, verdicts=verdicts))


def test_markup_in_names_of_scenarios_rules_and_fields_stays_text(report):
    text = Html().write(with_evil(report))
    page = Page(text)
    assert len(page.scripts) == 1
    assert page.open == []
    assert "<script>alert" not in text
    assert not re.search("[\x00\x1b\ud800\u202e]", text)
    assert any("<script>alert(1)</script>" in word for word in page.words)


def many(report, rows):
    """A report of `rows` tests by two rules, of those that it has."""
    attack = [v for v in report.outcomes.verdicts if v.scenario.path.stem == "1-three-hours"]
    verdicts = tuple(
        replace(v, scenario=msgspec.structs.replace(v.scenario, path=Path(f"pack/routable/{n:05}.yaml")))
        for n in range(rows)
        for v in attack
    )
    return replace(report, outcomes=replace(report.outcomes, verdicts=verdicts, scenarios=rows))


def test_addresses_are_the_same_in_every_run_and_unique_in_a_page(report):
    first, again = (Page(Html().write(many(report, 40))) for _ in range(2))
    assert first.ids == again.ids
    assert len(set(first.data)) == 80 + 1
    # The text of a rule stands there once, however many tests there are.
    once, often = (Html().write(many(report, n)).count("ConsistencyRatio < 0.50") for n in (1, 40))
    assert once == often


def by_many_rules(report, size):
    missed = next(v for v in report.outcomes.verdicts if v.scenario.path.stem == "1-beacon")
    rules = [msgspec.structs.replace(missed.rule, path=Path(f"rules/{n}.spl")) for n in range(size)]
    verdicts = tuple(replace(missed, rule=rule) for rule in rules)
    return replace(report, outcomes=replace(report.outcomes, verdicts=verdicts, visibilities=()))


def test_a_reason_that_many_rules_share_is_told_once(report):
    text = said(Page(Html().write(by_many_rules(report, 40))))
    assert '0.spl:15 and 39 more rules: DestinationIp="127.*" excludes 127.0.0.1' in text
    assert "1.spl:15" not in text


def test_the_command_writes_the_page_with_plots_of_studies(repository, tmp_path):
    (tmp_path / "tune.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    ran = detlab("run", "pack", "--html", str(tmp_path / "p.html"), "--picture", str(tmp_path / "tune.svg"), "-q")
    assert ran.code == 0
    page = Page((tmp_path / "p.html").read_text())
    assert "img" in page.tags
    assert any(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert len(page.scripts) == 1
    assert re.search(r"run 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", said(page))


def test_a_picture_of_another_kind_is_refused(repository):
    ran = detlab("run", "pack", "--picture", "plot.gif")
    assert ran.code == 2
    assert "error[unknown-format]: plot.gif is neither SVG nor PNG" in ran.err
