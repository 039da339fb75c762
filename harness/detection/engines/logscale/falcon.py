"""Falcon Next-Gen SIEM by CrowdStrike's SDK: its query jobs, and a data connector of the person's own for events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from os import environ
from typing import Any
from urllib.parse import urlsplit

from falconpy import NGSIEM
from requests import Session
from requests.adapters import HTTPAdapter

from harness.detection.remote_engine import (
    BUSY_STATUS,
    LOOPBACK,
    PRODUCT_PATIENCE,
    ProductChoice,
    RejectedByProductError,
    Server,
    build_tls_context,
    server,
)
from harness.diagnostics import HarnessError, UnreachableError
from harness.record import record

CLIENT_ID, CLIENT_SECRET, BASE_URL = "FALCON_CLIENT_ID", "FALCON_CLIENT_SECRET", "FALCON_BASE_URL"
CONNECTOR_URL, CONNECTOR_TOKEN, FALCON_REPOSITORY = "FALCON_INGEST_URL", "FALCON_INGEST_TOKEN", "FALCON_REPOSITORY"
DEFAULT_ADDRESS = "https://api.crowdstrike.com"
# The view of everything that a customer has (NG-SIEM, Advanced event search).
SEARCH_ALL = "search-all"


@record(kw_only=True)
class FalconService:
    """A tenant: queries by the SDK, events to the connector's address, which has a token of its own."""

    sdk: NGSIEM
    address: str
    repository: str
    connector: Server
    secrets: tuple[str, ...]

    def version(self) -> str:
        """The product's name; it has no version that its API tells."""
        return "Falcon Next-Gen SIEM"

    def check(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the SDK gives, as what was asked for. Raises the error that its status means."""
        # The SDK has it under one name or the other, by what it takes the answer for.
        status, body = int(answer.get("status_code") or 0), answer.get("body", answer.get("resources")) or {}
        if 200 <= status < 300:
            found = body.get("resources", body) if isinstance(body, Mapping) else body
            return found if isinstance(found, Mapping) else {}
        said = json.dumps(body.get("errors", body) if isinstance(body, Mapping) else str(body))[:2000]
        for secret in self.secrets:
            said = said.replace(secret, "***")
        if status in (401, 403):
            raise UnreachableError("refused", f"Falcon refuses the client ({status}): {said}")
        if status == BUSY_STATUS:
            raise UnreachableError("quota", f"Falcon has no room for another search ({status}): {said}")
        # 207 is what the SDK gives where no answer came at all.
        if status >= 500 or status == 0:
            raise UnreachableError("unreachable", f"Falcon answers with {status}: {said}")
        raise RejectedByProductError("rejected", said)

    def start(self, text: str, begin: int, end: int) -> str:
        """The number of a new query job."""
        asked = {"queryString": text, "start": begin, "end": end, "isLive": False}
        return str(self.check(self.sdk.start_search(repository=self.repository, body=asked))["id"])

    def poll(self, job: str) -> Mapping[str, Any]:
        """The state of a job."""
        return self.check(self.sdk.get_search_status(repository=self.repository, search_id=job))

    def stop(self, job: str) -> None:
        """Ends a job."""
        self.sdk.stop_search(repository=self.repository, id=job)

    def ingest(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """Sends events to the connector, as its HTTP Event Collector takes them; tags are fields that begin with #."""
        lines = []
        for part in batch:
            tags = {f"#{name}": value for name, value in part["tags"].items()}
            for event in part["events"]:
                seconds = datetime.fromisoformat(event["timestamp"]).timestamp()
                lines.append(json.dumps({"time": seconds, "event": event["attributes"], "fields": tags}))
        self.connector.send("POST", "", "\n".join(lines), {"Content-Type": "application/json"})

    def redact(self, query: str, end: int) -> None:
        """Refused: Next-Gen SIEM lets nobody remove single events by its API."""
        raise HarnessError("stays-there", f"events stay in Falcon until its retention ends: {query}")

    def has_file(self, name: str) -> bool:
        """Whether there is a lookup file of that name."""
        # What is there comes as bytes, all else as an answer about it.
        return isinstance(self.sdk.get_file(repository=self.repository, filename=name), bytes)


class TrustingAdapter(HTTPAdapter):
    """Connections that trust the authorities of a file too: the SDK takes none, only yes or no."""

    def __init__(self, choice: ProductChoice) -> None:
        self.tls = build_tls_context(choice.ca)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """A pool with that trust."""
        super().init_poolmanager(*arguments, **named, ssl_context=self.tls)


def open_session(choice: ProductChoice) -> Session:
    """What the SDK sends by: verified, and never to another address, for a secret is among what it sends."""
    found = Session()
    found.mount("https://", TrustingAdapter(choice))
    found.max_redirects = 0
    # Else variables of the environment name proxies and passwords of their own.
    found.trust_env = False
    return found


def open_falcon_service(choice: ProductChoice) -> FalconService:
    """The tenant that environment variables name."""
    client, secret = (environ.get(name, "").strip() for name in (CLIENT_ID, CLIENT_SECRET))
    if not secret:
        message = f"the environment variable {CLIENT_SECRET} is not set"
        raise HarnessError("no-connection", message, help=f"export {CLIENT_SECRET}=...")
    address = environ.get(BASE_URL, "").strip() or DEFAULT_ADDRESS
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise HarnessError("not-safe", f"{BASE_URL} is no https address", help="a secret is sent over TLS only")
    sdk = NGSIEM(
        client_id=client,
        client_secret=secret,
        base_url=address,
        ssl_verify=True,
        timeout=PRODUCT_PATIENCE,
        session=open_session(choice),
    )
    return FalconService(
        sdk=sdk,
        address=address,
        repository=choice.repository or environ.get(FALCON_REPOSITORY, "").strip() or SEARCH_ALL,
        connector=server("Falcon's data connector", CONNECTOR_URL, CONNECTOR_TOKEN, choice),
        secrets=(client, secret),
    )
