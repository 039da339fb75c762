"""Entities and messages as Splunk writes them: Atom feeds, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from harness.late_pattern import late_pattern
from harness.record import record
from harness.serve.splunk.version import BUILD, SPLUNK_VERSION

XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:s="http://dev.splunk.com/ns/rest" '
    'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"'
)
# XML 1.0 has no such characters, not even written as entities.
NO_XML = late_pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
XML, JSON = "text/xml; charset=UTF-8", "application/json; charset=UTF-8"
EVERYBODY = {"read": ["*"], "write": ["admin", "power"]}


@record(kw_only=True)
class Entry:
    """An entity: its name, where it is, what it holds, who owns it."""

    name: str
    path: str
    content: Mapping[str, Any]
    app: str = "system"
    owner: str = "nobody"
    sharing: str = "system"
    removable: bool = True
    published: float = 0.0
    updated: float | None = None
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    address_name: str = ""

    @property
    def address(self) -> str:
        """Its path in its namespace."""
        owner = self.owner if self.sharing == "user" else "nobody"
        name = quote(self.address_name or self.name, "")
        return f"/servicesNS/{quote(owner, '')}/{quote(self.app, '')}/{self.path}/{name}"

    @property
    def links(self) -> dict[str, str]:
        """What can be done with it, and where."""
        found = {"alternate": self.address, "list": self.address, "edit": self.address}
        if self.removable:
            found["remove"] = self.address
        return found | {action: f"{self.address}/{action}" for action in self.actions}

    @property
    def access(self) -> dict[str, Any]:
        """Who may do what with it."""
        return {
            "app": self.app,
            "can_change_perms": True,
            "can_list": True,
            "can_share_app": True,
            "can_share_global": True,
            "can_share_user": True,
            "can_write": True,
            "modifiable": True,
            "owner": self.owner,
            "perms": EVERYBODY,
            "removable": self.removable,
            "sharing": self.sharing,
        }


@record(kw_only=True)
class Feed:
    """Entities of one path, or some of them: `total` counts all."""

    title: str
    path: str
    entries: Sequence[Entry]
    total: int | None = None
    offset: int = 0
    per_page: int = 30
    status: int = 200

    def respond(self, mode: str, *, alone: bool = False) -> Response:
        """The answer in a mode; in XML `alone` makes the entry the root, as Splunk does of a search job."""
        if mode in ("json", "json_rows", "json_cols"):
            return Response(json.dumps(self.as_json()), self.status, media_type=JSON)
        if alone and len(self.entries) == 1:
            return Response(XML_HEAD + entry_xml(self.entries[0], SPACES), self.status, media_type=XML)
        return Response(self.as_xml(), self.status, media_type=XML)

    @property
    def count(self) -> int:
        """How many entities there are in all."""
        return len(self.entries) if self.total is None else self.total

    def as_xml(self) -> str:
        """As an Atom feed."""
        parts = [
            f"{XML_HEAD}<feed {SPACES}><title>{clean_xml(self.title)}</title><id>/services/{clean_xml(self.path)}</id>",
            f"<updated>{print_feed_time()}</updated>",
            f'<generator build="{BUILD}" version="{SPLUNK_VERSION}"/><author><name>Splunk</name></author>',
            f'<link href="/services/{clean_xml(self.path)}/_new" rel="create"/>',
            f"<opensearch:totalResults>{self.count}</opensearch:totalResults>",
            f"<opensearch:itemsPerPage>{self.per_page}</opensearch:itemsPerPage>",
            f"<opensearch:startIndex>{self.offset}</opensearch:startIndex><s:messages/>",
            *(entry_xml(entry) for entry in self.entries),
            "</feed>",
        ]
        return "".join(parts)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "links": {"create": f"/services/{self.path}/_new"},
            "origin": f"/services/{self.path}",
            "updated": print_feed_time(),
            "generator": {"build": BUILD, "version": SPLUNK_VERSION},
            "entry": [
                {
                    "name": e.name,
                    "id": e.address,
                    "updated": print_feed_time(e.updated or e.published),
                    "links": e.links,
                    "author": e.owner,
                    "acl": e.access,
                    "fields": {k: list(e.fields.get(k, [])) for k in ("required", "optional", "wildcard")},
                    "content": {k: v for k, v in e.content.items() if v is not None},
                }
                for e in self.entries
            ],
            "paging": {"total": self.count, "perPage": self.per_page, "offset": self.offset},
            "messages": [],
        }


def respond_entry(mode: str, entry: Entry, title: str, status: int = 200) -> Response:
    """One entity as the answer."""
    return Feed(title=title, path=entry.path, entries=[entry], status=status).respond(mode)


def entry_xml(entry: Entry, spaces: str = "") -> str:
    """An entity as an Atom entry."""
    attributes = {
        "optionalFields": list(entry.fields.get("optional", [])),
        "requiredFields": list(entry.fields.get("required", [])),
        "wildcardFields": list(entry.fields.get("wildcard", [])),
    }
    content = {**entry.content, "eai:acl": entry.access, "eai:attributes": attributes}
    moment = print_feed_time(entry.published)
    links = "".join(f'<link href={quoteattr(href)} rel="{rel}"/>' for rel, href in entry.links.items())
    return (
        f"<entry{' ' + spaces if spaces else ''}><title>{clean_xml(entry.name)}</title>"
        f"<id>{clean_xml(entry.address)}</id>"
        f"<updated>{print_feed_time(entry.updated or entry.published)}</updated>{links}<published>{moment}</published>"
        f"<author><name>{clean_xml(entry.owner)}</name></author>"
        f'<content type="text/xml">{value_xml(content)}</content></entry>'
    )


def value_xml(value: Any) -> str:
    """A value in Splunk's own elements."""
    if isinstance(value, Mapping):
        inner = "".join(
            f"<s:key name={quoteattr(drop_controls(str(k)))}>{value_xml(v)}</s:key>" for k, v in value.items()
        )
        return f"<s:dict>{inner}</s:dict>"
    if isinstance(value, list | tuple):
        return f"<s:list>{''.join(f'<s:item>{value_xml(v)}</s:item>' for v in value)}</s:list>"
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return clean_xml(str(value))


def drop_controls(text: str) -> str:
    """A text without what XML cannot hold."""
    return NO_XML.sub("\ufffd", text)


def clean_xml(text: str) -> str:
    """A text as content of an element."""
    return escape(drop_controls(text))


def print_feed_time(seconds: float = 0.0) -> str:
    """A moment as feeds have it; 1970 where nobody knows."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def respond_message(status: int, text: str, kind: str, mode: str) -> Response:
    """A message as the answer."""
    if mode.startswith("json"):
        return Response(json.dumps({"messages": [{"type": kind, "text": text}]}), status, media_type=JSON)
    told = f'<msg type="{kind}">{clean_xml(text)}</msg>'
    body = f"{XML_HEAD}<response>\n  <messages>\n    {told}\n  </messages>\n</response>\n"
    return Response(body, status, media_type=XML)


def respond_values(values: Mapping[str, str], mode: str, status: int = 200) -> Response:
    """A few named values as the answer: a session's key, a search's id."""
    if mode.startswith("json"):
        return Response(json.dumps(values), status, media_type=JSON)
    inner = "".join(f"  <{name}>{clean_xml(value)}</{name}>\n" for name, value in values.items())
    return Response(f"{XML_HEAD}<response>\n{inner}</response>\n", status, media_type=XML)
