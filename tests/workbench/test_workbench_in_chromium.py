"""The workbench from start to end in a browser without a screen, and its sessions at the door of its address."""

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

from tests.report.conftest import write_pack  # noqa: E402
from tests.workbench.workbench_process import PROGRAM, WorkbenchProcess  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.more,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    # Of playwright's event loop when its process ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET = ["--disable-background-networking", "--disable-component-update"]
# Milliseconds; on a machine that does much else a run of four scenarios takes seconds.
PATIENCE = 90_000
THREE_HOURS = "A call a minute for three hours"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, *QUIET])
        yield started
        started.close()


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "detlab.yaml").write_text("zone: UTC\n")
    write_pack(tmp_path / "pack")
    return tmp_path


@pytest.fixture
def bench(project):
    started = WorkbenchProcess(project, "pack/server.spl")
    yield started
    said = started.stop()
    assert started.process.returncode == 0, said
    assert said == ""


class Visit:
    """The page that is open, and all that the browser complained about."""

    def __init__(self, browser, address, *, width=1440, scheme="light", bypass=False):
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=bypass)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints, self.asked = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def settle(self):
        """Waits until every scenario has been judged by the text as it is."""
        self.page.locator('#state:text-is("up to date")').wait_for()

    def words(self):
        """What the list says of each scenario."""
        shown = self.page.locator("#rule-list .scenario")
        return {one.locator(".title").inner_text(): one.locator(".word").inner_text() for one in shown.all()}

    def put(self, old, new):
        """Changes the text as a person does: finds a word, selects it, types another."""
        content = self.page.locator(".cm-content")
        content.focus()
        self.page.keyboard.press("Control+f")
        field = self.page.locator(".cm-search input[name=search]")
        field.fill("")
        field.press_sequentially(old)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Escape")
        self.page.keyboard.type(new)

    def figures(self):
        """What the sliders' setting comes to, in full digits."""
        names, shown = ("recall", "alerts", "false-alerts"), self.page.locator(".readout")
        return {name: float(shown.get_attribute(f"data-{name}")) for name in names}

    def violations(self):
        found = axe.Axe().run(self.page).response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["target"]) for v in found]


def run_detlab(folder, *arguments):
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True)
    return json.loads(ran.stdout)


def test_an_error_shows_as_it_is_typed_and_keeps_the_last_verdicts_as_outdated(browser, bench):
    with Visit(browser, bench.address) as visit:
        page = visit.page
        visit.settle()
        before = visit.words()
        assert before[THREE_HOURS] == "seen"
        assert sorted(before.values()) == ["flagged", "missed", "missed", "seen"]
        # The token is gone from the address once the page has it.
        assert bench.token not in page.url
        page.locator(".cm-content").focus()
        page.keyboard.press("Control+End")
        page.keyboard.type("\n| wher RiskScore > 1")
        page.locator(".cm-lintRange-error").wait_for()
        page.locator("#findings.bad").wait_for()
        page.locator("#refused").wait_for()
        assert "This text cannot be run. line 42: " in page.locator("#refused").inner_text()
        assert "of the last text that could" in page.locator("#refused").inner_text()
        assert page.locator("#verdicts.outdated").count() == 1
        assert visit.words() == before
        page.locator(".cm-lintRange-error").hover()
        assert "no command is called `wher`" in page.locator(".cm-tooltip-lint").inner_text()
        page.keyboard.press("Backspace")
        for _ in range(len("| wher RiskScore > 1")):
            page.keyboard.press("Backspace")
        visit.settle()
        assert page.locator(".cm-lintRange-error, #refused, #verdicts.outdated").count() == 0
        assert visit.words() == before
        assert page.locator("#unsaved").is_hidden()
        assert visit.complaints == []
        assert {url.split("/")[2] for url in visit.asked} == {f"127.0.0.1:{bench.port}"}


def test_a_changed_number_changes_the_verdict_and_the_funnel_beside_the_text(browser, bench, project):
    with Visit(browser, bench.address) as visit:
        page = visit.page
        visit.settle()
        page.locator(f'#rule-list .scenario:has-text("{THREE_HOURS}")').click()
        page.locator(f'article[aria-label="{THREE_HOURS}"] .funnel').wait_for()
        seen = [int(cell.inner_text()) for cell in page.locator(".funnel tr:not(.start) td.n:nth-last-child(2)").all()]
        assert set(seen) == {180}
        visit.put("TotalConnections >= 10", "TotalConnections >= 1000")
        page.locator(".funnel tr.lost").wait_for()
        visit.settle()
        assert visit.words()[THREE_HOURS] == "missed"
        assert page.locator(".funnel tr.lost mark").first.inner_text() == "TotalConnections >= 1000"
        assert "nearest miss: TotalConnections" in page.locator(".funnel tr.lost .why").inner_text()
        assert page.locator(".cm-content .lost-clause").first.inner_text() == "TotalConnections >= 1000"
        assert page.locator(".cm-counts .counts.gone b").inner_text() == "0"
        assert "expected true positive, observed false negative" in page.locator(".case").inner_text()
        assert (
            page.locator(f'.tile[aria-label^="{THREE_HOURS}"]')
            .get_attribute("aria-label")
            .endswith("missed, not as expected")
        )
        # What the file holds is another text all the while.
        assert "1000" not in (project / "pack" / "server.spl").read_text()
        assert visit.complaints == []


