"""Cases on a real product: its REST interface is spoken over a socket, and the text that arrives is run here."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

import pytest

from harness.detection import remote_engine
from harness.detection.conformance import (
    SettlingState,
    check_there,
    mark_observed,
    render_page_rows,
    render_page_value,
    settle,
    views,
)
from harness.detection.conformance_page import parse_cases
from harness.detection.engine import open_engine
from harness.detection.engines import logscale, splunk
from harness.detection.engines.logscale.store import open_product_store
from harness.detection.language import Settings, language
from harness.detection.remote_engine import WAITED_FOR_ROOM, ProductChoice
from harness.diagnostics import HarnessError, Source, UnreachableError

TOKEN = "t0ken-that-must-not-be-shown"

SPL = """# page

## Counts by host

Evidence: assumed

```input
_time | host | n:number | tags
2026-03-03T09:12:00Z | WS01 | 1 | [a, b]
2026-03-03T09:13:00Z | "W \\"S\\\\02" | | c
```

```spl
| eval k=mvcount(tags) | stats count sum(n) as n max(k) as k by host
```

```output
host | count | n | k
WS01 | 1 | 1 | 2
"W \\"S\\\\02" | 1 | | 1
```

## A filter first

Evidence: documented

```input
host
WS01
WS02
```

```spl
host=WS02
```

```output
host
WS01
```

## An unknown command

Evidence: assumed

```spl
fnord | fnord
```

```error
no matter what
```

## A table

Evidence: assumed

```lookup t
k
1
```

```spl
| inputlookup t
```

```output
k
1
```
"""
CQL = """# page

## Groups

Evidence: assumed

```input
host | n
WS01 | 1
WS01 | 2
```

```cql
groupBy(host, function=sum(n, as=total))
```

```output
host | total
WS01 | 3
```

## Tags

Evidence: assumed

```input
#event_simpleName
ProcessRollup2
```

```cql
#event_simpleName=ProcessRollup2
```

