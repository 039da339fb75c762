"""The HTTP Event Collector at its port, and what a search makes of what it took."""

import gzip
import json
import socket
import ssl
from contextlib import suppress

import pytest

from tests.serve.server_process import TOKEN, basic

CHANNEL = {"X-Splunk-Request-Channel": "FE0ECFAD-13D5-401B-847D-77833BD77131"}


def make_index(server, name):
    status, answer = server.ask("POST", "/services/data/indexes", {"name": name})
    assert status == 201, answer
    return name


def make_input(server, name, **settings):
    """The token of a new input."""
    form = {"name": name, "output_mode": "json", **settings}
    status, answer = server.ask("POST", "/services/data/inputs/http", form)
    assert status == 201, answer
    return json.loads(answer)["entry"][0]["content"]["token"]


def test_what_is_acknowledged_is_searchable_at_once(server):
    index = make_index(server, "at_once")
    sent = [
        {"event": f"login user=u{n} n={n}", "index": index, "time": 1700000000 + n, "host": "WS01"} for n in range(50)
    ]
    assert server.send(*sent) == (200, {"text": "Success", "code": 0})
    assert server.search(f"search index={index} | stats count dc(user) as users by host") == [
        {"host": "WS01", "count": "50", "users": "50"}
    ]


def test_an_event_keeps_text_time_metadata_and_indexed_fields(server):
    index = make_index(server, "kept")
    server.send(
        {"event": {"a": 1, "b": {"c": "x"}}, "index": index, "time": 1700000000.25, "sourcetype": "app", "source": "s",
         "host": "h", "fields": {"team": "blue"}}
    )  # fmt: skip
    (row,) = server.search(f"search index={index}")
    shown = {name: row[name] for name in ("_raw", "_time", "a", "b.c", "team", "sourcetype", "source", "host", "index")}
    assert shown == {
        "_raw": '{"a": 1, "b": {"c": "x"}}',
        "_time": "2023-11-14T22:13:20.250+00:00",
        "a": "1",
        "b.c": "x",
        "team": "blue",
        "sourcetype": "app",
        "source": "s",
        "host": "h",
        "index": index,
    }


def test_a_raw_text_is_broken_into_lines_with_their_times(server):
    index = make_index(server, "lines")
    text = "2024-01-01T00:00:01Z user=a\n2024-01-01T00:00:02Z user=b\n"
    status, _ = server.ask("POST", f"/services/collector/raw?index={index}&sourcetype=log&host=h", text, port="hec")
    assert status == 200
    found = server.search(f"search index={index} | sort _time | table _time user")
    assert found == [
        {"_time": "2024-01-01T00:00:01.000+00:00", "user": "a"},
        {"_time": "2024-01-01T00:00:02.000+00:00", "user": "b"},
    ]


WINDOWS_EVENT = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
    "<Provider Name='Microsoft-Windows-Sysmon'/><EventID>{code}</EventID>"
    "<TimeCreated SystemTime='2024-01-01T10:00:00Z'/>"
    "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>WS01</Computer></System>"
    "<EventData><Data Name='Image'>C:\\{image}</Data></EventData></Event>"
)


def test_raw_windows_events_are_what_the_add_on_makes_of_them(server):
    index = make_index(server, "windows")
    text = "\n".join(WINDOWS_EVENT.format(code=1, image=f"p{n}.exe") for n in range(3))
    given = "sourcetype=XmlWinEventLog&source=XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"
    server.ask("POST", f"/services/collector/raw?index={index}&{given}", text, port="hec")
    found = server.search(f"search index={index} EventCode=1 | stats values(Image) as images count by sourcetype")
    assert found == [{"sourcetype": "XmlWinEventLog", "images": [f"C:\\p{n}.exe" for n in range(3)], "count": "3"}]
    raw = server.search(f"search index={index} | head 1")[0]["_raw"]
    assert raw in text


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ("", 400, {"text": "No data", "code": 5}),
        ("nothing", 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 0}),
        ('{"event":"a"}{"event":', 400, {"text": "Invalid data format", "code": 6, "invalid-event-number": 1}),
        ('{"event":"a"}{"time":1}', 400, {"text": "Event field is required", "code": 12, "invalid-event-number": 1}),
        ('{"event":""}', 400, {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": 0}),
        ('{"event":"a","index":"nowhere"}', 400, {"text": "Incorrect index", "code": 7, "invalid-event-number": 0}),
        (
            '{"event":"a","fields":{"a":{"b":1}}}',
            400,
            {"text": "Error in handling indexed fields", "code": 15, "invalid-event-number": 0},
        ),
    ],
)
def test_what_cannot_be_taken_is_told_by_number(server, body, status, answer):
    found = server.ask("POST", "/services/collector/event", body, port="hec")
    assert (found[0], json.loads(found[1])) == (status, answer)


