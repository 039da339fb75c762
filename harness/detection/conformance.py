"""Cases run on an engine and compared; on a real product what is assumed becomes observed.

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
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import pyarrow as pa

from harness.detection.conformance_page import (
    MORE_ROWS_MARK,
    QUOTED_ITEM,
    ConformanceCase,
    PageCell,
    PageTable,
    index_logs,
    parse_cases,
    parse_page_table,
)
from harness.detection.engine import CellValue, Engine, ResultRows
from harness.detection.language import Language, Settings, Strictness, Switch, find_product_language, language
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.remote_engine import ProductRecord, RejectedByProductError, RemoteProduct
from harness.diagnostics import HarnessError, Source, SourceError, UnreachableError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.event import UNLABELLED
from harness.telemetry.platform import UNITS_PER_SECOND, View

EMPTY_OUTPUT = late_pattern(r"^```[ \t]*output\b[^\n]*\n()\n*```", re.MULTILINE)
NO_ROWS = "(no rows)"


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
    # Without the engine no case can say anything, least of all one that expects an error.
    except UnreachableError:
        raise
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


# makeresults sets them to the time of the run.
OF_EACH_RUN = ("_time", "_raw")


class SettlingState(StrEnum):
    """What became of a case."""

    HOLDS = "holds"
    DIFFERS = "differs"
    GAP = "known gap"
    CLOSED = "gap closed"
    NOT_RUN = "cannot be run there"


@record(kw_only=True)
class Checked:
    """A case with its state, and its difference or the reason why it was not run."""

    case: ConformanceCase
    page: Path
    state: SettlingState
    problem: str = ""

    @property
    def observable(self) -> bool:
        """Whether it was assumed and has now been seen to hold."""
        return self.state is SettlingState.HOLDS and self.case.evidence.startswith("assumed")


@record(kw_only=True)
class Settled:
    """An open question and the values of its switch that give what the product gave."""

    switch: Switch
    values: tuple[str, ...] = ()
    problem: str = ""


@record(kw_only=True)
class FilledPage:
    """A page and its text with outputs where there were none, which belong to these cases."""

    page: Path
    text: str
    cases: tuple[ConformanceCase, ...]


def check_here(case: ConformanceCase, page: Path, engine: Engine) -> Checked:
    """A case on an engine that runs plans."""
    problem = check_case(case, engine)
    if case.known_gap:
        state = SettlingState.GAP if problem else SettlingState.CLOSED
    else:
        state = SettlingState.DIFFERS if problem else SettlingState.HOLDS
    return Checked(case=case, page=page, state=state, problem=problem or "")


def fill_page(page: Path, name: str, engine: Engine) -> FilledPage:
    """The page with what the engine gives where an output is empty.

    A case with a known gap stays empty, and one whose query fails or whose rows a block cannot hold.
    """
    source = Source(str(page), page.read_text("utf-8"))
    rows: dict[int, str] = {}
    for number, case in enumerate(parse_cases(source, name)):
        if case.output == "" and not case.known_gap:
            with suppress(HarnessError):
                rows[number] = render_page_rows(run_case_query(case, engine))
    rows = {number: text for number, text in rows.items() if text.strip() and "```" not in text}
    text = fill_empty_outputs(source, name, rows)
    cases = parse_cases(Source(str(page), text), name)
    return FilledPage(page=page, text=text, cases=tuple(cases[number] for number in rows))


def check_there(case: ConformanceCase, page: Path, product: RemoteProduct) -> Checked:
    """A case on a real product; an error case holds where the product rejects the query too, whatever it says."""
    reason = unsuitable(case)
    if reason:
        return Checked(case=case, page=page, state=SettlingState.NOT_RUN, problem=reason)
    try:
        found = product.answer(case.query, list_case_events(case), now=case.settings.now)
    # Not a result: without the product no further case can say anything.
    except UnreachableError:
        raise
    except RejectedByProductError as error:
        state = SettlingState.HOLDS if case.error is not None else SettlingState.DIFFERS
        return Checked(case=case, page=page, state=state, problem=f"the product rejects it: {error.message}")
    except HarnessError as error:
        return Checked(case=case, page=page, state=SettlingState.NOT_RUN, problem=error.message)
    problem = compare_with_page(case, found)
    return Checked(
        case=case, page=page, state=SettlingState.DIFFERS if problem else SettlingState.HOLDS, problem=problem or ""
    )


def unsuitable(case: ConformanceCase) -> str:
    """Why a case says nothing about a product on its own."""
    settings = case.settings
    needed = [n for n in ("macros", "lookups", "saved", "parameters", "props", "transforms") if getattr(settings, n)]
    # Content would have to be installed on somebody's product, and a case must leave nothing there.
    if needed:
        return f"it needs {' and '.join(needed)}, which would have to be installed there"
    return "it is about a time zone of the searching user" if settings.zone != "UTC" else ""


def list_case_events(case: ConformanceCase) -> list[ProductRecord]:
    """The events of a case as records; moments are numbers in the unit of their column."""
    found: list[ProductRecord] = []
    for each in case.inputs:
        for row in each.rows:
            record: dict[str, str | list[str] | float] = {}
            for header, cell in zip(each.columns, row, strict=True):
                name = split_column_name(header)
                if cell is None:
                    continue
                timed = name in UNITS_PER_SECOND or name != header
                record[name] = parse_page_number(name, str(cell)) if timed else cell
            found.append(record)
    return found


def compare_with_page(case: ConformanceCase, found: ResultRows) -> str | None:
    """How a product's rows differ from the page's."""
    shown = render_page_rows(found)
    if case.error is not None:
        return f"expected:\n{case.error}\n\ngot rows:\n{shown}"
    wanted = parse_page_table("" if (case.output or "").strip() == NO_ROWS else case.output or "", case.place)
    problem = difference(wanted, found, case.ordered)
    return problem and f"{problem}\nexpected:\n{case.output}\n\ngot:\n{shown}"


def settle(product: RemoteProduct, engine: Engine) -> Iterator[Settled]:
    """Each open question of the product's language, asked by the query that its switch names."""
    spoken = find_product_language(product.name)
    for switch in spoken.switches:
        try:
            there = product.answer(switch.settle, ())
            answers = {value: here(spoken, switch, value, engine) for value in switch.values}
        except UnreachableError:
            raise
        except HarnessError as error:
            yield Settled(switch=switch, problem=error.message)
            continue
        wanted = normalise_rows(there)
        same = tuple(value for value, rows in answers.items() if normalise_rows(rows) == wanted)
        # A query under which all values agree cannot settle its question.
        told = len(same) == len(switch.values)
        problem = (
            "its query gives the same under every value"
            if told
            else ""
            if same
            else f"it gives: {render_page_rows(there)}"
        )
        yield Settled(switch=switch, values=() if told else same, problem=problem)