```output
#event_simpleName
ProcessRollup2
```
"""


def told(value):
    """A value as both products send it: numbers are text."""
    return value if isinstance(value, str | list) else render_page_value(value)


class Product(BaseHTTPRequestHandler):
    """Splunk's export endpoint and LogScale's search API, as their documents describe them."""

    switches: ClassVar[dict[str, str]] = {}

    def log_message(self, *_):
        pass

    def answer(self, status: int, text: str):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self) -> bool:
        if self.headers["Authorization"] == f"Bearer {TOKEN}":
            return True
        self.answer(401, "who")
        return False

    def do_GET(self):
        if self.allowed():
            splunk_info = {"entry": [{"content": {"version": "10.4.0"}}]}
            found = splunk_info if self.path.startswith("/services/server/info") else {"version": "1.200.0--build-1"}
            self.answer(200, json.dumps(found))

    def do_POST(self):
        if not self.allowed():
            return
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/services/search/v2/jobs/export":
            found = self.run("spl", parse_qs(body)["search"][0])
            if isinstance(found, str):
                message = {"messages": [{"type": "FATAL", "text": found}]}
                self.answer(200, json.dumps(message) + "\n")
            else:
                texts = ({k: told(v) for k, v in r.items()} for r in found)
                lines = [json.dumps({"preview": False, "offset": i, "result": r}) for i, r in enumerate(texts)]
                self.answer(200, "\n".join(lines) + "\n")
        elif self.path == "/api/v1/repositories/sand%20box/query":
            found = self.run("cql", json.loads(body)["queryString"])
            if isinstance(found, str):
                self.answer(400, found)
            else:
                self.answer(200, json.dumps([{k: told(v) for k, v in r.items()} for r in found]))
        else:
            self.answer(404, "no such page")

    def run(self, name: str, text: str):
        opened = open_engine("duckdb")
        try:
            settings = Settings(switches=self.switches)
            query = language(name).parse(Source("sent", text), settings=settings)
            rows = opened.run(query.plan(opened.load(views(())), settings).node)
            return [{k: v for k, v in r.items() if not k.startswith("@")} for r in rows.records()]
        except HarnessError as error:
            return error.message
        finally:
            opened.close()


@pytest.fixture
def served(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Product) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        for name in ("SPLUNK", "LOGSCALE"):
            monkeypatch.setenv(f"{name}_URL", f"http://127.0.0.1:{server.server_port}")
            monkeypatch.setenv(f"{name}_TOKEN", TOKEN)
        monkeypatch.setenv("LOGSCALE_REPOSITORY", "sand box")
        yield server
        server.shutdown()
        thread.join()


def test_cases_of_spl_hold_differ_or_cannot_be_run_on_splunk(served):
    checked = [check_there(c, Path("p.md"), splunk.connect()) for c in parse_cases(Source("p.md", SPL), "spl")]
    assert [c.state for c in checked] == [
        SettlingState.HOLDS,
        SettlingState.DIFFERS,
        SettlingState.HOLDS,
        SettlingState.NOT_RUN,
    ], checked
    assert "WS02" in checked[1].problem
    assert "it needs lookups" in checked[3].problem
    assert [c.observable for c in checked] == [True, False, True, False]


def test_cases_of_cql_hold_on_logscale_and_tags_cannot_be_made(served):
    checked = [check_there(c, Path("p.md"), logscale.connect()) for c in parse_cases(Source("p.md", CQL), "cql")]
    assert [c.state for c in checked] == [SettlingState.HOLDS, SettlingState.NOT_RUN], checked
    assert "a query cannot make tags: #event_simpleName" in checked[1].problem


def test_what_was_assumed_and_holds_becomes_observed_in_the_page_and_nothing_else_changes(served):
    page = Source("p.md", SPL)
    product = splunk.connect()
    text = mark_observed(
        page, [check_there(c, Path("p.md"), product) for c in parse_cases(page, "spl")], product.version()
    )
    assert text.count("Evidence: observed on Splunk 10.4.0") == 2
    assert text.count("Evidence: assumed") == 1
    assert text.replace("observed on Splunk 10.4.0", "assumed") == SPL


@pytest.mark.parametrize("value", ["sensitive", "insensitive"])
def test_a_switch_is_settled_by_what_the_product_gives(served, monkeypatch, value):
    monkeypatch.setattr(Product, "switches", {"like_case": value})
    opened = open_engine("duckdb")
    settled = {s.switch.name: s for s in settle(splunk.connect(), opened)}
    opened.close()
    assert settled["like_case"].values == (value,)


def test_a_switch_of_cql_is_settled_too(served, monkeypatch):
    monkeypatch.setattr(Product, "switches", {"stddev": "population"})
    opened = open_engine("duckdb")
    settled = {s.switch.name: s for s in settle(logscale.connect(), opened)}
    opened.close()
    assert settled["stddev"].values == ("population",), settled["stddev"]


def test_a_wrong_token_is_told_without_showing_it(served, monkeypatch):
    monkeypatch.setenv("SPLUNK_TOKEN", "wrong-one")
    with pytest.raises(UnreachableError, match="refuses the token") as told:
        splunk.connect().version()
    assert "wrong-one" not in str(told.value)
    assert "wrong-one" not in repr(splunk.connect())


def test_a_token_is_sent_over_tls_only(monkeypatch):
    monkeypatch.setenv("SPLUNK_URL", "http://splunk.example:8089")
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    with pytest.raises(HarnessError, match="SPLUNK_URL is no https address"):
        splunk.connect()


def test_a_certificate_is_verified(served, monkeypatch):
    monkeypatch.setenv("SPLUNK_URL", f"https://127.0.0.1:{served.server_port}")
    with pytest.raises(UnreachableError, match="Splunk does not answer"):
        splunk.connect().version()


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("LOGSCALE_URL", raising=False)
    with pytest.raises(HarnessError, match="LOGSCALE_URL is not set"):
        logscale.connect()


def test_a_product_that_is_not_there_is_unreachable(monkeypatch):
    monkeypatch.setenv("SPLUNK_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    with pytest.raises(UnreachableError) as told:
        splunk.connect().answer("| makeresults", ())
    assert told.value.exit_code == 3


def test_a_product_runs_no_plans():
    with pytest.raises(HarnessError, match="splunk runs the text of queries and no plans"):
        open_engine("splunk")


def test_a_quote_and_a_backslash_reach_the_product_unchanged(served):
    found = splunk.connect().answer("| table x", [{"x": 'a"b\\c|d`e'}])
    assert render_page_rows(found) == 'x\n"a\\"b\\\\c|d`e"'


class BusyLogScale(BaseHTTPRequestHandler):
    """Refuses the first query jobs for want of room, as LogScale does with 429, and answers the next."""

    refusals = 0

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).refusals -= 1
        self.answer(*((429, {}) if type(self).refusals >= 0 else (200, {"id": "7"})))

    def do_GET(self):
        self.answer(200, {"done": True, "events": [{"n": "3"}], "metaData": {"isAggregate": True}})

    def do_DELETE(self):
        self.answer(200, {})

    def log_message(self, *_):
        """Nothing on stderr."""


@pytest.fixture
def busy_logscale(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), BusyLogScale) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("LOGSCALE_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("LOGSCALE_TOKEN", "token")
        yield open_product_store(ProductChoice(repository="r"))
        server.shutdown()


def test_a_search_waits_for_room_and_says_so(busy_logscale):
    BusyLogScale.refusals = 3
    answer = busy_logscale.search("count(as=n)", 0, 1)
    assert (list(answer.rows.records()), answer.remarks) == ([{"n": 3.0}], (WAITED_FOR_ROOM,))


def test_a_search_waits_for_room_no_longer_than_it_may(busy_logscale, monkeypatch):
    monkeypatch.setattr(remote_engine, "QUOTA_PATIENCE", 0.2)
    BusyLogScale.refusals = 1_000
    with pytest.raises(UnreachableError, match=r"has no room for another search \(429\) \(asked \d+ times") as caught:
        busy_logscale.search("count(as=n)", 0, 1)
    assert caught.value.code == "quota"
