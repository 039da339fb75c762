"""A conformance page read: cases, tables, settings, plain logs.

A page is `tests/conformance/<language>/<name>.md`. Each `## ` heading begins a case; below it stand, in any order:

    Reference: where the rule is written down
    Evidence: documented | observed on <product version> | assumed
    Known gap: why it fails today            (then it has to fail)
    Concerns: names                          (what of the query a gap is about)
    Command: why `detlab query` cannot show it   (then it has to differ there)
    Settings: now=1700000000, zone=Europe/London
    Switches: name=value, name=value
    Parameters: name=value
    Dialect: strict                           (lenient if not said)

and fenced blocks, the word after the fence saying what each is: `input` a table of events (several blocks are several
kinds of events), `log SOURCETYPE` a plain log that is indexed instead, `lookup NAME` a lookup table, `props` and
`transforms` stanzas of Splunk's files of these names, `saved NAME` a saved query, `macros` one `name(args) =
definition` a line, `macros.conf` such a file, `<language>` the query, and what comes of it: `output` (rows in any
order), `output ordered`, or `error`, the message verbatim, the query's name being `query.<language>`. `(no rows)` is an
output of none; an empty output block is one that nobody has filled in yet.

A table has a line of column names and one line a row, cells between bars. An empty cell is an absent field, `""` an
empty text, `[a, b]` a list. A cell in double quotes is read as JSON, for texts with bars, line ends, blanks at an end
or a bracket first; every other cell is taken as it stands, backslashes too. Columns hold text, `_time` and `@timestamp`
numbers (a cell such as 2024-01-31T12:00:00Z is that moment); `name:number` names another column of numbers. In an
output a number is compared to 12 digits, columns that are absent from all rows need not be listed, and a last column
`...` says that there may be others.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.detection.content import match_as_shape, shape
from harness.detection.language import Lookup, Settings
from harness.diagnostics import Source, SourceError, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.conf import stanzas
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.platform import View, platform


@record(kw_only=True)
class Log:
    """The text of one file, its sourcetype, and metadata where the page gives some."""

    sourcetype: str
    text: str
    source: str = "page.log"
    host: str = "localhost"


def parse_logs(blocks: Iterable[tuple[str, str]]) -> tuple[Log, ...]:
    """The blocks `log SOURCETYPE [source=NAME] [host=NAME]` of a case."""
    found = []
    for word, body in blocks:
        first, *rest = word.split() or [""]
        if first == "log" and rest:
            given = dict(part.split("=", 1) for part in rest[1:] if "=" in part)
            known = {name: given[name] for name in ("source", "host") if name in given}
            found.append(Log(sourcetype=rest[0], text=body, **known))
    return tuple(found)


def index_logs(given: Iterable[Log], settings: Settings) -> tuple[View, ...]:
    """The events of the logs as Splunk has them; where one has no time of its own it is the search's now."""
    with TemporaryDirectory() as folder:
        telemetry = merge_telemetry(read_log(Path(folder) / f"{i}.log", log, settings) for i, log in enumerate(given))
    return platform("splunk").present(telemetry, {}, raw=True)


def read_log(path: Path, log: Log, settings: Settings) -> Telemetry:
    """The events of one log."""
    # newline="" keeps the page's line ends, on which breaking into events depends.
    path.write_text(log.text, encoding="utf-8", newline="")
    # An event without a time takes the file's, so that is set to the search's now.
    os.utime(path, (settings.now, settings.now))
    reading = Input(
        sourcetype=log.sourcetype,
        source=log.source,
        host=log.host,
        props=settings.props,
        transforms=settings.transforms,
    )
    return read_telemetry(path, reading)


FACT = late_pattern(r"(Reference|Evidence|Known gap|Concerns|Command|Settings|Switches|Parameters|Dialect):\s*(.*)")
QUOTED_ITEM = late_pattern(r"[\[\],\"]|^\s|\s$|^$")
MORE_ROWS_MARK = "..."

PageCell = str | list[str] | None


