"""LogScale's API, and Falcon Next-Gen SIEM's under `/humio`, to the extent that their official clients need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.serve.logscale.endpoints import list_logscale_routes

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from harness.serve.backend import Backend


class LogScale:
    """LogScale's one port: ingest, queries, files, GraphQL and status."""

    name = "logscale"
    ports = ("logscale",)

    def routes(self, backend: Backend) -> Mapping[str, Sequence[BaseRoute]]:
        """The routes of the port."""
        return {"logscale": list_logscale_routes(backend)}


FAMILY = LogScale()
