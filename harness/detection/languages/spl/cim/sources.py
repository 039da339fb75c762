"""All that is known of events, in the order in which it is looked for.

Reference: reference/spl.md 9.3, 11.3 and 11.5
"""

from __future__ import annotations

from harness.detection.languages.spl.cim import falcon, sysmon, windows
from harness.detection.languages.spl.cim.groups import EventGroup, EventOrigin

PROXY = EventOrigin(field="sourcetype", ends="proxy", code="")
EDGE = EventGroup(
    origin=PROXY,
    eventtypes=("proxy",),
    tags=("web", "proxy", "network", "communicate"),
    fields={
        "dvc": "host",
        "site": "dest_host",
        "uri_path": "url_path",
        "url": "coalesce(dest_host, dest).url_path",
        "url_domain": "dest_host",
        "direction": '"outbound"',
        "vendor_product": '"proxy"',
    },
)
EVENT_GROUPS: tuple[EventGroup, ...] = (
    *sysmon.SYSMON_GROUPS, *windows.WINDOWS_GROUPS, *falcon.FALCON_GROUPS, EDGE,
    *windows.WINDOWS_REST, *sysmon.SYSMON_REST, *falcon.FALCON_REST,
)  # fmt: skip
"""The first group that an event belongs to gives its fields; those without codes are what is left of an origin."""