@record(kw_only=True)
class PageTable:
    """A table of a page: column names and rows of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[PageCell, ...], ...]


@record(kw_only=True)
class ConformanceCase:
    """One example: events, a query, and what comes of it; `place` is its heading's, `blocks` are all as written."""

    title: str
    place: Span
    language: str
    query: str
    inputs: tuple[PageTable, ...] = ()
    output: str | None = None
    ordered: bool = False
    error: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    logs: tuple[Log, ...] = ()
    blocks: tuple[tuple[str, str], ...] = ()

    @property
    def known_gap(self) -> str | None:
        """Why it fails today, if it does."""
        return self.facts.get("Known gap")

    @property
    def evidence(self) -> str:
        """How well it is known."""
        return self.facts.get("Evidence", "assumed")


def parse_cases(source: Source, name: str) -> tuple[ConformanceCase, ...]:
    """All cases of a page of the language `name`; raises SourceError where the page cannot be read."""
    starts = [m.start() for m in re.finditer(r"^## ", outside_fences(source.text), re.MULTILINE)]
    ends = [*starts, len(source.text)][1:]
    return tuple(parse_case(source.span(a, z), name) for a, z in zip(starts, ends, strict=True))


def outside_fences(text: str) -> str:
    """The text with all fenced blocks blanked out, of the same length."""
    return re.sub(r"^```.*?^```", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.MULTILINE | re.DOTALL)


