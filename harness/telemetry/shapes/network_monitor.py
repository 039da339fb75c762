"""Network monitors: Zeek's logs as JSON or as its own tables, Suricata's eve."""

from __future__ import annotations

from harness.telemetry.sensor import SplunkInput
from harness.telemetry.shape import Shape

SHAPES = (
    Shape(
        name="zeek",
        meaning="Zeek's logs",
        marks=("_path", "ts|uid", "ts|id.orig_h", "ts|fuid", "ts|host|services"),
        # What Falcon or a search engine exports may have a _path of its own.
        without=("event_simpleName", "winlog.*", "EventID"),
        rank=28,
        example="zeek.tsv",
        sensor="zeek",
        kind=("_path",),
        origin=SplunkInput(index="main", source="zeek", sourcetype="bro:{kind}:json"),
        time=("ts",),
    ),
    Shape(
        name="suricata",
        meaning="Suricata's eve",
        marks=("event_type|flow_id", "event_type|src_ip|dest_ip", "event_type|stats.uptime"),
        rank=29,
        example="suricata.ndjson",
        sensor="suricata",
        kind=("event_type",),
        host="host",
        origin=SplunkInput(index="main", source="suricata", sourcetype="suricata"),
        time=("timestamp",),
    ),
)
