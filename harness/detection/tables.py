"""Lookup tables in files: read when a rule asks for them, and how their keys match."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.detection.content import LARGEST_CONTENT_FILE, read_text_file
from harness.detection.language import Lookup, Timing
from harness.diagnostics import HarnessError

MATCH_TYPE = re.compile(r"(?P<how>WILDCARD|CIDR|EXACT)\(\s*(?P<field>[^()]+?)\s*\)", re.I)
FALSE_SETTINGS = frozenset({"0", "false", "f", "no"})


@dataclass(slots=True)
class Lazy(Mapping[str, Lookup]):
    """Tables by name, each read from its file when it is first asked for."""

    files: Mapping[str, Path]
    shapes: Mapping[str, Lookup] = field(default_factory=dict)
    ready: dict[str, Lookup] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Lookup:
        if name not in self.ready:
            shape = self.shapes.get(name, Lookup(columns=(), rows=()))
            file = self.files.get(name)
            # Read on demand: an app ships many tables, a rule reads one or two.
            self.ready[name] = match_as_shape(read_csv_table(file), shape) if file else shape
        return self.ready[name]

    def __contains__(self, name: object) -> bool:
        return name in self.files or name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self.files, *self.shapes)))

    def __len__(self) -> int:
        return len(dict.fromkeys(self))


def match_as_shape(rows: Lookup, shape: Lookup) -> Lookup:
    """The rows of one table, its keys matched as another's."""
    return replace(shape, columns=rows.columns, rows=rows.rows)


def read_csv_table(path: Path) -> Lookup:
    """The rows of a CSV file, gzipped or not; a short row is filled up with empty cells."""
    # Python's own limit is 131,072 characters a cell; the file's size is bounded already.
    csv.field_size_limit(LARGEST_CONTENT_FILE)
    try:
        rows = [row for row in csv.reader(io.StringIO(read_unpacked_text(path), newline="")) if row]
    except csv.Error as error:
        raise HarnessError("bad-lookup", f"{path}: {error}", help="a lookup is a CSV file with a header") from error
    if not rows:
        return Lookup(columns=(), rows=())
    columns = tuple(dict.fromkeys(name.strip() for name in rows[0]))
    width = len(columns)
    filled = tuple((*row[:width], *[""] * (width - len(row))) for row in rows[1:])
    return Lookup(columns=columns, rows=filled)


def read_unpacked_text(path: Path) -> str:
    """The text of a file, plain or gzipped, at most LARGEST_CONTENT_FILE bytes unpacked."""
    if path.suffix != ".gz":
        return read_text_file(path)
    try:
        with gzip.open(path) as packed:
            # Bounded after unpacking, since a few kilobytes can unpack to gigabytes.
            text = packed.read(LARGEST_CONTENT_FILE + 1)
    except (OSError, EOFError) as error:
        raise HarnessError("bad-lookup", f"{path} is no complete gzip file") from error
    if len(text) > LARGEST_CONTENT_FILE:
        raise HarnessError("content-too-large", f"{path} unpacks to more than {LARGEST_CONTENT_FILE >> 20} MiB")
    return text.decode("utf-8-sig", "replace")


def shape(definition: Mapping[str, object]) -> Lookup:
    """What a definition says of a table: its fields where it has no file, and how keys match.

    Keys are those of transforms.conf, which security_content's pages share.
    """
    fields = str(definition.get("fields_list") or definition.get("fields") or "")
    matches = {
        m["field"]: m["how"].lower() for m in MATCH_TYPE.finditer(concat_listed_texts(definition.get("match_type")))
    }
    default = definition.get("default_match")
    return Lookup(
        columns=tuple(name.strip() for name in re.split(r"[,\s]+", fields.strip("[]'\" ")) if name.strip()),
        rows=(),
        match={name: how for name, how in matches.items() if how != "exact"},
        case_sensitive=str(definition.get("case_sensitive_match", "true")).strip().lower() not in FALSE_SETTINGS,
        # transforms.conf: max_matches is 100, and 1 for a table with time_field.
        most=parse_whole_or_default(definition.get("max_matches"), 1 if definition.get("time_field") else 100),
        least=parse_whole_or_default(definition.get("min_matches"), 0),
        default=None if default in (None, "") else print_conf_value(default),
        timing=parse_timing(definition),
    )


def parse_timing(definition: Mapping[str, object]) -> Timing | None:
    """What a definition says of the time of a table's rows; None if nothing."""
    name = str(definition.get("time_field") or "").strip()
    if not name:
        return None
    usual = Timing(field=name)
    return Timing(
        field=name,
        form=str(definition.get("time_format") or usual.form).strip().strip('"'),
        least=float(parse_whole_or_default(definition.get("min_offset_secs"), int(usual.least))),
        most=float(parse_whole_or_default(definition.get("max_offset_secs"), int(usual.most))),
    )


def concat_listed_texts(value: object) -> str:
    """A text, or a list of texts as one."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value or "")


def print_conf_value(value: object) -> str:
    """A value as a conf file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def parse_whole_or_default(value: object, otherwise: int) -> int:
    """A whole number without sign; `otherwise` for any other value."""
    text = str(value or "").strip()
    # Ten digits are more than any table has rows.
    return int(text) if text.isdigit() and len(text) < 11 else otherwise


def by_file(path: Path) -> dict[str, Path]:
    """The names that rules call a table by its file: with and without its suffix."""
    bare = path.name.removesuffix(".gz").removesuffix(".csv")
    return {path.name: path, bare: path}