def here(spoken: Language, switch: Switch, value: str, engine: Engine) -> ResultRows:
    """What the switch's query gives here under one value."""
    settings = Settings(switches={switch.name: value})
    query = spoken.parse(Source(f"{switch.name}.{spoken.name}", switch.settle), settings=settings)
    columns = engine.load(views(()))
    return engine.run(query.plan(columns, replace(settings, ask=engine.run)).node)


def normalise_rows(found: ResultRows) -> list[tuple[tuple[str, str], ...]]:
    """Sorted rows for comparison: fields by name, without times, hidden columns and tags."""
    kept = [(i, n) for i, n in enumerate(found.columns) if n not in OF_EACH_RUN and not n.startswith(("@", "#"))]
    texts = (tuple(sorted((n, render_page_value(r[i])) for i, n in kept if r[i] is not None)) for r in found.rows)
    return sorted(texts)


def mark_observed(page: Source, checked: Sequence[Checked], version: str) -> str:
    """The page with `Evidence: assumed` made `observed on <version>` in the cases that were seen to hold."""
    text = page.text
    # From the end of the page, so that the places before stay right.
    for each in sorted(checked, key=lambda c: -c.case.place.start):
        if not each.observable:
            continue
        start = each.case.place.end
        ends = text.find("\n## ", start)
        body = text[start : ends if ends >= 0 else len(text)]
        line = body.find("Evidence: assumed")
        if line < 0:
            raise SourceError("conformance-page", "the case has no line `Evidence: assumed`", each.case.place)
        stop = body.find("\n", line)
        text = text[:start] + body[:line] + f"Evidence: observed on {version}" + body[stop:] + text[start + len(body) :]
    return text


def without_gap(case: ConformanceCase) -> ConformanceCase:
    """The case as if it had no known gap: a product has none of ours."""
    return replace(case, facts={k: v for k, v in case.facts.items() if k != "Known gap"})