def test_sliders_say_what_tune_says_of_the_text_with_that_number(browser, bench, project):
    with Visit(browser, bench.address) as visit:
        page = visit.page
        page.locator("#tab-tune").click()
        page.locator("#recall").wait_for()
        published = run_detlab(project, "tune", "pack/server.spl", "--json")
        assert visit.figures() == figures(published)
        places = {n["text"]: i for i, n in enumerate(published["numbers"])}
        # A threshold of the grid, moved by the keyboard, and one of those that take a run of their own.
        for name, key in (("TotalConnections >= 10", "ArrowRight"), ("IsBeaconPattern of 1", "End")):
            place = places[name]
            slider = page.locator(f"#number-{place}")
            slider.focus()
            before = slider.get_attribute("aria-valuetext")
            page.keyboard.press(key)
            page.locator(".readout:not(.moving)").wait_for()
            value = slider.get_attribute("aria-valuetext")
            assert value != before
            assert float(value) in published["numbers"][place]["values"]
            assert visit.figures() == figures(tune_with(project, published["numbers"][place], value))
            page.get_by_role("button", name="As in the text").click()
            page.locator(".readout:not(.moving)").wait_for()
            assert visit.figures() == figures(published)
        # A value that is on no grid: counted, or run, never interpolated.
        exact = page.locator(".slider input[type=number]").nth(places["TotalConnections >= 10"])
        exact.fill("170")
        exact.press("Enter")
        page.locator('.source:has-text("counted from the rule\'s groups")').wait_for()
        assert visit.figures() == figures(
            tune_with(project, published["numbers"][places["TotalConnections >= 10"]], "170")
        )
        page.get_by_role("button", name="Write into the text").click()
        assert "TotalConnections >= 170" in page.locator(".cm-content").inner_text()
        assert page.locator("#unsaved").is_visible()
        assert visit.complaints == []


def figures(document):
    point = document["published"]
    return {
        "recall": point["recall"]["value"],
        "alerts": point["alerts_a_day_and_1000_hosts"]["value"],
        "false-alerts": point["false_alerts_a_day_and_1000_hosts"]["value"],
    }


def tune_with(project, number, value):
    """What the command says of the rule with another number in its text."""
    lines = (project / "pack" / "server.spl").read_text().split("\n")
    line, column = number["line"] - 1, number["column"] - 1
    lines[line] = lines[line][:column] + re.sub(r"^\d+", value, lines[line][column:])
    (project / "pack" / "edited.spl").write_text("\n".join(lines))
    found = run_detlab(project, "tune", "pack/edited.spl", "--json", "--fast")
    (project / "pack" / "edited.spl").unlink()
    return found


def test_the_map_is_that_of_the_envelope_command(browser, bench, project):
    axes = ("every=1m..2h:6:log", "jitter=0..0.9:5")
    with Visit(browser, bench.address) as visit:
        page = visit.page
        visit.settle()
        page.locator("#tab-envelope").click()
        page.locator("#axis-x").fill(axes[0])
        page.locator("#axis-y").fill("nothing=1..2:3")
        page.get_by_role("button", name="Map the variants").click()
        page.locator('#envelope .note-box:has-text("has no parameter `nothing`")').wait_for()
        page.locator("#axis-y").fill(axes[1])
        page.get_by_role("button", name="Map the variants").click()
        page.locator("svg.map").wait_for()
        found = run_detlab(project, "envelope", "pack/server.spl", "-x", axes[0], "-y", axes[1], "--json")
        cells = [c for row in found["caught"] for c in row]
        assert page.locator("#caught-share").inner_text() == f"{100 * sum(cells) / len(cells):.1f} %"
        assert len(re.findall("M", page.locator("svg.map path.caught").get_attribute("d"))) == sum(cells)
        page.locator("svg.map").focus()
        for key in ("ArrowLeft",) * 6 + ("ArrowDown",) * 5:
            page.keyboard.press(key)
        state = "caught" if found["caught"][0][0] else "missed"
        x, y = found["x"], found["y"]
        assert (
            page.locator(".cell").inner_text()
            == f"{state} at {x['name']} {x['labels'][0]}, {y['name']} {y['labels'][0]}"
        )
        assert visit.complaints == []


