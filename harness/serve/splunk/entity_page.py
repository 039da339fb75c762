"""A part of a list of entities, as a client asks for it: filtered, sorted, counted."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, Feed
from harness.serve.splunk.call import RestCall


def respond_page(call: RestCall, title: str, path: str, entries: Sequence[Entry]) -> Response:
    """The entities that a call asks for: by `search`, `sort_key`, `sort_dir`, `offset` and `count`."""
    found = [entry for entry in entries if is_sought(entry, call.one("search"))]
    if "sort_key" in call.parameters or "sort_dir" in call.parameters:
        key = call.one("sort_key", "name")
        found.sort(key=lambda e: sort_value(e, key), reverse=call.one("sort_dir", "asc") == "desc")
    offset, most = max(0, call.number("offset", 0)), call.number("count", 30)
    chosen = found[offset:] if most <= 0 else found[offset : offset + most]
    return Feed(
        title=title,
        path=path,
        entries=chosen,
        total=len(found),
        offset=offset,
        per_page=most if most > 0 else len(found),
    ).respond(call.mode)


def sort_value(entry: Entry, key: str) -> tuple[int, float, str]:
    """What an entity is sorted by: numbers before texts."""
    value = entry.name if key in ("name", "title") else entry.content.get(key, "")
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value).lower())


def is_sought(entry: Entry, search: str) -> bool:
    """Whether an entity has what is sought: `name=value`, or a text anywhere in its name or its values."""
    for term in search.split():
        name, equals, value = term.partition("=")
        if equals:
            held = entry.name if name in ("name", "title") else str(entry.content.get(name, ""))
            if held.lower() != value.strip('"').lower():
                return False
        elif not any(term.strip('*"').lower() in str(held).lower() for held in (entry.name, *entry.content.values())):
            return False
    return True
