"""What a recorded world could not have produced: kinds of events that a rule looks for and nobody recorded there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np
import pyarrow as pa

from harness.detection.language import Plan
from harness.detection.plan.expressions import Kind, Schema
from harness.detection.plan.nodes import Scan, walk_nodes
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.record import record
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry, TelemetryOrigin
from harness.telemetry.events.manifests import PROVIDER_CHANNELS, PROVIDER_GUIDS, read_manifests
from harness.telemetry.events.text_columns import encode_codes
from harness.telemetry.events.windows_event import sensor_of
from harness.telemetry.platform import platform
from harness.verdict.store import TelemetryStore, WorldStore

# Of Falcon's kinds those that rules ask for, from the fieldsets of its Windows sensor (telemetry.md 3.3); the simulated
# ones are among them.
FALCON_KINDS = (
    *("ProcessRollup2", "SyntheticProcessRollup2", "EndOfProcess", "NetworkConnectIP4"),
    *("NetworkConnectIP6", "NetworkReceiveAcceptIP4", "NetworkReceiveAcceptIP6", "NetworkListenIP4"),
    *("NetworkListenIP6", "DnsRequest", "ScheduledTaskRegistered", "ScheduledTaskModified"),
    *("ScheduledTaskDeleted", "UserLogon", "UserLogoff", "UserLogonFailed2", "ServiceStarted"),
    *("DriverLoad", "ClassifiedModuleLoad", "NewExecutableWritten", "NewScriptWritten", "PeFileWritten"),
    *("FileOpenInfo", "RegGenericValueUpdate", "AsepValueUpdate", "CommandHistory"),
    *("ScriptControlScanTelemetry", "ScriptControlScanInfo", "RemovableMediaVolumeMounted"),
)
MOST_NAMED_KINDS = 12
"""A rule that may take more kinds than these looks for no kind at all."""


@record(kw_only=True)
class WorldGaps:
    """Kinds of events that a rule looks for: those that a world has none of, and whether it has any of the others."""

    missing: tuple[str, ...]
    silent: bool

    @property
    def sentence(self) -> str:
        """What that says of the rule's answer."""
        named = ", ".join(self.missing)
        if self.silent and not self.missing:
            return "no kind of events that is known here is what the rule looks for: 0 alerts say nothing"
        if self.silent:
            return f"this world has no events of {named}: 0 alerts say nothing"
        return f"this world has no events of {named}, which the rule looks for too"


def describe_world_gaps(store: TelemetryStore, plan: Plan) -> tuple[str, ...]:
    """What a world could not have produced of that which a plan looks for; nothing of other recordings."""
    # Other recordings are stores as well, and nobody knows what their hosts could have done.
    if not isinstance(store, WorldStore) or store.presentation is None or store.stored.manifest.world is None:
        return ()
    conditions = store.presentation.conditions
    gaps = find_world_gaps(plan, store.presentation.platform.name, conditions, store.counts(conditions))
    return (gaps.sentence,) if gaps.missing or gaps.silent else ()


def find_world_gaps(
    plan: Plan, platform_name: str, conditions: Mapping[str, str], present: Mapping[str, int]
) -> WorldGaps:
    """The kinds that a plan can take and of which `present`, counts by `sensor kind`, has none."""
    needed = list_needed_kinds(plan, platform_name, conditions)
    if len(needed) > MOST_NAMED_KINDS:
        return WorldGaps(missing=(), silent=False)
    missing = tuple(sorted(kind for kind in needed if not present.get(kind)))
    return WorldGaps(missing=missing, silent=len(missing) == len(needed))


def list_needed_kinds(plan: Plan, platform_name: str, conditions: Mapping[str, str]) -> frozenset[str]:
    """Every known kind of events of which a row may pass the plan's first conditions."""
    parts = present_known_kinds(platform_name, tuple(sorted(conditions.items())))
    # Which fields an event of a kind has is another question: here each has all that the rule reads.
    # What tells kinds apart, as EventCode and #event_simpleName do, is no field that any of them may have.
    telling = {name for part in parts for name in part.constants}
    fields: Schema = dict.fromkeys(plan.reads - telling, Kind.TEXT)
    wide = [
        StoredPart(
            name=part.name,
            constants=part.constants,
            columns={n: k for n, k in {**fields, **part.columns}.items() if n not in part.constants},
        )
        for part in parts
    ]
    tables = {node.table: wide for node in walk_nodes(plan.node) if isinstance(node, Scan)}
    return frozenset(part.name for found in parts_needed(plan.node, tables).values() for part in found)


@lru_cache(maxsize=16)
def present_known_kinds(platform_name: str, conditions: tuple[tuple[str, str], ...]) -> tuple[StoredPart, ...]:
    """One event of each known kind as a platform presents it."""
    found = []
    for events in list_known_events():
        telemetry = Telemetry(events=(events,), causes=(), origin=TelemetryOrigin.SIMULATED)
        for view in platform(platform_name).present(telemetry, dict(conditions)):
            columns: Schema = dict.fromkeys(view.columns.column_names, Kind.TEXT)
            found.append(StoredPart(name=f"{events.sensor} {events.kind}", constants=view.constants, columns=columns))
    return tuple(found)


def list_known_events() -> Iterator[Events]:
    """An event of each kind that manifests and the Falcon sensor know, its fields filled with a mark."""
    for (provider, kind), forms in read_manifests().items():
        channel = PROVIDER_CHANNELS.get(provider)
        # Events of Linux come through syslog, and no world has any.
        if channel is not None and not provider.startswith("Linux"):
            constants = {
                "Provider_Name": provider,
                "Provider_Guid": PROVIDER_GUIDS.get(provider, "{00000000-0000-0000-0000-000000000000}"),
                "EventID": kind,
                "Channel": channel,
            }
            yield build_marked_event(sensor_of(channel), kind, constants, (*forms[0].names, "Computer"))
    yield build_marked_event("proxy", "traffic", {}, ("url", "dest", "src"))
    for kind in FALCON_KINDS:
        yield build_marked_event("falcon", kind, {"event_simpleName": kind, "event_platform": "Win"}, ("aid",))


def build_marked_event(sensor: str, kind: str, constants: Mapping[str, str], fields: tuple[str, ...]) -> Events:
    """One event whose fields hold the same text, which no rule asks for."""
    marks = {name: encode_codes(np.zeros(1, np.int64), ["\x1a"]) for name in fields}
    table = pa.table(
        {TIME: pa.array([0], pa.timestamp("us")).cast(TIME_TYPE), CAUSE: pa.array([0], pa.int32()), **marks}
    )
    return Events(sensor=sensor, kind=kind, constants=dict(constants), columns=table)
