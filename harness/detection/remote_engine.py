"""Real products as engines: they get the text of a query over HTTPS and see no plan."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from harness.detection.engine import CellValue, ResultRows
from harness.diagnostics import HarnessError, UnreachableError
from harness.late_pattern import late_pattern
from harness.record import record

if TYPE_CHECKING:
    from harness.detection.enclosure import Enclosure
    from harness.telemetry.platform import View

# A container on this machine or the end of a tunnel has no certificate.
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Both chosen, no source: cases have a few dozen rows, and a search head answers them in seconds.
LARGEST_ANSWER = 64 << 20
PRODUCT_PATIENCE = 120.0
# As JSON writes numbers: `007`, `+1` and `0x1f` are texts that a field may hold.
ANSWER_NUMBER = late_pattern(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")

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


@record(kw_only=True)
class ProductAnswer:
    """The rows of a search on a product, what the product says about them, and whether they are all that there are."""

    rows: ResultRows
    remarks: tuple[str, ...] = ()
    whole: bool = True


@record(kw_only=True)
class ProductChoice:
    """What a person said about a product: certificates of a private authority, and where LogScale's events go."""

    ca: Path | None = None
    repository: str = ""


class ProductStore(Protocol):
    """A product that holds the events of trials; `open_product_store(choice)` of a module `store` beside its engine.


    `removes_each` is whether what was made for one trial can be taken away cheaply, before the next one's is made;
    `lookup_hint` says how a person brings a lookup table there.
    """

    product: str
    address: str
    removes_each: bool
    lookup_hint: str

    def version(self) -> str:
        """The product's name and version."""

    def send(self, enclosure: Enclosure, views: Sequence[View]) -> int:
        """Sends events to a place of their own; how many they were."""

    def wait(self, enclosure: Enclosure, count: int) -> None:
        """Waits until so many events can be searched there. Raises UnreachableError if they cannot in time."""

    def search(self, text: str, begin: float, end: float) -> ProductAnswer:
        """The rows of a text over the events from one moment up to another, in epoch seconds.

        Raises RejectedByProductError for what the product refuses, UnreachableError where it does not answer.
        """

    def name_missing_content(self, lookups: Iterable[str]) -> list[str]:
        """Those lookup tables of a rule that the product does not have."""

    def remove(self, beginning: str) -> None:
        """Takes away what was made for enclosures whose names begin so, so that nothing of it is left."""


class RejectedByProductError(HarnessError):
    """What the product says against a query."""


@record(kw_only=True)
class Server:
    """Where a product answers, and what opens it; the token is never shown.

    `scheme` is what stands before the token, `ca` a file of certificates to trust besides those of the system.
    """

    product: str
    url: str
    token: str = field(repr=False)
    scheme: str = "Bearer"
    ca: Path | None = None

    def send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> str:
        """The text of an answer. Raises UnreachableError without one, RejectedByProductError for a refused query."""
        parts = urlsplit(self.url)
        try:
            connection = open_connection(parts.scheme, parts.hostname or "", parts.port, self.ca)
            sent = {"Authorization": f"{self.scheme} {self.token}", **headers}
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
        if response.status == BUSY_STATUS:
            raise UnreachableError("quota", f"{self.product} has no room for another search ({response.status})")
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


def open_connection(scheme: str, host: str, port: int | None, ca: Path | None = None) -> HTTPConnection:
    """A connection whose certificate is verified; without TLS only to this machine."""
    if scheme == "https":
        return HTTPSConnection(host, port, timeout=PRODUCT_PATIENCE, context=build_tls_context(ca))
    return HTTPConnection(host, port, timeout=PRODUCT_PATIENCE)


def build_tls_context(ca: Path | None) -> ssl.SSLContext:
    """What verifies certificates: the system's authorities and those of the file. Raises HarnessError without it."""
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except (OSError, ssl.SSLError) as error:
            raise HarnessError("no-certificates", f"{ca} is no file of PEM certificates") from error
    return context


Response = TypeVar("Response")
# Chosen, no source: an indexer shows what it has acknowledged within seconds, a busy one within a minute or two.
INDEXING_PATIENCE = 180.0


def ask_until(ask: Callable[[], Response | None], patience: float = INDEXING_PATIENCE) -> Response | None:
    """The first answer that is one, asked for again and again; None if none comes in time."""
    ends, pause = monotonic() + patience, 0.02
    while (found := ask()) is None:
        if monotonic() > ends:
            return None
        sleep(pause)
        # A quick answer is seen at once, a slow one is not asked for a hundred times a second.
        pause = min(2.0, pause * 1.5)
    return found


# Chosen, no source: other people's searches end within minutes; a run that waits longer is better begun again.
QUOTA_PATIENCE = 120.0
BUSY_STATUS = 429
"""HTTP: too many requests, of which LogScale's queue of queries is one reason."""
WAITED_FOR_ROOM = "there was no room for another search at first: it was asked for again until there was"


def ask_for_room(begin: Callable[[], Response]) -> tuple[Response, tuple[str, ...]]:
    """What `begin` gives once the product has room for a search, and what is to be told of the waiting.

    Raises UnreachableError `quota` where it has none for minutes.
    """
    refused: list[UnreachableError] = []

    def attempt() -> tuple[Response] | None:
        try:
            return (begin(),)
        except UnreachableError as error:
            if error.code != "quota":
                raise
            refused.append(error)
            return None

    found = ask_until(attempt, QUOTA_PATIENCE)
    if found is None:
        message = f"{refused[-1].message} (asked {len(refused)} times in {QUOTA_PATIENCE:.0f} s)"
        raise UnreachableError("quota", message, help="try again later, or raise the quota of the token's role")
    return found[0], (WAITED_FOR_ROOM,) if refused else ()


def read_own_time(text: str) -> float:
    """Epoch seconds of a time as products write it: ISO 8601 or a number."""
    if ANSWER_NUMBER.fullmatch(text):
        return float(text)
    return datetime.fromisoformat(text).timestamp()


def server(
    product: str, url_name: str, token_name: str, choice: ProductChoice | None = None, *, usual: str = ""
) -> Server:
    """The server that two environment variables name, its address the usual one where that is not set.

    Raises HarnessError for one that is not set or not safe.
    """
    url, token = (os.environ.get(name, "").strip() for name in (url_name, token_name))
    url = url or usual
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
    return Server(product=product, url=url, token=token, ca=choice.ca if choice else None)


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
