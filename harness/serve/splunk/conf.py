"""Stanzas of configuration files as clients set them: settings by file, app, owner and name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from harness.record import record
from harness.serve.backend import Backend

SEPARATOR = "\n"
"""Between the parts of a document's name; no client can write it into one."""
NOBODY, ANY = "nobody", "-"
DEFAULT_APP = "search"


@record(kw_only=True)
class ConfStanza:
    """A stanza: whose it is, in which app, who sees it, and its settings."""

    name: str
    app: str = DEFAULT_APP
    owner: str = NOBODY
    sharing: str = "app"
    settings: Mapping[str, Any] = field(default_factory=dict)
    updated: float = 0.0

    @property
    def key(self) -> str:
        """The name of its document."""
        return SEPARATOR.join((self.app, self.owner if self.sharing == "user" else NOBODY, self.name))


def collection_of(file: str) -> str:
    """The collection of documents of a file."""
    return f"splunk conf {file}"


def list_stanzas(backend: Backend, file: str, app: str = ANY, owner: str = ANY) -> Iterator[ConfStanza]:
    """The stanzas of a file that are seen from a namespace; of a name a user's own before that of an app."""
    found: dict[str, ConfStanza] = {}
    for _, held in backend.documents.list(collection_of(file)):
        stanza = ConfStanza(**held)
        if app not in (ANY, stanza.app) and stanza.sharing in ("app", "user"):
            continue
        if stanza.sharing == "user" and owner not in (ANY, stanza.owner):
            continue
        if stanza.name not in found or stanza.sharing == "user":
            found[stanza.name] = stanza
    yield from (found[name] for name in sorted(found))


def find_stanza(backend: Backend, file: str, name: str, app: str = ANY, owner: str = ANY) -> ConfStanza | None:
    """A stanza by its name."""
    return next((stanza for stanza in list_stanzas(backend, file, app, owner) if stanza.name == name), None)


def write_stanza(backend: Backend, file: str, stanza: ConfStanza) -> ConfStanza:
    """Keeps a stanza; gives it as it is kept."""
    kept = ConfStanza(
        name=stanza.name,
        app=stanza.app,
        owner=stanza.owner,
        sharing=stanza.sharing,
        settings=dict(stanza.settings),
        updated=time.time(),
    )
    document = {
        "name": kept.name,
        "app": kept.app,
        "owner": kept.owner,
        "sharing": kept.sharing,
        "settings": dict(kept.settings),
        "updated": kept.updated,
    }
    backend.documents.write(collection_of(file), kept.key, document)
    return kept


def remove_stanza(backend: Backend, file: str, stanza: ConfStanza) -> None:
    """Forgets a stanza."""
    backend.documents.remove(collection_of(file), stanza.key)


def list_files(backend: Backend) -> list[str]:
    """The files that have a stanza."""
    prefix = collection_of("")
    return sorted(
        name.removeprefix(prefix) for name, held in backend.documents.held.items() if held and name.startswith(prefix)
    )
