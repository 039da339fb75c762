"""One event of each shape and wrapper of JSON that the readers know, as the tests of the readers have them."""

from __future__ import annotations

import json

from tests.telemetry.formats.test_ndjson import FDR, LAYOUTS, NXLOG, WINLOGBEAT_6, WINLOGBEAT_8

XML_EVENT = (
    "<Event><System><EventID>3</EventID><Channel>Microsoft-Windows-Sysmon/Operational</Channel></System><EventData>"
    "<Data Name='Image'>a &amp; b</Data></EventData></Event>"
)
FLAT = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "EventID": 3,
    "SystemTime": "2021-12-12T12:01:18.89Z",
    "Channel": "Security",
    "Data": ["a", "b"],
    "Nothing": None,
    "Ratio": 0.1,
    "Initiated": True,
}
SYSTEM = {
    "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
    "EventID": {"#attributes": {"Qualifiers": ""}, "#text": 3},
    "TimeCreated": {"#attributes": {"SystemTime": "2021-12-12T12:01:18Z"}},
    "Channel": "Microsoft-Windows-Sysmon/Operational",
}
TRIMMED = {
    "UtcTime": "2020-06-10 02:50:55.662",
    "ProcessGuid": "{b669e388}",
    "Image": "dns.exe",
    "DestinationIp": "192.0.2.1",
    "DestinationPort": "53",
    "Initiated": "false",
}
AZURE = {
    "TimeGenerated": "2022-05-13T08:54:06.797Z",
    "Provider": "Microsoft-Windows-Sysmon",
    "EventLevel": 4,
    "Channel": "Security",
    "EventLevelName": "Information",
    "EventID": 22,
    "EventData": '{"QueryName":"W5"}',
}
OBJECTS: dict[str, object] = {
    "nxlog": NXLOG,
    "nxlog_without_zone": {n: v for n, v in NXLOG.items() if n != "@timestamp"},
    "winlogbeat_6": WINLOGBEAT_6,
    "winlogbeat_8": WINLOGBEAT_8,
    "flat": FLAT,
    "event_code": {"EventCode": "3", "RecordNumber": "1", "Channel": "Security", "_time": "1663246582.9"},
    "rendered": {"Event": {"System": SYSTEM, "EventData": {"Image": "a.exe", "Path": None}}},
    "trimmed_sysmon": TRIMMED,
    "azure": AZURE,
    "falcon": FDR,
    "falcon_nested": {"event_simpleName": "DnsRequest", "_label": {"rule": "x"}, "event": FDR},
    "falcon_stream": {"metadata": {"eventType": "A", "eventCreationTime": 1682707778681}, "event": {"UserId": "me"}},
    "collector": {"time": "1663246582.95", "host": "dc", "source": "s", "index": "main", "event": XML_EVENT},
    "splunk_export": {"preview": False, "result": {"_raw": XML_EVENT, "_time": "1663246582", "host": "a"}},
    "elastic_hit": {"_index": "x", "_id": "1", "_source": WINLOGBEAT_8},
    "own": {"@sensor": "sysmon", "@kind": "3", "@time": "2024-01-01T10:00:00Z", "Image": "a"},
    "unknown": {"ts": 1588205199.82437, "src": "10.0.1.6", "nested": {"a": [1, {"b": 2}]}},
}
JSON_SHAPES: dict[str, bytes] = {name: json.dumps(value).encode() for name, value in OBJECTS.items()}


def list_shape_seeds() -> list[bytes]:
    """Each shape alone, two of it in a list of a service, and each layout of a file."""
    lists = [json.dumps({"records": [value, value]}, indent=1).encode() for value in OBJECTS.values()]
    return [*JSON_SHAPES.values(), *lists, *(text.encode() for text in LAYOUTS.values())]
