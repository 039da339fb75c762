"""Bodies as the outputs of common forwarders for Splunk write them, by their documents."""

import gzip

import pytest

from tests.serve.test_collector import make_index

# Reference: docs.fluentbit.io (splunk output), vector.dev (splunk_hec_logs sink), the README of OpenTelemetry's
# splunkhecexporter: objects follow one another without anything between them.
FLUENT_BIT = (
    '{"time":1700000000.5,"host":"web1","index":"INDEX","sourcetype":"nginx","event":{"log":"GET /","code":200}}'
    '{"time":1700000001.5,"host":"web1","index":"INDEX","sourcetype":"nginx","event":{"log":"GET /a","code":404}}'
)
VECTOR = (
    '{"event":{"message":"started","level":"info"},"fields":{"env":"prod"},"time":1700000000.0,"host":"web1",'
    '"index":"INDEX","source":"vector","sourcetype":"app"}'
    '{"event":"a line","fields":{},"time":1700000001.25,"host":"web1","index":"INDEX","sourcetype":"app"}'
)
OPEN_TELEMETRY = (
    '{"time":1700000000.123,"host":"web1","source":"otel","sourcetype":"otel","index":"INDEX","event":"first",'
    '"fields":{"service.name":"shop","k8s.labels":["a","b"]}}'
    '{"host":"web1","source":"otel","sourcetype":"otel","index":"INDEX","event":{"body":"second"},"fields":{}}'
)


@pytest.mark.parametrize(
    ("name", "body", "field", "wanted"),
    [
        ("fluent_bit", FLUENT_BIT, "code", ["200", "404"]),
        ("vector", VECTOR, "env", ["prod"]),
        ("open_telemetry", OPEN_TELEMETRY, '"service.name"', ["shop"]),
    ],
)
def test_what_forwarders_send_is_found(server, name, body, field, wanted):
    index = make_index(server, name)
    packed = {"Content-Encoding": "gzip"}
    sent = gzip.compress(body.replace("INDEX", index).encode())
    status, answer = server.ask("POST", "/services/collector", sent, port="hec", headers=packed)
    assert (status, answer) == (200, b'{"text": "Success", "code": 0}')
    (row,) = server.search(f"search index={index} | stats count values({field}) as found by host")
    found = row["found"] if isinstance(row["found"], list) else [row["found"]]
    assert (row["host"], row["count"], found) == ("web1", "2", wanted)
