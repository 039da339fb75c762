"""What rules refer to (macros, lookups, saved queries, parameters) and lookup tables in files."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol

from harness.detection.language import Lookup, Settings, Timing
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.pack import refuse_link_out
from harness.scenario.project import find_settings_file
from harness.telemetry.indexing.props import parse_whole_setting, parse_yes_no
from harness.value_digest import digest_files

CONTENTS_FOLDER = Path(__file__).parent / "contents"
# Chosen, no source: an app has hundreds; more is a home folder or a file system named by mistake.
MOST_FILES = 20_000
# Bytes; chosen, no source: far above any lookup table seen, far below what fills memory.
LARGEST_CONTENT_FILE = 256 << 20
# The rule's own folder and three above it, which covers scenarios/TECHNIQUE/FOLDER; chosen, no source. No further,
# since what lies above is somebody else's.
FOLDERS_UPWARDS = 4

MACRO_STUB = "STUB:"
"""How the definition of a macro begins that nobody has filled in: a rule that calls it is refused."""

Macro = Mapping[str, object]
Stanzas = Mapping[str, Mapping[str, str]]


@record(kw_only=True)
class Content:
    """What was found: macros as `name` or `name(2)`, tables, texts of saved queries, values of parameters.

    `props`, `transforms`, `eventtypes` and `tags` are the stanzas of an app's files of these names; `inputs` are
    conditions of the platform such as `sourcetype:Security`, what a team calls its inputs.
    """

    macros: Mapping[str, Macro] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    saved: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    props: Stanzas = field(default_factory=dict)
    transforms: Stanzas = field(default_factory=dict)
    eventtypes: Stanzas = field(default_factory=dict)
    tags: Stanzas = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        named = self.macros or self.lookups or self.saved or self.parameters
        return bool(named or self.props or self.transforms or self.eventtypes or self.tags or self.inputs)

    def over(self, other: Content) -> Content:
        """Both; where both have a name, this one's counts."""
        return Content(
            macros={**other.macros, **self.macros},
            lookups=merge_lookups(other.lookups, self.lookups),
            saved={**other.saved, **self.saved},
            parameters={**other.parameters, **self.parameters},
            props=merge_stanzas(other.props, self.props),
            transforms=merge_stanzas(other.transforms, self.transforms),
            eventtypes=merge_stanzas(other.eventtypes, self.eventtypes),
            tags=merge_stanzas(other.tags, self.tags),
            inputs={**other.inputs, **self.inputs},
        )

    def without_extraction(self) -> Content:
        """The same without what says how fields are extracted; stanzas that give a table its file say nothing of it."""
        tables = {name: stanza for name, stanza in self.transforms.items() if "filename" in stanza}
        return replace(self, props={}, transforms=tables)

    def settings(self, given: Settings) -> Settings:
        """The settings with this content under what they have of their own."""
        if not self:
            return given
        own = Content(
            macros=given.macros,
            lookups=given.lookups,
            saved=given.saved,
            parameters=given.parameters,
            props=given.props,
            transforms=given.transforms,
            eventtypes=given.eventtypes,
            tags=given.tags,
        )
        whole = own.over(self)
        return replace(
            given,
            macros=whole.macros,
            lookups=whole.lookups,
            saved=whole.saved,
            parameters=whole.parameters,
            props=whole.props,
            transforms=whole.transforms,
            eventtypes=whole.eventtypes,
            tags=whole.tags,
        )


class ContentFormat(Protocol):
    """A way to write content down: one file in `contents/` with these two functions."""

    def recognises(self, path: Path) -> bool:
        """Whether a file is written so, judged by its name."""

    def read(self, path: Path) -> Content:
        """What the file holds; raises HarnessError where it cannot be read."""


def merge_stanzas(under: Stanzas, over: Stanzas) -> Stanzas:
    """Stanzas of both; of one stanza each setting that the second has counts before the first's."""
    return {**under, **{name: {**under.get(name, {}), **given} for name, given in over.items()}}


def merge_lookups(under: Mapping[str, Lookup], over: Mapping[str, Lookup]) -> Mapping[str, Lookup]:
    """Tables of both without reading any."""
    if not under or not over:
        return over or under
    parts = [part for each in (over, under) for part in (each.parts if isinstance(each, LayeredTables) else (each,))]
    return LayeredTables(tuple(parts))