def pages(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each page below `tests/conformance` with its language."""
    for path in sorted(folder.glob("*/*.md")):
        yield path.parent.name, path


def parse_case(place: Span, name: str) -> ConformanceCase:
    """One case."""
    text = place.text
    title = text.partition("\n")[0].removeprefix("## ").strip()
    heading = place.source.span(place.start, place.start + len(text.partition("\n")[0]))
    facts = dict(FACT.findall(outside_fences(text)))
    blocks = [(m[1].strip(), m[2]) for m in re.finditer(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    queries = [body for word, body in blocks if word == name]
    outputs = [(word, body) for word, body in blocks if word.split()[:1] == ["output"]]
    errors = [body.rstrip() for word, body in blocks if word == "error"]
    if len(queries) != 1 or len(outputs) + len(errors) != 1:
        help = f"give one `{name}` block and one `output` or `error` block"
        raise SourceError("conformance-page", "a case has one query and one outcome", heading, help=help)
    return ConformanceCase(
        title=title,
        place=heading,
        language=name,
        query=queries[0].rstrip("\n"),
        inputs=tuple(parse_page_table(body, heading) for word, body in blocks if word == "input"),
        output=outputs[0][1].strip("\n") if outputs else None,
        ordered=bool(outputs) and outputs[0][0] == "output ordered",
        error=errors[0] if errors else None,
        facts=facts,
        settings=parse_case_settings(facts, blocks, heading),
        logs=parse_logs(blocks),
        blocks=tuple(blocks),
    )


def parse_page_now(text: str, place: Span) -> float:
    """The time at which a case is run. Raises SourceError for what is no number."""
    try:
        return float(text)
    except ValueError:
        raise SourceError("conformance-page", f"`now` is no number: {text[:40]}", place) from None


def parse_case_settings(facts: Mapping[str, str], blocks: list[tuple[str, str]], place: Span) -> Settings:
    """What the query depends on beside its text."""
    given = parse_facts(facts.get("Settings", ""))
    lookups = {
        word.split()[1]: build_page_lookup(parse_page_table(body, place))
        for word, body in blocks
        if word.startswith("lookup ")
    }
    saved = {word.split(maxsplit=1)[1]: body.strip() for word, body in blocks if word.startswith("saved ")}
    macros = [line.partition("=") for word, body in blocks if word == "macros" for line in body.splitlines() if line]
    transforms = dict(stanzas("".join(body for word, body in blocks if word == "transforms")))
    for name, stanza in transforms.items():
        rows = lookups.get(stanza.get("filename", "").removesuffix(".csv"))
        if rows is not None:
            lookups[name] = match_as_shape(rows, shape(stanza))
    return Settings(
        now=parse_page_now(given.get("now", "0"), place),
        zone=given.get("zone", "UTC"),
        switches=parse_facts(facts.get("Switches", "")),
        parameters=parse_facts(facts.get("Parameters", "")),
        macros=dict(parse_macro_heading(name.strip(), definition.strip()) for name, _, definition in macros)
        | parse_macro_stanzas(blocks),
        lookups=lookups,
        saved=saved,
        props=dict(stanzas("".join(body for word, body in blocks if word == "props"))),
        transforms=transforms,
    )


def parse_macro_heading(signature: str, definition: str) -> tuple[str, Mapping[str, object]]:
    """A macro by the name that Splunk files it under: `name` or `name(2)`."""
    name, _, rest = signature.partition("(")
    arguments = [a.strip() for a in rest.rstrip(")").split(",") if a.strip()]
    return (f"{name}({len(arguments)})" if arguments else name), {"definition": definition, "args": arguments}


def parse_macro_stanzas(blocks: list[tuple[str, str]]) -> dict[str, Mapping[str, object]]:
    """Macros of blocks `macros.conf`, with all that such a file may say of them."""
    found = stanzas("".join(body for word, body in blocks if word == "macros.conf"))
    return {name: {**given, "args": given.get("args", "")} for name, given in found}


def parse_facts(text: str) -> dict[str, str]:
    """`a=b, c=d` as a mapping."""
    return {k.strip(): v.strip() for k, _, v in (p.partition("=") for p in text.split(",") if "=" in p)}


def build_page_lookup(read: PageTable) -> Lookup:
    """A page's table as a lookup; absent cells and lists become empty texts."""
    rows = tuple(tuple(c if isinstance(c, str) else "" for c in row) for row in read.rows)
    return Lookup(columns=read.columns, rows=rows)


def parse_page_table(text: str, place: Span) -> PageTable:
    """A table whose cells stand between bars; raises SourceError for a row of another length than the head."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return PageTable(columns=(), rows=())
    columns = tuple(str(c) for c in parse_page_row(lines[0], place) if c is not None)
    rows = [parse_page_row(line, place) for line in lines[1:]]
    for line, row in zip(lines[1:], rows, strict=True):
        if len(row) != len(columns):
            message = f"a row has {len(row)} cells under {len(columns)} columns: {line.strip()}"
            raise SourceError(
                "conformance-page", message, place, help="put a bar between cells, also around empty ones"
            )
    return PageTable(columns=columns, rows=tuple(rows))


def parse_page_row(line: str, place: Span) -> tuple[PageCell, ...]:
    """The cells of one line; bars at both ends may be there or not."""
    stripped = line.strip()
    if stripped.startswith("|") and stripped.endswith("|") and len(stripped) > 1:
        stripped = stripped[1:-1]
    made: list[PageCell] = []
    at = 0
    while True:
        value, at = parse_page_cell(stripped, at, place)
        made.append(value)
        if at >= len(stripped):
            return tuple(made)
        at += 1


def parse_page_cell(line: str, at: int, place: Span) -> tuple[PageCell, int]:
    """A cell from place `at`, and the place of the bar after it."""
    start = len(line) - len(line[at:].lstrip())
    if line[start : start + 1] in ('"', "["):
        found = parse_page_string(line, start, place) if line[start] == '"' else items(line, start, place)
        value, end = found
        rest = line.find("|", end)
        return value, len(line) if rest < 0 else rest
    end = line.find("|", at)
    end = len(line) if end < 0 else end
    return line[at:end].strip() or None, end


def parse_page_string(line: str, start: int, place: Span) -> tuple[str, int]:
    """A text in double quotes, as JSON writes it."""
    try:
        value, end = json.JSONDecoder().raw_decode(line, start)
        return str(value), end
    except ValueError:
        raise SourceError("conformance-page", f"a cell in quotes is no JSON text: {line[start:]}", place) from None


def items(line: str, start: int, place: Span) -> tuple[list[str], int]:
    """A list in brackets; a member is bare or in double quotes."""
    made: list[str] = []
    at = start + 1
    while at < len(line):
        at = len(line) - len(line[at:].lstrip())
        if line[at : at + 1] == '"':
            value, at = parse_page_string(line, at, place)
        else:
            end = min((p for p in (line.find(",", at), line.find("]", at)) if p >= 0), default=len(line))
            value, at = line[at:end].strip(), end
        made.append(value)
        at = len(line) - len(line[at:].lstrip())
        if line[at : at + 1] == "]":
            return [m for m in made if m or len(made) > 1], at + 1
        at += 1
    raise SourceError("conformance-page", f"a list is not closed: {line[start:]}", place)
