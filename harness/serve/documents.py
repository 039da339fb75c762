"""What clients keep on a server beside events: documents by collection and name, on disk as one JSON file each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

Document = Mapping[str, Any]

# Chosen, no source: what people write down by hand, a thousand times over.
MOST_DOCUMENTS = 100_000
# Most file systems allow names of 255 bytes.
LONGEST_FILE_NAME = 250


class Documents:
    """Documents in memory, each written through to a file that takes the old one's place as a whole."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there."""
        self.folder = folder
        self.held: dict[str, dict[str, Document]] = {}
        for file in sorted(folder.glob("*/*.json")):
            found = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
            self.held.setdefault(unquote(file.parent.name), {})[unquote(file.stem)] = found

    def read(self, collection: str, name: str) -> Document | None:
        """A document; None where there is none."""
        return self.held.get(collection, {}).get(name)

    def list(self, collection: str) -> Iterator[tuple[str, Document]]:
        """All documents of a collection, in the order of their names."""
        yield from sorted(self.held.get(collection, {}).items())

    def write(self, collection: str, name: str, document: Document) -> None:
        """Keeps a document under a name. Raises ValueError for a name too long or too many documents."""
        held = self.held.setdefault(collection, {})
        file = self.place(collection, name)
        if len(file.name) > LONGEST_FILE_NAME or (name not in held and len(held) >= MOST_DOCUMENTS):
            raise ValueError("the name is too long, or there are too many of them")
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(msgspec.json.encode(document))
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
        held[name] = document

    def remove(self, collection: str, name: str) -> None:
        """Forgets a document, if there is one."""
        if self.held.get(collection, {}).pop(name, None) is not None:
            self.place(collection, name).unlink(missing_ok=True)

    def place(self, collection: str, name: str) -> Path:
        """The file of a document; no name leads out of the folder."""
        # quote leaves dots as they are, and `..` is a folder.
        return self.folder / quote(collection, "").replace(".", "%2E") / f"{quote(name, '').replace('.', '%2E')}.json"
