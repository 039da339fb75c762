"""LogScale's clients against a server in a process of its own: humiolib, falconpy, and the documented API."""

import json
import time

import pytest

from tests.serve.server_process import TOKEN, ServerProcess

humiolib = pytest.importorskip("humiolib.HumioClient")
exceptions = pytest.importorskip("humiolib.HumioExceptions")
falconpy = pytest.importorskip("falconpy")

pytestmark = [pytest.mark.more, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    found = ServerProcess(str(tmp_path_factory.mktemp("logscale") / "data"), ("--plain",)).start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def address(plain):
    return plain.started["addresses"]["logscale"]


@pytest.fixture
def client(address, request):
    return humiolib.HumioClient(request.node.name, TOKEN, address)


def ask(server, method, path, body=None, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    encoded = None if body is None else json.dumps(body)
    status, answer = server.ask(method, path, encoded, port="logscale", headers=headers, token=None)
    return status, answer


def now():
    return int(time.time() * 1000)


EVENTS = [
    {"timestamp": 1_700_000_000_000, "attributes": {"a": "1", "b": {"c": ["x", "y"]}}},
    {"timestamp": "2023-11-14T22:13:21Z", "attributes": {"a": "2"}, "rawstring": "hello a=2"},
]
ALL = {"start": 0, "end": 4_000_000_000_000}


def test_structured_events_have_their_fields_tags_time_and_text(client):
    assert client.ingest_json_data([{"tags": {"host": "h1"}, "events": EVENTS}]) == {}
    second, first = client.streaming_query("", **ALL)
    assert first == {
        "#host": "h1",
        "#repo": client.repository,
        "@timestamp": 1_700_000_000_000,
        "@rawstring": '{"a":"1","b":{"c":["x","y"]}}',
        "a": "1",
        "b.c[0]": "x",
        "b.c[1]": "y",
    }
    assert (second["@rawstring"], second["@timestamp"]) == ("hello a=2", 1_700_000_001_000)


def test_a_query_job_is_polled_and_says_whether_it_gathers_rows(client):
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    (counted,) = client.create_queryjob("count(as=n)", **ALL).poll_until_done()
    assert (counted.events, counted.metadata["isAggregate"]) == ([{"n": "2"}], True)
    (found,) = client.create_queryjob("a=2", **ALL).poll_until_done()
    assert ([e["a"] for e in found.events], found.metadata["isAggregate"]) == (["2"], False)


def test_a_job_shows_the_latest_200_events_and_a_stream_all(client):
    events = [{"timestamp": 1_700_000_000_000 + n, "attributes": {"n": str(n)}} for n in range(250)]
    client.ingest_json_data([{"tags": {}, "events": events}])
    job = client.create_queryjob("", **ALL)
    found = job.poll()
    assert [int(e["n"]) for e in found.events] == list(range(249, 49, -1))
    assert found.metadata["extraData"]["hasMoreEvents"] == "true"
    assert len(list(client.streaming_query("", **ALL))) == 250


def test_a_query_that_is_wrong_is_refused_when_it_is_sent(client):
    for text in ("groupBy(", "fnord()"):
        with pytest.raises(exceptions.HumioHTTPException) as refused:
            client.create_queryjob(text, **ALL)
        assert refused.value.args[1] == 400


def test_an_ended_job_is_gone(plain, client):
    path = f"/api/v1/repositories/{client.repository}/queryjobs"
    status, answer = ask(plain, "POST", path, {"queryString": "count()", **ALL})
    job = json.loads(answer)["id"]
    assert (status, ask(plain, "DELETE", f"{path}/{job}")[0], ask(plain, "GET", f"{path}/{job}")[0]) == (200, 204, 404)


def test_messages_are_parsed_as_json_or_as_pairs(client):
    client.ingest_messages(['{"x": 1}', 'user="two words" n=3'], parser="json", fields={"f": "1"}, tags={"t": "v"})
    found = sorted(client.streaming_query("#t=v #type=json f=1", start="1h", end="now"), key=lambda e: "x" in e)
    assert [(e.get("user"), e.get("n"), e.get("x")) for e in found] == [("two words", "3", None), (None, None, "1")]


def test_a_repository_does_not_see_the_events_of_another(client, address):
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    other = humiolib.HumioClient("another", TOKEN, address)
    assert list(other.streaming_query("count()", **ALL)) == [{"_count": "0"}]


def test_an_ingest_token_takes_events_for_its_repository_and_opens_nothing_else(plain, client, address):
    text = "mutation($in: AddIngestTokenV3Input!) { addIngestTokenV3(input: $in) { name token } }"
    given = {"repositoryName": client.repository, "name": "shipper"}
    made = json.loads(ask(plain, "POST", "/graphql", {"query": text, "variables": {"in": given}})[1])
    token = made["data"]["addIngestTokenV3"]["token"]
    ingest = humiolib.HumioIngestClient(token, address)
    ingest.ingest_json_data([{"tags": {}, "events": EVENTS}])
    ingest.ingest_messages(["n=1"])
    status, answer = plain.ask(
        "POST",
        "/api/v1/ingest/hec",
        '{"time": 1700000000.5, "event": {"m": 1}, "fields": {"#tag": "t"}}\n{"event": "k=v"}',
        port="logscale",
        headers={"Authorization": f"Bearer {token}"},
        token=None,
    )
    assert (status, json.loads(answer)) == (200, {"text": "Success", "code": 0})
    assert list(client.streaming_query("count()", **ALL)) == [{"_count": "5"}]
    (event,) = client.streaming_query("#tag=t", **ALL)
    assert (event["m"], event["@timestamp"]) == ("1", 1_700_000_000_500)
    assert ask(plain, "POST", f"/api/v1/repositories/{client.repository}/query", {"queryString": ""}, token)[0] == 401


def test_saved_queries_are_kept_changed_run_and_removed(client):
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    made = client.create_saved_query("ones", "a=1")["createSavedQuery"]["savedQuery"]
    assert [q["name"] for q in client.list_saved_queries()] == ["ones"]
    client.update_saved_query(made["id"], "twos", "a=2")
    assert [e["a"] for e in client.streaming_query("$twos()", **ALL)] == ["2"]
    client.delete_saved_query(made["id"])
    assert client.list_saved_queries() == []


def test_files_are_uploaded_looked_up_in_changed_and_removed(client, tmp_path):
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    table = tmp_path / "names.csv"
    table.write_text("a,name\n1,one\n2,two\n")
    client.upload_file(str(table))
    found = client.streaming_query('match(file="names.csv", field=a) | select([a, name])', **ALL)
    assert {(e["a"], e["name"]) for e in found} == {("1", "one"), ("2", "two")}
    assert client.get_file_content("names.csv")["getFileContent"]["totalLinesCount"] == 2
    assert client.get_file("names.csv", "utf-8") == "a,name\n1,one\n2,two\n"
    client.create_file("new.csv")
    client.add_file_contents("new.csv", ["p"], [["1"], ["2"]])
    client.remove_file_contents("new.csv", 0, 1)
    assert client.get_file("new.csv") == b"p\n2\n"
    client.delete_file("new.csv")
    assert [f["nameAndPath"]["name"] for f in client.list_files()] == ["names.csv"]


def test_redacted_events_are_gone_and_no_others(plain, client):
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    text = (
        "mutation($r: String!) { redactEvents(input: {repositoryName: $r, "
        'start: "1970-01-01T00:00:00Z", end: "2096-01-01T00:00:00Z", query: "a=1"}) }'
    )
    answer = ask(plain, "POST", "/graphql", {"query": text, "variables": {"r": client.repository}})[1]
    assert json.loads(answer) == {"data": {"redactEvents": True}}
    assert [e["a"] for e in client.streaming_query("", **ALL)] == ["2"]


def test_the_server_says_what_it_is_and_who_asks(client):
    assert client.get_status()["status"] == "OK"
    assert client.get_user_by_email("admin")["isRoot"]
    assert [o["name"] for o in client.list_organizations()] == ["detlab"]


def test_nobody_asks_without_a_token_and_what_there_is_not_is_not_found(plain):
    assert ask(plain, "GET", "/api/v1/users", token="wrong")[0] == 401
    assert ask(plain, "POST", "/graphql", {"query": "{ viewer { id } }"}, token="wrong")[0] == 401
    assert ask(plain, "GET", "/api/v1/fnord")[0] == 404


def test_what_graphql_does_not_know_is_an_error_and_no_empty_answer(plain):
    found = json.loads(ask(plain, "POST", "/graphql", {"query": "query { fnord { a } }"})[1])
    assert (found["data"], "fnord" in found["errors"][0]["message"]) == (None, True)


def test_falcons_sdk_logs_in_searches_and_keeps_files(plain, address, tmp_path):
    client = humiolib.HumioClient("falcon", TOKEN, address)
    client.ingest_json_data([{"tags": {}, "events": EVENTS}])
    sdk = falconpy.NGSIEM(client_id="anyone", client_secret=TOKEN, base_url=address)
    started = sdk.start_search(repository="falcon", query_string="count(as=n)", **(ALL | {"start": 1}))
    job = started["resources"]["id"]
    while not (found := sdk.get_search_status(repository="falcon", search_id=job)["body"])["done"]:
        time.sleep(0.1)
    assert found["events"] == [{"n": "2"}]
    sdk.stop_search(repository="falcon", id=job)
    table = tmp_path / "t.csv"
    table.write_text("a\n1\n")
    assert sdk.upload_file(repository="falcon", lookup_file=str(table))["status_code"] == 200
    assert sdk.get_file(repository="falcon", filename="t.csv") == b"a\n1\n"
    refused = falconpy.NGSIEM(client_id="anyone", client_secret="wrong", base_url=address)
    assert refused.start_search(repository="falcon", query_string="count()")["status_code"] in (401, 403)


def test_acknowledged_events_are_there_after_the_server_was_killed(own_server):
    server = own_server("--plain")
    path = "/api/v1/dataspaces/kept/ingest"
    assert ask(server, "POST", path, [{"tags": {}, "events": EVENTS}])[0] == 200
    server.kill()
    again = own_server("--plain")
    status, answer = ask(again, "POST", "/api/v1/repositories/kept/query", {"queryString": "count()", **ALL})
    assert (status, json.loads(answer)) == (200, [{"_count": "2"}])