def test_saving_writes_what_was_typed_and_asks_where_the_file_has_changed(browser, bench, project):
    path = project / "pack" / "server.spl"
    published = path.read_text()
    with Visit(browser, bench.address) as visit:
        page = visit.page
        visit.settle()
        visit.put("TotalConnections >= 10", "TotalConnections >= 12")
        page.locator("#unsaved").wait_for()
        assert path.read_text() == published
        page.keyboard.press("Control+s")
        page.locator('#state:has-text("saved at"), #state:text-is("up to date")').wait_for()
        page.locator("#unsaved").wait_for(state="hidden")
        mine = published.replace("TotalConnections >= 10", "TotalConnections >= 12")
        assert path.read_text() == mine
        visit.put("HoursActive >= 2", "HoursActive >= 3")
        path.write_text("index=theirs\n")
        page.locator("#save").click()
        page.locator("#conflict[open]").wait_for()
        assert path.read_text() == "index=theirs\n"
        page.locator("#conflict-cancel").click()
        assert page.locator("#unsaved").is_visible()
        page.locator("#save").click()
        page.locator("#conflict-over").click()
        page.locator("#unsaved").wait_for(state="hidden")
        assert path.read_text() == mine.replace("HoursActive >= 2", "HoursActive >= 3")
        visit.put("HoursActive >= 3", "HoursActive >= 4")
        path.write_text("index=theirs\n")
        page.locator("#save").click()
        page.locator("#conflict-load").click()
        page.locator('.cm-content:has-text("index=theirs")').wait_for()
        assert page.locator("#unsaved").is_hidden()
        assert path.read_text() == "index=theirs\n"
        assert visit.complaints == []


def test_another_token_and_none_are_refused(browser, bench):
    for address, said in (
        (bench.address[:-1] + "!", "the token is missing or another one"),
        (bench.address.partition("#")[0], "needs the address that `detlab ui` printed"),
    ):
        with Visit(browser, address) as visit:
            visit.page.locator("#banner.bad").wait_for()
            assert said in visit.page.locator("#banner").inner_text()
            assert visit.page.locator("#rule-list .rule").count() == 0
    assert bench.ask("rules", {}, host="rebound.example")[0] == 403
    assert bench.ask("rules", {}, token="x")[0] == 403


def test_markup_of_strangers_stays_text(browser, project):
    evil = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    page_of_rule = project / "pack" / "server.spl.yaml"
    page_of_rule.write_text(f"title: '{evil}'\n")
    scenario = project / "pack" / "routable" / "1-five-calls.yaml"
    scenario.write_text(scenario.read_text().replace("title: Five calls to a public server", f"title: '{evil}'"))
    rule = project / "pack" / "server.spl"
    rule.write_text(f'{rule.read_text()}\n| eval x="{evil}"')
    started = WorkbenchProcess(project, "pack/server.spl")
    try:
        with Visit(browser, started.address) as visit:
            visit.settle()
            visit.page.locator("#rule-list .scenario", has_text=evil).click()
            visit.page.locator(".case h3", has_text=evil).wait_for()
            visit.page.locator(".funnel code", has_text=evil).wait_for()
            assert visit.page.locator("main img, main script").count() == 0
            assert visit.complaints == []
    finally:
        started.stop()


def test_completion_and_the_manual(browser, bench):
    with Visit(browser, bench.address) as visit:
        page = visit.page
        visit.settle()
        page.locator(".cm-content").focus()
        page.keyboard.press("Control+End")
        page.keyboard.type("\n| eventst")
        page.locator(".cm-tooltip-autocomplete li[aria-selected]").wait_for()
        assert page.locator(".cm-tooltip-autocomplete li").first.inner_text().startswith("eventstats")
        page.locator(".cm-completionInfo .manual").wait_for()
        page.keyboard.press("Enter")
        assert page.locator(".cm-content").inner_text().rstrip().endswith("| eventstats")
        page.locator(".tok-keyword", has_text="eventstats").last.hover()
        page.locator(".cm-tooltip-hover .manual").wait_for()
        assert "eventstats" in page.locator(".cm-tooltip-hover .manual").inner_text()
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_every_view_is_accessible_and_fits_the_width(browser, wide_bench, width, scheme):
    # axe is a script of its own, which the page's policy rightly refuses.
    with Visit(browser, wide_bench.address, width=width, scheme=scheme, bypass=True) as visit:
        page = visit.page
        visit.settle()
        for tab, there in (("verdicts", ".funnel"), ("tune", "#recall"), ("envelope", "#axis-x")):
            page.locator(f"#tab-{tab}").click()
            page.locator(there).first.wait_for()
            assert visit.violations() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width < 1000:
            page.locator("#rules-box summary").click()
            assert visit.violations() == []
        assert visit.complaints == []


