"""What the workbench answers and to whom, how it opens and saves rules, and what it never touches."""

import os
import re
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.applications import Starlette

from harness.diagnostics import HarnessError
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.serve.request_body import BodiesInFlight
from harness.workbench.endpoints import LARGEST_REQUEST, PAGE_FILES, PAGE_FOLDER, Endpoints
from harness.workbench.guard import Guard
from harness.workbench.project_rules import WorkFolder, describe_rules, find_work_folder
from harness.workbench.room_client import RoomClient
from harness.workbench.rule_file import read_rule_file, save_rule_file
from harness.workbench.workbench import Workbench
from tests.cli.command_line import detlab
from tests.report.conftest import write_pack
from tests.workbench.asgi_call import PORT, TOKEN, call


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "detlab.yaml").write_text("zone: UTC\n")
    write_pack(tmp_path / "pack")
    return tmp_path


def build_app(folder, opened=None, **changes):
    place = replace(WorkFolder(path=folder.resolve(), own=True), **changes)
    bench = Workbench(place, RoomClient(Pipe()[0]), opened)
    return Guard(Starlette(routes=Endpoints(bench, BodiesInFlight()).routes()), PORT, TOKEN)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"host": f"localhost:{PORT}"}, 200),
        ({"headers": [("origin", f"http://127.0.0.1:{PORT}"), ("sec-fetch-site", "same-origin")]}, 200),
        ({"token": ""}, 403),
        ({"token": TOKEN + "x"}, 403),
        ({"token": TOKEN[:-1]}, 403),
        ({"host": "rebound.example:8400"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": ""}, 403),
        ({"headers": [("host", "rebound.example")]}, 403),
        ({"headers": [("origin", "http://evil.example")]}, 403),
        ({"headers": [("origin", "null")]}, 403),
        ({"headers": [("origin", "http://127.0.0.1:1")]}, 403),
        ({"headers": [("sec-fetch-site", "cross-site")]}, 403),
        ({"kind": "text/plain"}, 415),
        ({"method": "GET"}, 405),
    ],
)
def test_only_this_machine_s_own_page_with_the_token_may_ask(folder, asked, status):
    assert call(build_app(folder), "/api/open", {"rule": "pack/server.spl"}, **asked).status == status


def test_the_page_itself_needs_no_token_and_runs_nothing_but_its_own_files(folder):
    app = build_app(folder)
    page = call(app, "/", token="", headers=[("sec-fetch-site", "cross-site")])
    assert page.status == 200
    policy = page.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)[1]
    assert f'content="{nonce}"' in page.body.decode()
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self' 'nonce-")
    assert "unsafe" not in policy
    assert nonce not in call(app, "/", token="").headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert TOKEN not in page.body.decode()
    text = page.body.decode()
    # Scripts and styles are files of their own: the policy would stop any other.
    assert re.findall(r"<script(?![^>]*src=)|<style|\son\w+=|style=", text) == []
    named = set(re.findall(r'(?:src|href)="/([^"]+)"', text))
    assert named <= set(PAGE_FILES)


def test_no_file_of_the_page_sets_markup_or_asks_elsewhere():
    for name in PAGE_FILES:
        assert call(build_app(Path()), f"/{name}", token="").status == 200
    own = {p.name for p in PAGE_FOLDER.iterdir()}
    assert own == {*PAGE_FILES, "index.html", "LICENSE.codemirror"}
    for name in own - {"codemirror.js", "LICENSE.codemirror", "icon.svg"}:
        text = (PAGE_FOLDER / name).read_text("utf-8")
        assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text) == []
        assert set(re.findall(r"https?://[^\"'\s]+", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/workbench.js/..", "/page/index.html", "/%2e%2e/x", "/api", "/api/x"]
)
def test_there_is_no_other_address(folder, path):
    assert call(build_app(folder), path).status in (404, 405)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "pack",
        "pack/server.spl.yaml",
        "detlab.yaml",
        "../outside.spl",
        "pack/../../outside.spl",
        "link.spl",
        "linked/outside.spl",
        ".hidden/x.spl",
        "no/such.spl",
        "pack/server.spl\0",
        "x" * 5000,
    ],
)
def test_nothing_but_rules_of_the_folder_is_opened_or_written(folder, name):
    outside = folder.parent / f"{folder.name}-outside"
    outside.mkdir()
    (outside / "outside.spl").write_text("index=secret\n")
    (folder / "link.spl").symlink_to(outside / "outside.spl")
    (folder / "linked").symlink_to(outside)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.spl").write_text("index=x")
    app = build_app(folder)
    for wanted in (name, str(outside / "outside.spl"), str(folder / "pack/server.spl")):
        for address in ("open", "save", "analyse", "hover"):
            said = call(app, f"/api/{address}", {"rule": wanted, "text": "x", "stamp": "", "offset": 0}).document
            # What a request holds may be refused before its rule is looked for.
            assert said["error"]["code"] in ("no-such-rule", "wrong-request")
            assert "secret" not in str(said)
    assert (outside / "outside.spl").read_text() == "index=secret\n"


