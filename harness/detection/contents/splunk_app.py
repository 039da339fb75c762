"""What a Splunk app says of searches: its macros, transforms, props, event types and tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.detection.content import Content, Lazy, read_text_file, shape
from harness.detection.language import Lookup
from harness.scenario.conf import stanzas
from harness.scenario.pack import refuse_link_out

CONF_FILES = ("macros.conf", "transforms.conf", "props.conf", "eventtypes.conf", "tags.conf")


def recognises(path: Path) -> bool:
    """Whether a file is one of them."""
    return path.name in CONF_FILES


def read(path: Path) -> Content:
    """Macros as Splunk files them, `name` or `name(2)`; stanzas; tables whose rows are in the folder `lookups`."""
    if path.name == "macros.conf":
        return Content(
            macros={
                name: parse_macro_stanza(given)
                for name, given in stanzas(read_text_file(path))
                if "definition" in given
            }
        )
    found: dict[str, Mapping[str, str]] = {}
    for name, settings in stanzas(read_text_file(path)):
        # A stanza may stand several times in a file; settings that come later count.
        found[name] = {**found.get(name, {}), **settings}
    match path.name:
        case "props.conf":
            return Content(props=found)
        case "eventtypes.conf":
            return Content(eventtypes=found)
        case "tags.conf":
            return Content(tags=found)
    files: dict[str, Path] = {}
    shapes: dict[str, Lookup] = {}
    for name, given in found.items():
        if "filename" in given:
            # APP/default/transforms.conf and APP/lookups/TABLE.csv; the last part only, so that a name
            # cannot lead out of the app.
            rows = path.parents[1] / "lookups" / Path(given["filename"]).name if len(path.parents) > 1 else None
            if rows is not None and rows.is_file():
                files[name] = refuse_link_out(rows, path.parents[1])
            shapes[name] = shape(given)
        # A KV store collection or a script: its columns are known, its rows are not at hand.
        elif "fields_list" in given and ("collection" in given or "external_cmd" in given):
            shapes[name] = shape(given)
    return Content(lookups=Lazy(files, shapes), transforms=found)


def parse_macro_stanza(given: Mapping[str, str]) -> Mapping[str, object]:
    """A macro's definition and the names of its arguments."""
    arguments = [a.strip() for a in given.get("args", "").split(",") if a.strip()]
    return {**given, "args": arguments}
