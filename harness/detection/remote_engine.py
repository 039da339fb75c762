"""Real products as engines: they get the text of a query over HTTPS and see no plan."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Protocol
from urllib.parse import urlsplit

from harness.detection.engine import CellValue, ResultRows
from harness.diagnostics import HarnessError, UnreachableError

# A container on this machine or the end of a tunnel has no certificate.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Both chosen, no source: cases have a few dozen rows, and a search head answers them in seconds.
LARGEST_ANSWER = 64 << 20
PRODUCT_PATIENCE = 120.0
# As JSON writes numbers: `007`, `+1` and `0x1f` are texts that a field may hold.
ANSWER_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")

ProductRecord = Mapping[str, str | list[str] | float]


class RemoteProduct(Protocol):
    """A product that answers queries; `connect(url_name, token_name)` of its module takes names of variables."""

    name: str

    def version(self) -> str:
        """The product's name and version: `Splunk 10.4.0`."""

    def answer(self, text: str, events: Sequence[ProductRecord], *, now: float = 0.0) -> ResultRows:
        """The rows of a query over events that are sent along and stored nowhere.

        Raises HarnessError `cannot-supply` where the query does not take events from what stands before it.
        """


class RejectedByProductError(HarnessError):
    """What the product says against a query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a product answers, and what opens it; the token is never shown."""

    product: str
    url: str
    token: str = field(repr=False)

    def send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> str:
        """The text of an answer. Raises UnreachableError without one, RejectedByProductError for a refused query."""
        parts = urlsplit(self.url)
        try:
            connection = open_connection(parts.scheme, parts.hostname or "", parts.port)
            sent = {"Authorization": f"Bearer {self.token}", **headers}
            connection.request(method, parts.path.rstrip("/") + path, body and body.encode(), sent)
            response = connection.getresponse()
            # One byte more than allowed tells a whole answer from one that is cut.
            text = response.read(LARGEST_ANSWER + 1)
            connection.close()
        except (OSError, HTTPException) as error:
            raise UnreachableError("unreachable", f"{self.product} does not answer: {self.told(error)}") from error
        if len(text) > LARGEST_ANSWER:
            raise HarnessError("answer-too-large", f"{self.product} answers with more than {LARGEST_ANSWER >> 20} MiB")
        if response.status in (401, 403):
            raise UnreachableError("refused", f"{self.product} refuses the token ({response.status})")
        shown = text.decode("utf-8", "replace")
        if response.status >= 500:
            raise UnreachableError("unreachable", f"{self.product} answers with {response.status}")
        # http.client follows no redirect, so a token never goes to another address.
        if response.status >= 300:
            raise RejectedByProductError("rejected", self.told(shown[:2000]) or f"status {response.status}")
        return shown

    def told(self, what: object) -> str:
        """A message of others without the token."""
        # Servers and proxies quote what they were sent.
        return " ".join(str(what).replace(self.token, "***").split())


def open_connection(scheme: str, host: str, port: int | None) -> HTTPConnection:
    """A connection whose certificate is verified; without TLS only to this machine."""
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=PRODUCT_PATIENCE, context=ssl.create_default_context())
    return HTTPConnection(host, port, timeout=PRODUCT_PATIENCE)


def server(product: str, url_name: str, token_name: str) -> Server:
    """The server that two environment variables name. Raises HarnessError for one that is not set or not safe."""
    url, token = (os.environ.get(name, "").strip() for name in (url_name, token_name))
    for name, value in ((url_name, url), (token_name, token)):
        if not value:
            raise HarnessError(
                "no-connection", f"the environment variable {name} is not set", help=f"export {name}=..."
            )
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise HarnessError("not-safe", f"{url_name} is no https address", help="a token is sent over TLS only")
    # A line end in a header would begin another one.
    if any(not c.isprintable() for c in token + url):
        raise HarnessError("no-connection", f"{url_name} or {token_name} holds a control character")
    return Server(product=product, url=url, token=token)


def build_rows(records: Iterable[Mapping[str, object]], hidden: Iterable[str] = ()) -> ResultRows:
    """Records as rows; a text that is written as a number is one, since neither product says which it is."""
    unwanted = set(hidden)
    found = [{k: decode_answer_cell(v) for k, v in r.items() if k not in unwanted} for r in records]
    columns = tuple(dict.fromkeys(name for record in found for name in record))
    return ResultRows(columns, tuple(tuple(record.get(name) for name in columns) for record in found))


def decode_answer_cell(given: object) -> CellValue:
    """One cell of an answer."""
    match given:
        case list():
            # A list of one value is that value in both products.
            return decode_answer_cell(given[0]) if len(given) == 1 else [str(item) for item in given]
        case str():
            # Digits beyond that are infinite as a double.
            return float(given) if ANSWER_NUMBER.fullmatch(given) and len(given) < 300 else given
        case bool() | None:
            return given
        case int() | float():
            return float(given)
        case _:
            return json.dumps(given)


def quote_query_text(text: str) -> str:
    """A text literal, which both languages write alike."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