def test_a_rule_is_written_only_where_its_file_is_the_one_that_was_opened(folder):
    app, path = build_app(folder), folder / "pack" / "server.spl"
    path.chmod(0o640)
    opened = call(app, "/api/open", {"rule": "pack/server.spl"}).document
    assert opened["text"] == path.read_text()
    text = opened["text"].replace(">= 10", ">= 20")
    saved = call(app, "/api/save", {"rule": "pack/server.spl", "text": text, "stamp": opened["stamp"]}).document
    assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in path.parent.glob(".*")) == []
    path.write_text("index=other")
    refused = call(app, "/api/save", {"rule": "pack/server.spl", "text": "mine", "stamp": saved["stamp"]}).document
    assert refused["error"]["code"] == "changed-on-disk"
    assert (refused["text"], path.read_text()) == ("index=other", "index=other")
    over = call(app, "/api/save", {"rule": "pack/server.spl", "text": "mine", "stamp": refused["stamp"]}).document
    assert (over["text"], path.read_text()) == ("mine", "mine")


@pytest.mark.parametrize("held", [b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb", b"a\rb", b"a", b"", "ü\n\U0001f600\n".encode()])
def test_line_ends_and_the_byte_order_mark_stay_as_they_are(tmp_path, held):
    path = tmp_path / "x.spl"
    path.write_bytes(held)
    opened = read_rule_file(path)
    assert "\r" not in opened.text and "\ufeff" not in opened.text
    save_rule_file(path, opened.text, opened.stamp)
    assert path.read_bytes() == held


@pytest.mark.parametrize(
    ("held", "code"), [(b"a\nb\r\nc", "mixed-line-ends"), (b"\xff", "not-utf8"), (b"x" * 100_001, "rule-too-large")]
)
def test_what_saving_would_change_is_not_saved(tmp_path, held, code):
    path = tmp_path / "x.spl"
    path.write_bytes(held)
    with pytest.raises(HarnessError) as raised:
        opened = read_rule_file(path)
        save_rule_file(path, opened.text, opened.stamp)
    assert raised.value.code == code
    assert path.read_bytes() == held


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_may_not_be_written_leaves_the_file_as_it_was(folder):
    path = folder / "pack" / "server.spl"
    opened = read_rule_file(path)
    path.parent.chmod(0o500)
    with pytest.raises(HarnessError) as raised:
        save_rule_file(path, "mine", opened.stamp)
    path.parent.chmod(0o700)
    assert (raised.value.code, path.read_text()) == ("unwritable", opened.text)


def test_an_installed_pack_is_never_written(folder):
    app = build_app(folder, own=False)
    opened = call(app, "/api/open", {"rule": "pack/server.spl"}).document
    assert opened["saved"] is False
    said = call(app, "/api/save", {"rule": "pack/server.spl", "text": "x", "stamp": opened["stamp"]}).document
    assert said["error"]["code"] == "not-yours"


def test_a_rule_of_the_command_line_may_lie_elsewhere(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "own.spl"
    other.write_text("index=x")
    app = build_app(folder, other)
    assert call(app, "/api/open", {"rule": str(other)}).document["text"] == "index=x"
    beside = other.with_name("beside.spl")
    beside.write_text("index=y")
    assert call(app, "/api/open", {"rule": str(beside)}).document["error"]["code"] == "no-such-rule"


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * (LARGEST_REQUEST + 1), 413), (b"{", 400), (b"[]", 400), (b"[" * 100_000, 400)]
)
def test_bodies_are_bounded_and_json(folder, body, status):
    assert call(build_app(folder), "/api/save", body).status == status


@pytest.mark.parametrize("text", ["x" * 100_001, "\ud800", "ü" * 60_000])
def test_texts_that_no_rule_has_are_refused(folder, text):
    opened = call(build_app(folder), "/api/open", {"rule": "pack/server.spl"}).document
    said = call(build_app(folder), "/api/save", {"rule": "pack/server.spl", "text": text, "stamp": opened["stamp"]})
    assert said.document["error"]["code"] in ("rule-too-large", "wrong-request")


def test_the_list_has_each_rule_with_its_title_and_its_scenarios(folder):
    place = find_work_folder(folder / "pack")
    assert (place.path, place.own) == (folder.resolve(), True)
    found = {each["path"]: each for each in describe_rules(place.path)}
    assert set(found) == {"pack/server.spl", "pack/server.cql"}
    assert found["pack/server.spl"]["scenarios"] == 4
    assert found["pack/server.cql"]["scenarios"] == 2
    assert found["pack/server.cql"]["language"] == "cql"


def test_the_text_of_an_editor_is_judged_in_place_of_the_file_s(folder, monkeypatch):
    monkeypatch.chdir(folder)
    path = (folder / "pack" / "server.spl").resolve()
    text = path.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000")
    scenario = [Path("pack/routable/1-three-hours.yaml")]
    edited = run_scenarios(scenario, RunOptions(texts={path: text}, jobs=1)).verdicts
    assert {v.rule.name: str(v.observed) for v in edited} == {
        "server.spl": "false negative",
        "server.cql": "true positive",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no-such.spl",), "error[no-such-rule]: there is no file no-such.spl"),
        (("detlab.yaml",), "error[no-such-rule]: detlab.yaml is no rule that the workbench can edit"),
        (("--port", "99999"), "99999"),
    ],
)
def test_what_cannot_be_opened_is_told(folder, monkeypatch, arguments, said):
    monkeypatch.chdir(folder)
    ran = detlab("ui", "--no-browser", *arguments)
    assert ran.code == 2
    assert said in ran.err