@pytest.fixture(scope="module")
def wide_bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    (folder / "pack").mkdir()
    write_pack(folder / "pack")
    started = WorkbenchProcess(folder, "pack/server.spl")
    yield started
    started.stop()


def test_only_the_newest_text_is_judged_and_the_children_of_older_ones_are_gone(bench):
    path = "pack/server.spl"
    text = bench.ask("open", {"rule": path})[1][0]["text"]
    focus = "pack/routable/1-three-hours.yaml#0"
    _, first = bench.ask("verdicts", {"rule": path, "text": text, "focus": ""})
    assert [c for c in first if c.get("verdicts")] and first[-1]["done"]
    assert focus in {v["key"].partition("pack/")[1] + v["key"].partition("pack/")[2] for v in first[-2]["verdicts"]}
    for count in (1000, 2000, 10):
        edited = text.replace("TotalConnections >= 10", f"TotalConnections >= {count}")
        said = bench.ask("verdicts", {"rule": path, "text": edited, "focus": first[-2]["verdicts"][-1]["key"]})[1]
        words = {v["title"]: v["word"] for v in said[-2]["verdicts"]}
        assert words[THREE_HOURS] == ("seen" if count == 10 else "missed")
    children = list_children(bench.process.pid)
    bench.process.kill()
    bench.process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    bench.process.returncode = 0


def test_a_study_that_nobody_waits_for_is_ended(bench):
    text = bench.ask("open", {"rule": "pack/server.spl"})[1][0]["text"]
    bench.ask("analyse", {"rule": "pack/server.spl", "text": text})
    idle = wait_for_children(bench, lambda now: len(now) == 3)
    # One process runs rules, two read texts.
    connection = http.client.HTTPConnection("127.0.0.1", bench.port)
    headers = {"Authorization": f"Bearer {bench.token}", "Content-Type": "application/json"}
    body = json.dumps({"page": "gone", "rule": "pack/server.spl", "text": text, "x": "every=1s..2h:200"})
    connection.request("POST", "/api/envelope", body, headers)
    wait_for_children(bench, lambda now: now > idle)
    connection.close()
    wait_for_children(bench, lambda now: now == idle)


def wait_for_children(bench, holds):
    deadline = time.monotonic() + 60
    while not holds(now := set(list_children(bench.process.pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert holds(now), now
    return now


def list_children(pid):
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(each.read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(each.parent.name), *list_children(int(each.parent.name))]
        except (OSError, ValueError):
            continue
    return found


def test_a_rule_that_no_scenario_names_is_judged_on_all_of_them(bench, project):
    (project / "pack" / "every.spl").write_text("index=*")
    said = bench.ask("verdicts", {"rule": "pack/every.spl", "text": "index=* | head 1", "focus": ""})[1]
    assert said[0]["named"] is False
    assert {(v["activity"], v["word"]) for v in said[-2]["verdicts"]} == {("malicious", "seen"), ("benign", "flagged")}
    assert len(said[-2]["verdicts"]) == 4


def test_a_text_that_takes_too_long_is_stopped_and_the_next_one_is_judged(project):
    started = WorkbenchProcess(project, "pack/server.spl", "--time-limit", "12")
    try:
        text = started.ask("open", {"rule": "pack/server.spl"})[1][0]["text"]
        slow = (
            "index=* | eval x=mvrange(0,2000000) | mvexpand x limit=0 | eval y=mvrange(0,100000) | mvexpand y limit=0"
        )
        said = started.ask("verdicts", {"rule": "pack/server.spl", "text": slow, "focus": ""})[1]
        stopped = [s.get("error", s.get("focus", {}).get("error")) for s in said if "error" in s or "focus" in s]
        assert stopped[0]["code"] in ("time-limit", "memory-limit", "row-limit"), said
        said = started.ask("verdicts", {"rule": "pack/server.spl", "text": text, "focus": ""})[1]
        assert {v["word"] for v in said[-2]["verdicts"]} == {"seen", "missed", "flagged"}
    finally:
        started.stop()


def test_how_long_a_key_takes_to_its_findings(bench, capsys):
    text = bench.ask("open", {"rule": "pack/server.spl"})[1][0]["text"]
    taken = []
    for number in range(40):
        began = time.monotonic()
        _, (said,) = bench.ask("analyse", {"rule": "pack/server.spl", "text": f"{text}\n| eval x{number}=1"})
        taken.append(time.monotonic() - began)
        assert said["findings"] and said["colours"]
    with capsys.disabled():
        load = os.getloadavg()[0]
        print(
            f"\nfrom text to findings: median {1000 * statistics.median(taken):.0f} ms, "
            f"95 of 100 {1000 * statistics.quantiles(taken, n=20)[-1]:.0f} ms, load {load:.1f}"
        )