@record
class LayeredTables(Mapping[str, Lookup]):
    """Tables of several places; of a name the first place counts."""

    parts: tuple[Mapping[str, Lookup], ...]

    def __getitem__(self, name: str) -> Lookup:
        for part in self.parts:
            if name in part:
                return part[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self.parts)

    def digest_parts(self) -> Iterator[object]:
        """What tells these tables from others: those of each place, in their order."""
        yield from self.parts

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for part in self.parts for name in part))

    def __len__(self) -> int:
        return len(dict.fromkeys(self))


def list_content_formats() -> tuple[ContentFormat, ...]:
    """All ways to write content down."""
    # Sorted, so that the answer does not depend on the file system.
    names = sorted(m.name for m in iter_modules([str(CONTENTS_FOLDER)]))
    return tuple(import_module(f"harness.detection.contents.{name}") for name in names)


def read_content(paths: Sequence[Path], *, lenient: bool = False) -> Content:
    """The content of files and of folders with everything below them; a later path counts before an earlier one.

    With `lenient` a file in a folder that cannot be read holds nothing: it may be no content at all.
    """
    found = Content()
    for path in paths:
        if not path.exists():
            raise HarnessError("no-such-path", f"there is no file or folder {path}", help="name macros or lookups")
        readable = list_content_formats()
        here = Content()
        for file in find_content_files(path):
            shape = next((s for s in readable if s.recognises(file)), None)
            if shape is not None:
                here = read_content_file(shape, file, path, lenient=lenient).over(here)
        # A folder may well hold nothing of the kind, a file that was named should.
        if not here and not path.is_dir():
            hint = "an app's macros, transforms, props, eventtypes and tags, YAML, JSON and CSV are read"
            raise HarnessError("unknown-content", f"{path} holds no macros, lookups, saved queries or props", help=hint)
        found = here.over(found)
    return found


def read_content_file(shape: ContentFormat, file: Path, named: Path, *, lenient: bool) -> Content:
    """The content of one file, of what was named; with `lenient` empty where it cannot be read."""
    try:
        return shape.read(refuse_link_out(file, named))
    except HarnessError:
        if not lenient:
            raise
        return Content()


def find_content_files(path: Path) -> Iterator[Path]:
    """The file itself, or those below a folder; an app's `local` comes after its `default`, tables before the rest."""
    if not path.is_dir():
        yield path
        return
    found: list[Path] = []
    for each in path.rglob("*"):
        if each.is_file() and not any(part.startswith(".") for part in each.relative_to(path).parts):
            found.append(each)
        if len(found) > MOST_FILES:
            raise HarnessError("too-many-files", f"{path} holds more than {MOST_FILES:,} files")
    # Splunk: what a user changed in `local` goes before what the app ships in `default`. Tables come first, since
    # definitions refer to them.
    yield from sorted(found, key=lambda p: (p.suffix.lower() not in (".csv", ".gz"), "local" in p.parts, str(p)))


def read_content_beside(rule: Path) -> Content:
    """The content that settings beside a rule name, or in one of the three folders above it within its repository."""
    return read_content_of(rule.resolve().parent)


def read_content_of(folder: Path) -> Content:
    """The same for all rules of a folder whose links are followed."""
    place = find_settings_file(folder, FOLDERS_UPWARDS)
    if place is None or place.refused:
        return Content()
    # Imported by name: it reads the files that settings name by what stands here.
    named = import_module("harness.detection.project_content")
    found: Content = named.read_named_content(named.read_project(place.path))
    return found


def read_text_file(path: Path) -> str:
    """A file's text within limits; raises HarnessError where it cannot be read as UTF-8."""
    try:
        if path.stat().st_size > LARGEST_CONTENT_FILE:
            raise HarnessError("content-too-large", f"{path} is larger than {LARGEST_CONTENT_FILE >> 20} MiB")
        # Editors on Windows write a byte order mark.
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error


MATCH_TYPE = late_pattern(r"(?P<how>WILDCARD|CIDR|EXACT)\(\s*(?P<field>[^()]+?)\s*\)", re.I)


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

    def digest_parts(self) -> Iterator[object]:
        """What tells these tables from others: how their keys match, and each file's bytes, read or not."""
        yield self.shapes
        for name, path in sorted(self.files.items()):
            yield name
            yield digest_files(path)

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
        case_sensitive=parse_yes_no(str(definition.get("case_sensitive_match", "")), True),
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
    found = parse_whole_setting(str(value or ""), otherwise)
    return found if found >= 0 else otherwise


def by_file(path: Path) -> dict[str, Path]:
    """The names that rules call a table by its file: with and without its suffix."""
    bare = path.name.removesuffix(".gz").removesuffix(".csv")
    return {path.name: path, bare: path}
