"""Content in YAML: macros and lookups of contentctl, saved queries of LogScale, and detlab's own `detlab.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.detection.content import Content, Lazy, read_text_file, shape
from harness.detection.project_content import read_named_content
from harness.diagnostics import Source
from harness.scenario.document import load
from harness.scenario.pack import refuse_link_out
from harness.scenario.project import SETTINGS_FILE
from harness.scenario.settings import parse_project


def recognises(path: Path) -> bool:
    """Whether a file is YAML."""
    return path.suffix in (".yml", ".yaml")


def read(path: Path) -> Content:
    """What the document holds; one that holds nothing of the kind is empty content."""
    document = load(Source(str(path), read_text_file(path)))
    if path.name == SETTINGS_FILE or (isinstance(document.value, dict) and "inputs" in document.value):
        return read_named_content(parse_project(document, path))
    entries = document.value if isinstance(document.value, list) else [document.value]
    found = Content()
    for entry in entries:
        if isinstance(entry, dict):
            found = read_content_page(path, entry).over(found)
    return found


def read_content_page(path: Path, entry: Mapping[str, Any]) -> Content:
    """One page: a macro has a definition, a lookup a file or fields, a saved query its text."""
    name = str(entry.get("name", ""))
    if name and "definition" in entry:
        arguments = [str(a) for a in entry.get("arguments") or ()]
        key = f"{name}({len(arguments)})" if arguments and "(" not in name else name
        return Content(macros={key: {"definition": str(entry["definition"]), "args": arguments}})
    if name and "queryString" in entry:
        return Content(saved={name: str(entry["queryString"])})
    # A rule of contentctl has a name too, but also a search.
    if name and "search" not in entry and ("filename" in entry or "lookup_type" in entry or "collection" in entry):
        return Content(lookups=build_lazy_lookup(path, name, entry))
    return Content()


def build_lazy_lookup(path: Path, name: str, entry: Mapping[str, Any]) -> Lazy:
    """A lookup whose rows are in the file beside its page, or that has none yet."""
    # contentctl names the file or leaves it to the page's name; pages and tables lie side by side.
    candidates = (str(entry.get("filename") or ""), f"{name}.csv", f"{path.stem}.csv")
    files = (path.parent / Path(c).name for c in candidates if c.endswith((".csv", ".csv.gz")))
    rows = next((refuse_link_out(f, path.parent) for f in files if f.is_file()), None)
    fields = entry.get("fields_list") or entry.get("fields")
    written = ",".join(map(str, fields)) if isinstance(fields, Iterable) and not isinstance(fields, str) else fields
    return Lazy({name: rows} if rows else {}, {name: shape({**entry, "fields_list": written})})
