"""Content in YAML: macros and lookups of contentctl, saved queries of LogScale, and detlab's own `detlab.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from harness.detection.content import Content, Lazy, read_content, read_text_file, shape
from harness.diagnostics import HarnessError, Source, SourceError
from harness.scenario.document import Document, convert_document, load
from harness.scenario.pack import refuse_link_out

CONTENT_PAGE = "detlab.yaml"
PATH_KEYS = ("macros", "lookups", "saved", "props")
KEYS = (*PATH_KEYS, "parameters", "inputs")


class InputNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The index, source and sourcetype of an input where they are not those of the add-ons."""

    index: str = ""
    source: str = ""
    sourcetype: str = ""


class InputSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs by the name of a sensor or a Windows channel."""

    inputs: dict[str, InputNames]


def recognises(path: Path) -> bool:
    """Whether a file is YAML."""
    return path.suffix in (".yml", ".yaml")


def read(path: Path) -> Content:
    """What the document holds; one that holds nothing of the kind is empty content."""
    document = load(Source(str(path), read_text_file(path)))
    if path.name == CONTENT_PAGE or (isinstance(document.value, dict) and "inputs" in document.value):
        return resolve_named_content(path, document)
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


def resolve_named_content(path: Path, document: Document) -> Content:
    """What `detlab.yaml` names: files and folders below its own, values of parameters, a team's names of inputs."""
    value = document.value or {}
    unknown = next((key for key in value if key not in KEYS), None) if isinstance(value, dict) else ""
    if unknown is not None:
        hint = f"known here: {', '.join(KEYS)}"
        raise SourceError("unknown-field", f"`{unknown}` has no meaning here", document.key([unknown]), help=hint)
    found = Content(parameters={k: scalar(document, k) for k in value.get("parameters") or {}})
    found = replace(found, inputs=read_input_names(document) if value.get("inputs") else {})
    for key in PATH_KEYS:
        given = value.get(key)
        for entry in given if isinstance(given, list) else [given] if given else []:
            place = document.span([key])
            if not isinstance(entry, str):
                raise SourceError("wrong-type", f"`{key}` is the path of a file or folder", place)
            # A pack comes from somebody else; its page must not make detlab read the reader's own files.
            if Path(entry).is_absolute() or ".." in Path(entry).parts:
                raise SourceError("outside", f"`{entry}` leads out of the folder", place, help="name it with --macros")
            if not (path.parent / entry).exists():
                raise SourceError("no-such-path", f"there is no file or folder {entry}", place)
            named_there = read_content([refuse_link_out(path.parent / entry, path.parent)])
            # An app named for its macros must not change how fields are extracted.
            found = (named_there if key == "props" else named_there.without_extraction()).over(found)
    return found


def read_input_names(document: Document) -> dict[str, str]:
    """Conditions of the platform, such as `sourcetype:Security`, by which inputs have a team's names."""
    inputs = convert_document(document, InputSettings).inputs
    named = {owner: msgspec.structs.asdict(names) for owner, names in inputs.items()}
    return {f"{field}:{owner}": name for owner, names in named.items() for field, name in names.items() if name}


def scalar(document: Document, name: str) -> str:
    """A parameter's value as it is written."""
    written = document.written(["parameters", name])
    if written is None:
        raise HarnessError("wrong-type", f"parameter `{name}` is one value")
    return written
