"""The parts of addresses of pages."""

from __future__ import annotations

import re

from harness.detection.languages.cql.binding import Name
from harness.detection.languages.cql.flow import RowScope
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Literal
from harness.diagnostics import SourceError

URL = (
    r"^(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://(?:([^/?#@:]*)(?::([^/?#@]*))?@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?)?"
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?$"
)
URL_PARTS = ("scheme", "username", "password", "host", "port", "path", "query", "fragment")
BASE = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?//")


def split_url(row: RowScope, text: Expression, prefix: str, host: str) -> None:
    """The parts of an address under a prefix; those that are not there have no field."""
    for i, part in enumerate(URL_PARTS):
        found = ops.regex_extract(text, Literal(URL), Literal(""), Literal(i + 1))
        shown = found if part == "path" else ops.if_(ops.equal(found, Literal("")), NULL, found)
        row.assign(prefix + (host if part == "host" else part), shown)


@FUNCTIONS.row("parseUrl")
def parse_url(row: RowScope, field: Name = "url", *, as_: str = "") -> None:
    """The parts of a page's address: scheme, username, password, host, port, path, query, fragment.

        url := "https://ann:pw@example.com:8443/a?b=1#c"
        | parseUrl() -> url.scheme=https url.username=ann url.password=pw url.host=example.com url.port=8443 url.path=/a
        e := "https://example.com/a" | u := parseUrl(e) -> u.host=example.com u.path=/a

    Reference: library.humio.com, parseUrl()
    """
    split_url(row, row.keep(row.text(field)), f"{as_ or field}.", "host")


@FUNCTIONS.row("parseUri")
def parse_uri(row: RowScope, field: Name, *, prefix: str | None = None, defaultBase: str = "") -> None:
    """The parts of an address: scheme, username, password, hostname, port, path, query, fragment.

    An address that begins with no scheme and `//` is read behind `defaultBase`.

        u := "https://example.com/a" | parseUri(u) -> u.scheme=https u.hostname=example.com
        u := "example.com:80/foo" | parseUri(u, defaultBase="http://") -> u.scheme=http u.hostname=example.com u.port=80
        u := "ftp://example.com" | parseUri(u, defaultBase="http://", prefix=p) -> p.scheme=ftp

    Reference: library.humio.com, parseUri()
    """
    place = row.flow.span or row.meaning.source.whole()
    if prefix == "":
        raise SourceError("argument", "`prefix` is not empty", place)
    text = row.text(field)
    if defaultBase:
        if not BASE.fullmatch(defaultBase):
            raise SourceError("argument", "`defaultBase` is `//` or `scheme://`", place)
        whole = ops.regex_found(text, Literal(r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//"), Literal(""))
        text = ops.if_(whole, text, ops.concat(Literal(defaultBase), text))
    split_url(row, row.keep(text), f"{prefix or field}.", "hostname")
