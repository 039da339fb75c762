r"""Conformance pages: a language's manual in Markdown whose examples run on any engine.

A page is `tests/conformance/<language>/<name>.md`. Each `## ` heading begins a case; below it stand, in any order:

    Reference: where the rule is written down
    Evidence: documented | observed on <product version> | assumed
    Known gap: why it fails today            (then it has to fail)
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
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from harness.detection.conformance_logs import Log, index_logs, parse_logs
from harness.detection.engine import CellValue, Engine, ResultRows
from harness.detection.language import Lookup, Settings, Strictness, language
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.tables import match_as_shape, shape
from harness.diagnostics import HarnessError, Source, SourceError, Span
from harness.scenario.conf import stanzas
from harness.telemetry.events.event import UNLABELLED
from harness.telemetry.platform import UNITS_PER_SECOND, View

FACT = re.compile(r"(Reference|Evidence|Known gap|Settings|Switches|Parameters|Dialect):\s*(.*)")
QUOTED_ITEM = re.compile(r"[\[\],\"]|^\s|\s$|^$")
EMPTY_OUTPUT = re.compile(r"^```[ \t]*output\b[^\n]*\n()\n*```", re.MULTILINE)
NO_ROWS = "(no rows)"
MORE_ROWS_MARK = "..."

PageCell = str | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """A table of a page: column names and rows of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[PageCell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformanceCase:
    """One example: events, a query, and what comes of it; `place` is its heading's."""

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
    )


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
        now=float(given.get("now", 0)),
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


def views(inputs: Iterable[PageTable]) -> tuple[View, ...]:
    """The events of a case, numbered in the order of the page."""
    made, number = [], 0
    for each in inputs:
        columns = {
            split_column_name(c): build_page_column(c, [row[i] for row in each.rows])
            for i, c in enumerate(each.columns)
        }
        columns["@event"] = pa.array(range(number, number + len(each.rows)), pa.int64())
        columns["@cause"] = pa.array([UNLABELLED] * len(each.rows), pa.int32())
        number += len(each.rows)
        made.append(View(columns=pa.table(columns)))
    return tuple(made)


def split_column_name(header: str) -> str:
    """A column's name without its type."""
    return header.removesuffix(":number")


def build_page_column(header: str, values: list[PageCell]) -> pa.Array:
    """A column as Arrow: numbers, lists where one cell is a list, else text."""
    name = split_column_name(header)
    if name in UNITS_PER_SECOND or header != name:
        return pa.array([None if v is None else parse_page_number(name, str(v)) for v in values], pa.float64())
    if any(isinstance(v, list) for v in values):
        return pa.array([[v] if isinstance(v, str) else v for v in values], pa.list_(pa.string()))
    return pa.array(values, pa.string())


def parse_page_number(name: str, text: str) -> float:
    """A number, or a moment in the unit of its column."""
    if re.match(r"\d{4}-\d\d-\d\dT", text):
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * UNITS_PER_SECOND.get(name, 1.0)
    return float(text)


def check_case(case: ConformanceCase, engine: Engine) -> str | None:
    """The difference between a case and the engine's answer; None if there is none."""
    try:
        rows = run_case_query(case, engine)
    except HarnessError as error:
        told = error.render()
        if case.error is None:
            return f"expected rows, got:\n{told}"
        return None if told == case.error else f"expected:\n{case.error}\n\ngot:\n{told}"
    found = render_page_rows(rows)
    if case.error is not None:
        return f"expected:\n{case.error}\n\ngot rows:\n{found}"
    if not case.output:
        return f"the output is not filled in; got:\n{found}"
    wanted = parse_page_table("" if case.output.strip() == NO_ROWS else case.output, case.place)
    problem = difference(wanted, rows, case.ordered)
    return problem and f"{problem}\nexpected:\n{case.output}\n\ngot:\n{found}"


def run_case_query(case: ConformanceCase, engine: Engine) -> ResultRows:
    """The rows that a case's query gives."""
    dialect = Strictness(case.facts.get("Dialect", Strictness.LENIENT))
    spoken = language(case.language)
    query = spoken.parse(Source(f"query.{case.language}", case.query), dialect, case.settings)
    columns = engine.load(index_logs(case.logs, case.settings) if case.logs else views(case.inputs))
    return engine.run(query.plan(columns, replace(case.settings, ask=engine.run)).node)


def difference(wanted: PageTable, rows: ResultRows, ordered: bool) -> str | None:
    """How the rows differ from a page's table; None if they do not."""
    open_ended = wanted.columns[-1:] == (MORE_ROWS_MARK,)
    listed = wanted.columns[:-1] if open_ended else wanted.columns
    present = [n for i, n in enumerate(rows.columns) if any(row[i] is not None for row in rows.rows)]
    surplus = [n for n in present if n not in listed]
    if surplus and not open_ended:
        return f"columns that are not expected: {', '.join(surplus)}"
    places = [rows.columns.index(n) if n in rows.columns else -1 for n in listed]
    found = [tuple(None if p < 0 else row[p] for p in places) for row in rows.rows]
    numeric = [any(isinstance(row[i], float) for row in found) for i in range(len(listed))]
    left = [tuple(normalise_cell(c, n) for c, n in zip(row, numeric, strict=False)) for row in wanted.rows]
    right = [tuple(normalise_cell(c, n) for c, n in zip(row, numeric, strict=True)) for row in found]
    if len(left) != len(right):
        return f"{len(right)} rows instead of {len(left)}"
    if not ordered:
        left, right = sorted(left), sorted(right)
    return None if left == right else "other rows"


def normalise_cell(value: CellValue, numeric: bool) -> str:
    """A value as it is compared."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "\0"
    if numeric and isinstance(value, str | float | int):
        try:
            return print_shortest_number(float(f"{float(value):.12g}"))  # parallel sums differ in the last digits
        except ValueError:
            return str(value)
    if isinstance(value, list):
        return value[0] if len(value) == 1 else "\1".join(value)  # control characters stand in no cell of a page
    return str(value)


def render_page_rows(rows: ResultRows) -> str:
    """Rows as a page writes them, without columns that are absent from all."""
    if not rows.rows:
        return NO_ROWS
    places = [i for i in range(len(rows.columns)) if any(row[i] is not None for row in rows.rows)]
    lines = [[rows.columns[i] for i in places], *([render_page_value(row[i]) for i in places] for row in rows.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(places))]
    return "\n".join(" | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def render_page_value(value: CellValue) -> str:
    """A value as a page writes it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() | int():
            return print_shortest_number(float(value))
        case list():
            return "[" + ", ".join(json.dumps(v) if QUOTED_ITEM.search(v) else v for v in value) + "]"
        case _:
            plain = value and value == value.strip() and "|" not in value and "\n" not in value and value[0] not in '["'
            return value if plain else json.dumps(value, ensure_ascii=False)


def fill_empty_outputs(page: Source, name: str, rows: Mapping[int, str]) -> str:
    """The page with rows, given by a case's number, in outputs that are empty; nothing else is touched."""
    text = page.text
    for number, case in reversed(list(enumerate(parse_cases(page, name)))):
        empty = EMPTY_OUTPUT.search(text, case.place.end) if case.output == "" and number in rows else None
        if empty:
            text = f"{text[: empty.start(1)]}{rows[number]}\n{text[empty.end() - 3 :]}"
    return text
