"""Splunk's REST API and its HTTP Event Collector, to the extent that official clients and contentctl need."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.serve.splunk.collector import list_collector_routes
from harness.serve.splunk.endpoints import list_routes
from harness.serve.splunk.scheduler import run_schedules
from harness.serve.splunk.state import SplunkState

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from harness.serve.backend import Backend


class Splunk:
    """Splunk's ports: management and collector; the collector's paths answer on both."""

    name = "splunk"
    ports = ("splunk", "hec")

    def routes(self, backend: Backend) -> Mapping[str, Sequence[BaseRoute]]:
        """The routes of both ports."""
        collector = list_collector_routes(backend)
        backend.tasks.add(asyncio.create_task(run_schedules(SplunkState.of(backend))))
        return {"hec": collector, "splunk": [*collector, *list_routes(backend)]}


FAMILY = Splunk()
