"""Macros and lookup definitions in JSON: `macros.json` by name, `lookups.json` a list, rows in the folder `lookups`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.detection.content import Content, Lazy, read_text_file, shape
from harness.detection.language import Lookup
from harness.diagnostics import HarnessError
from harness.scenario.pack import refuse_link_out


def recognises(path: Path) -> bool:
    """Whether a file is one of the two, by its name."""
    return path.suffix == ".json" and ("macro" in path.stem or "lookup" in path.stem)


def read(path: Path) -> Content:
    """Macros of an object, lookups of a list; raises HarnessError for anything else."""
    try:
        found = json.loads(read_text_file(path))
    # Python's json gives up at about a thousand levels.
    except (ValueError, RecursionError) as error:
        raise HarnessError("bad-content", f"{path} is no JSON: {str(error).lower()}") from error
    if isinstance(found, dict) and "macro" in path.stem:
        return Content(macros={name: build_macro_entry(value) for name, value in found.items()})
    if isinstance(found, list) and "lookup" in path.stem:
        return Content(lookups=tables(path, [each for each in found if isinstance(each, dict) and "name" in each]))
    raise HarnessError("bad-content", f"{path} is neither macros by name nor a list of lookups")


def build_macro_entry(value: Any) -> dict[str, object]:
    """A macro that is written as its definition alone, or with its arguments."""
    return value if isinstance(value, dict) else {"definition": str(value)}


def tables(path: Path, definitions: list[dict[str, Any]]) -> Lazy:
    """Tables by the names of their definitions."""
    files: dict[str, Path] = {}
    shapes: dict[str, Lookup] = {}
    for each in definitions:
        name = str(each["name"])
        # The last part of the name only, so that a definition cannot lead out of its folder.
        rows = path.parent / "lookups" / Path(str(each.get("filename") or f"{name}.csv")).name
        if rows.suffix in (".csv", ".gz") and rows.is_file():
            files[name] = refuse_link_out(rows, path.parent)
        shapes[name] = shape(each)
    return Lazy(files, shapes)
