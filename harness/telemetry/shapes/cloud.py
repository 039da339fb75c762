"""Logs of cloud services: CloudTrail, Office 365."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.sensor import SplunkInput
from harness.telemetry.shape import Envelope, OpenedEvent, Shape
from harness.telemetry.shapes.splunk import object_in


def open_audit_data(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A row of the unified audit log's export, whose event is a JSON text."""
    data = value["AuditData"]
    if isinstance(data, dict):
        return OpenedEvent(inner=data)
    return OpenedEvent(inner=object_in(data)) if isinstance(data, str) and data.lstrip().startswith("{") else None


ENVELOPES = (Envelope(name="office_365", keys=("AuditData",), open=open_audit_data),)

SHAPES = (
    Shape(
        name="cloudtrail",
        meaning="AWS CloudTrail",
        marks=(
            "eventVersion|eventSource|eventName",
            "eventSource|eventName|awsRegion",
            "eventsource|eventname|awsregion",
        ),
        rank=26,
        example="cloudtrail.json",
        sensor="cloudtrail",
        kind=("eventName", "eventname"),
        origin=SplunkInput(index="main", source="aws:cloudtrail", sourcetype="aws:cloudtrail"),
        time=("eventTime", "eventtime"),
    ),
    Shape(
        name="office_365",
        meaning="Office 365's unified audit log",
        marks=("Workload|Operation|RecordType", "Workload|Operation|OrganizationId"),
        rank=27,
        example="office_365.csv",
        sensor="office_365",
        kind=("Operation",),
        origin=SplunkInput(index="main", source="o365:management:activity", sourcetype="o365:management:activity"),
        time=("CreationTime", "CreationDate"),
    ),
)
