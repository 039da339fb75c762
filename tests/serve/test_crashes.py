"""A server that is killed while it takes events: what was acknowledged is there, once."""

import json
import threading
import time

import pytest

from tests.serve.server_process import TOKEN

pytestmark = pytest.mark.more

CLIENTS, EVENTS = 20, 20


def send_until_it_dies(server, client, acknowledged):
    connection = server.connection("hec")
    number = 0
    try:
        while True:
            ids = [f"{client}-{number}-{k}" for k in range(EVENTS)]
            body = "".join(json.dumps({"event": {"id": each}}) for each in ids)
            connection.request("POST", "/services/collector", body, {"Authorization": f"Splunk {TOKEN}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                acknowledged.update(ids)
            number += 1
    except OSError:
        return
    finally:
        connection.close()


def test_no_acknowledged_event_is_lost_or_doubled_by_kill_9(own_server):
    acknowledged: set[str] = set()
    for _ in range(2):
        server = own_server("--plain")
        before = len(acknowledged)
        clients = [
            threading.Thread(target=send_until_it_dies, args=(server, f"{before}-{c}", acknowledged))
            for c in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        time.sleep(1)
        # The store is written while events come.
        server.search("search index=main | stats count")
        time.sleep(0.5)
        server.kill()
        for client in clients:
            client.join()
        assert len(acknowledged) > before
    server = own_server("--plain")
    form = {"search": "search index=main | stats count by id", "output_mode": "json"}
    _, answer = server.ask("POST", "/services/search/jobs/export", form)
    rows = [json.loads(line)["result"] for line in answer.splitlines() if b'"result"' in line]
    assert acknowledged - {row["id"] for row in rows} == set()
    assert [row for row in rows if row["count"] != "1"] == []
