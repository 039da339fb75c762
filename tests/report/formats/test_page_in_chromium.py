"""The page of a run in a browser without a screen: three widths, light and dark, every control, many tests."""

import shutil
from pathlib import Path

import pytest

from harness.report.formats.html import Html
from harness.report.report import Report
from harness.run import run_scenarios
from harness.run_options import RunOptions
from tests.report.formats.test_page import many, with_evil

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.more,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    # Of playwright's event loop when its process ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET = ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES, *QUIET])
        yield started
        started.close()


@pytest.fixture(scope="module")
def written(repository, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        found = Report(outcomes=run_scenarios([Path("pack")], RunOptions(detailed=True, jobs=1)))
    folder = tmp_path_factory.mktemp("pages")
    pages = {"pack": found, "evil": with_evil(found), "many": many(found, 5000)}
    for name, report in pages.items():
        (folder / f"{name}.html").write_text(Html().write(report))
    return folder


class Visit:
    """A page that is open, and all that the browser complained about."""

    def __init__(self, browser, path, *, width=1400, scheme="light", bypass=False):
        size = {"width": width, "height": 900}
        self.context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=bypass)
        self.page = self.context.new_page()
        self.complaints, self.asked = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.add_init_script("window.print = () => { window.printed = (window.printed ?? 0) + 1 }")
        self.page.goto(f"file://{path}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def violations(self):
        found = axe.Axe().run(self.page).response["violations"]
        return [(v["id"], v["nodes"][0]["html"][:200]) for v in found]

    def tests(self):
        return self.page.locator(".matrix tbody tr:visible").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1400])
def test_the_page_and_its_drawer_are_accessible_and_fit_the_width(browser, written, width, scheme):
    # axe is a script of its own, which the page's policy rightly refuses.
    with Visit(browser, written / "pack.html", width=width, scheme=scheme, bypass=True) as visit:
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.violations() == []
        for word in ("missed", "seen", "flagged"):
            visit.page.locator(f".matrix a.word.{word}").first.click()
            visit.page.wait_for_selector("dialog[open]")
            assert visit.page.evaluate("document.querySelector('#drawer').scrollWidth") <= width
            assert visit.violations() == []
            visit.page.keyboard.press("Escape")
        assert visit.complaints == []


def test_the_page_asks_for_nothing_and_runs_under_its_own_policy(browser, written):
    with Visit(browser, written / "pack.html") as visit:
        visit.page.locator(".matrix a.word.seen").first.click()
        assert visit.page.locator("#inside .time rect").count() > 0
        assert visit.page.locator("#inside .time path.flag").count() == 1
        assert visit.asked == [f"file://{written / 'pack.html'}"]
        assert visit.complaints == []


def test_filters_show_what_they_say(browser, written):
    with Visit(browser, written / "pack.html") as visit:
        page = visit.page
        assert (visit.tests(), page.locator("#shown").inner_text()) == (4, "4 tests")
        page.keyboard.press("/")
        page.keyboard.type("updater polls")
        assert (visit.tests(), page.locator("#shown").inner_text()) == (1, "1 of 4 tests")
        assert page.locator(".chapter:visible").count() == 1
        page.locator("#clear").click()
        assert visit.tests() == 4
        page.locator("#o").select_option("seen")
        assert visit.tests() == 1
        page.locator("#s").select_option("gap")
        assert visit.tests() == 0
        page.locator("#o").select_option("")
        assert visit.tests() == 3
        page.locator("#print").click()
        assert page.evaluate("window.printed") == 1


def test_the_drawer_opens_by_link_and_moves_by_keys_and_gives_the_focus_back(browser, written):
    with Visit(browser, written / "pack.html") as visit:
        page = visit.page
        first = page.locator(".matrix a.word").first
        first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        titles = [page.locator("#drawer-h").inner_text() + page.locator("#inside b").first.inner_text()]
        for step in (lambda: page.locator("#after").click(), lambda: page.keyboard.press("ArrowRight")):
            step()
            titles.append(page.locator("#drawer-h").inner_text() + page.locator("#inside b").first.inner_text())
        page.keyboard.press("ArrowLeft")
        page.locator("#before").click()
        assert page.locator("#drawer-h").inner_text() + page.locator("#inside b").first.inner_text() == titles[0]
        assert len(set(titles)) == 3
        page.locator("#print-one").click()
        assert page.evaluate("window.printed") == 1
        page.locator("#close").click()
        assert page.locator("dialog[open]").count() == 0
        assert page.evaluate("document.activeElement.hash") == first.get_attribute("href")
        page.goto(f"file://{written / 'pack.html'}#pack-routable-1-three-hours--server-spl")
        page.reload()
        assert page.locator("dialog[open] #drawer-h").inner_text() == "A call a minute for three hours"
        assert visit.complaints == []


def test_alerts_open_and_close(browser, written):
    with Visit(browser, written / "pack.html") as visit:
        visit.page.locator(".matrix a.word.flagged").first.click()
        box = visit.page.locator(".alert-box").first
        assert box.locator("table.events").is_visible()
        box.locator("summary").click()
        assert not box.locator("table.events").is_visible()


def test_text_of_strangers_does_nothing_in_a_browser(browser, written):
    with Visit(browser, written / "evil.html") as visit:
        asked = []
        visit.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        for cell in visit.page.locator(".matrix a.word").all():
            cell.click()
            assert "<script>alert(1)</script>" in visit.page.locator("#inside").inner_text()
            visit.page.keyboard.press("Escape")
        assert (asked, visit.complaints) == ([], [])


def test_ten_thousand_cells_are_painted_and_filtered_within_a_second(browser, written):
    with Visit(browser, written / "many.html") as visit:
        page = visit.page
        assert page.locator(".matrix a.word").count() == 10_000
        paint = "performance.getEntriesByName('first-contentful-paint')[0]"
        # The browser tells of it a little after the page is there.
        page.wait_for_function(f"!!{paint}")
        painted = page.evaluate(f"{paint}.startTime")
        assert painted < 1000
        began = page.evaluate("performance.now()")
        page.locator("#q").fill("hours")
        page.locator("#s").select_option("gap")
        assert page.locator("#shown").inner_text() == "0 of 5,000 tests"
        assert page.evaluate("performance.now()") - began < 2000
