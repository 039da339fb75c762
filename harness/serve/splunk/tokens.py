"""Inputs of the HTTP Event Collector and their tokens."""

from __future__ import annotations

import hmac

from harness.record import record
from harness.serve.backend import Backend
from harness.serve.documents import Document
from harness.serve.splunk.conf import list_stanzas

HTTP_INPUTS = "inputs http"
"""The file whose stanzas `data/inputs/http` shows."""
OWN_INPUT = "detlab"


@record(kw_only=True)
class CollectorInput:
    """An input: what its events get where they say nothing, and which indexes it may write to (any if empty)."""

    name: str
    token: str
    index: str = "main"
    indexes: tuple[str, ...] = ()
    source: str = ""
    sourcetype: str = ""
    host: str = ""
    acknowledges: bool = False
    disabled: bool = False


def find_collector_input(backend: Backend, secret: str) -> CollectorInput | None:
    """The input of a token; the server's own token is one of all indexes."""
    own = backend.access.token
    if hmac.compare_digest(secret.encode(), own.encode()):
        return CollectorInput(name=OWN_INPUT, token=own)
    for stanza in list_stanzas(backend, HTTP_INPUTS):
        if hmac.compare_digest(str(stanza.settings.get("token", "")).lower().encode(), secret.lower().encode()):
            return read_input(stanza.name, stanza.settings)
    return None


def read_input(name: str, held: Document) -> CollectorInput:
    """An input as it is kept."""
    listed = held.get("indexes") or ""
    names = listed if isinstance(listed, list) else str(listed).split(",")
    return CollectorInput(
        name=name.removeprefix("http://"),
        token=str(held["token"]),
        index=str(held.get("index") or "main").replace("default", "main"),
        indexes=tuple(n.strip() for n in names if n.strip()),
        source=str(held.get("source") or ""),
        sourcetype=str(held.get("sourcetype") or ""),
        host=str(held.get("host") or ""),
        acknowledges=str(held.get("useACK", "0")).lower() in ("1", "true"),
        disabled=str(held.get("disabled", "0")).lower() in ("1", "true"),
    )
