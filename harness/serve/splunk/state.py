"""What a server keeps for Splunk's clients: search jobs, and who they are."""

from __future__ import annotations

import weakref
from typing import ClassVar

from harness.serve.backend import Backend, SearchRun
from harness.serve.search import SearchRequest
from harness.serve.splunk.access_log import AccessLog
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.jobs import Jobs


class SplunkState:
    """One server's state beside documents and events; families and ports share it."""

    known: ClassVar[weakref.WeakKeyDictionary[Backend, SplunkState]] = weakref.WeakKeyDictionary()

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.jobs = Jobs(backend)
        self.access_log = AccessLog(backend)
        self.notes: dict[str, dict[str, str]] = {}
        self.alerts: dict[str, list[dict[str, str]]] = {}
        self.suppressed: dict[str, float] = {}
        self.passwords: dict[tuple[str, str], str] = {}

    @classmethod
    def of(cls, backend: Backend) -> SplunkState:
        """The state of a server."""
        if backend not in cls.known:
            cls.known[backend] = cls(backend)
        return cls.known[backend]

    async def begin_search(self, request: SearchRequest) -> SearchRun:
        """Begins a search; one that may look at the server's own log finds it up to now."""
        if request.indexes is None or "_internal" in request.indexes:
            await self.access_log.flush()
        return await self.backend.begin_search(request)

    def authenticate(self, found: tuple[str, str]) -> tuple[str, str]:
        """Who asks, and by which secret. Raises SplunkError where nobody may."""
        scheme, secret = found
        access = self.backend.access
        if scheme == "basic":
            user, _, password = secret.partition(":")
            if access.is_password(user, password):
                return user, ""
        elif scheme == "token":
            known = access.find_user(secret)
            if known is not None:
                return known, secret
        raise SplunkError(401, "call not properly authenticated", "WARN")
