"""What searches refer to, as clients have set it: macros, props, transforms, lookups, saved searches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.detection.content import Content, Lazy, by_file, shape
from harness.detection.contents.splunk_app import parse_macro_stanza
from harness.detection.language import Settings
from harness.serve.backend import Backend
from harness.serve.splunk.conf import list_stanzas

LOOKUP_FOLDER = "lookups"


def collect_settings(backend: Backend, app: str) -> Settings:
    """The settings of a search: those of the server's start under what clients have made."""
    macros = {name: parse_macro_stanza(held) for name, held in read_stanzas(backend, "macros").items()}
    transforms = read_stanzas(backend, "transforms")
    made = Content(
        macros=macros,
        lookups=list_tables(backend.options.data / LOOKUP_FOLDER, transforms),
        saved={name: held.get("search", "") for name, held in read_stanzas(backend, "savedsearches").items()},
        props=read_stanzas(backend, "props"),
        transforms=transforms,
        eventtypes=read_stanzas(backend, "eventtypes"),
        tags=read_stanzas(backend, "tags"),
    )
    return made.settings(backend.settings)


def read_stanzas(backend: Backend, file: str) -> dict[str, dict[str, str]]:
    """The stanzas of a file over all apps, values as text."""
    return {
        stanza.name: {k: str(v) for k, v in stanza.settings.items() if v is not None}
        for stanza in list_stanzas(backend, file)
        if str(stanza.settings.get("disabled", "0")) not in ("1", "true", "True")
    }


def list_tables(folder: Path, transforms: Mapping[str, Mapping[str, str]]) -> Lazy:
    """Lookup tables by the names of their files and of their definitions."""
    files: dict[str, Path] = {}
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        files |= by_file(file)
    shapes = {name: shape(held) for name, held in transforms.items() if "filename" in held or "fields_list" in held}
    named = {n: files[h["filename"]] for n, h in transforms.items() if h.get("filename") in files}
    return Lazy({**files, **named}, shapes)