def test_tokens_open_the_door_and_nothing_else_does(server):
    def code(headers):
        status, answer = server.ask(
            "POST", "/services/collector", '{"event":"a"}', port="hec", headers=headers, token=None
        )
        return status, json.loads(answer)["code"]

    assert code({}) == (401, 2)
    assert code({"Authorization": "nonsense"}) == (401, 3)
    assert code({"Authorization": "Splunk wrong"}) == (403, 4)
    assert code(basic("x", TOKEN)) == (200, 0)
    disabled = make_input(server, "off", disabled="1")
    assert code({"Authorization": f"Splunk {disabled}"}) == (403, 1)


def test_an_input_that_acknowledges_wants_a_channel_and_tells_each_number_once(server):
    own = {"Authorization": f"Splunk {make_input(server, 'acks', useACK='1')}"}

    def post(path, body, **headers):
        status, answer = server.ask(
            "POST", f"/services/collector/{path}", body, port="hec", headers={**own, **headers}, token=None
        )
        return status, json.loads(answer)

    assert post("event", '{"event":"a"}') == (400, {"text": "Data channel is missing", "code": 10})
    bad = {"X-Splunk-Request-Channel": "no"}
    assert post("event", '{"event":"a"}', **bad) == (400, {"text": "Invalid data channel", "code": 11})
    assert post("event", '{"event":"a"}', **CHANNEL)[1]["ackId"] == 0
    assert post("raw", "a line", **CHANNEL)[1]["ackId"] == 1
    assert post("ack", '{"acks":[0,1,7]}', **CHANNEL) == (200, {"acks": {"0": True, "1": True, "7": False}})
    assert post("ack", '{"acks":[0]}', **CHANNEL) == (200, {"acks": {"0": False}})
    own = {"Authorization": f"Splunk {TOKEN}"}
    assert post("ack", '{"acks":[0]}', **CHANNEL) == (400, {"text": "ACK is disabled", "code": 14})


def test_a_packed_body_is_unpacked_and_one_that_never_ends_is_refused(server):
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(b'{"event":"packed"}')
    assert server.ask("POST", "/services/collector", body, port="hec", headers=packed)[0] == 200
    bomb = gzip.compress(bytes(200 << 20))
    assert server.ask("POST", "/services/collector", bomb, port="hec", headers=packed)[0] == 413


def test_health_is_told_without_a_token(server):
    assert server.ask("GET", "/services/collector/health", port="hec", token=None) == (
        200,
        b'{"text":"HEC is healthy","code":17}',
    )


def test_half_a_request_harms_nobody(server):
    context = ssl.create_default_context(cafile=server.started["certificate"])
    with (
        socket.create_connection(("127.0.0.1", server.port("hec"))) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as half,
    ):
        half.sendall(b"POST /services/collector HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        assert server.send({"event": "meanwhile"})[0] == 200


def test_what_was_acknowledged_is_there_after_the_server_was_killed(own_server):
    first = own_server("--plain")
    assert first.send(*({"event": f"before n={n}"} for n in range(20)))[0] == 200
    assert first.search("search index=main | stats count") == [{"count": "20"}]
    # In the journal alone when the server dies.
    for n in range(5):
        assert first.send(*({"event": f"behind n={n * 4 + k}"} for k in range(4)))[0] == 200
    first.kill()
    second = own_server("--plain")
    assert second.search("search index=main | stats count dc(n) as n") == [{"count": "40", "n": "20"}]


@pytest.mark.more
def test_events_whose_reader_fails_are_texts_and_the_log_says_so(own_server, tmp_path):
    # Where readers want to put what they keep by reference there is a file already.
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "texts").write_text("")
    server = own_server("--plain")
    server.send({"event": {"n": 5}, "sourcetype": "shop"}, {"event": {"n": 6}, "sourcetype": "shop"})
    (found,) = server.search("search index=main n=5 | table sourcetype _raw")
    assert found == {"sourcetype": "shop", "_raw": '{"n": 5}'}
    said = server.stop()
    assert "the reader of ndjson failed on received events, 2 of sourcetype shop" in said
    assert "are kept as plain text: FileExistsError" in said


@pytest.mark.more
def test_half_a_request_holds_no_connection_for_ever(own_server):
    server = own_server("--plain")
    with socket.create_connection(("127.0.0.1", server.port("hec"))) as half:
        half.sendall(b"POST /services/collector HTTP/1.1\r\n")
        half.settimeout(60)
        # Closed or reset: anything but the socket's own time limit.
        with suppress(ConnectionResetError):
            while half.recv(4096):
                pass


def test_settings_that_nobody_can_read_hold_no_event_up(server):
    index = make_index(server, "odd_settings")
    form = {"name": "odd", "LINE_BREAKER": "(", "TIME_FORMAT": "%!"}
    assert server.ask("POST", "/services/configs/conf-props", form)[0] == 201
    server.ask("POST", f"/services/collector/raw?index={index}&sourcetype=odd", "a=1", port="hec")
    server.send({"event": {"a": "2"}, "index": index})
    server.ask("DELETE", "/services/configs/conf-props/odd")
    assert server.search(f"search index={index} | stats count") == [{"count": "2"}]
