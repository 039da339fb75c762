"""A conformance case run as a person would run it: files in a folder, `detlab query` over them, rows as JSON.

The command is called in this process, so that thousands of cases take minutes; everything else is what a user gets.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.cli.main import main
from harness.detection.conformance import (
    NO_ROWS,
    Checked,
    SettlingState,
    difference,
    parse_page_number,
    render_page_rows,
    split_column_name,
)
from harness.detection.conformance_page import ConformanceCase, PageCell, PageTable, build_page_lookup, parse_page_table
from harness.detection.engine import CellValue, ResultRows
from harness.detection.evidence import name_entry
from harness.detection.language import Lookup, ReferenceEntry, language
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND

# Any moment will do: rows of a page without a time come newest first from here on, a minute apart.
NEWEST = 1_700_000_000.0


class Clock(StrEnum):
    """Which times the events of a run have: those of the page, none, or some where the page gives none."""

    PAGE = "page"
    ADDED = "added"


@record(kw_only=True)
class CommandOutput:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str


def run_command(arguments: Sequence[str]) -> CommandOutput:
    """Runs a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main.run(list(arguments), own=False)
    return CommandOutput(code=code, out=out.getvalue(), err=err.getvalue())


def check_through_command(case: ConformanceCase, clock: Clock) -> str | None:
    """The difference between a case and what the command prints; None if there is none."""
    with TemporaryDirectory() as folder:
        arguments = write_case(case, Path(folder), clock)
        ran = run_command(arguments)
    try:
        document = json.loads(ran.out)
    except ValueError:
        return f"exit code {ran.code}, no JSON:\n{ran.out[:2000]}{ran.err[:2000]}"
    if case.error is not None:
        found = [f"error[{e['code']}]: {e['message']}" for e in list_faults(document)]
        expected = case.error.partition("\n")[0]
        shown = "\n".join(found) or ran.out[:2000]
        return None if expected in found else f"expected:\n{expected}\n\ngot:\n{shown}"
    if ran.code:
        return f"exit code {ran.code}:\n{ran.out[:2000]}"
    wanted = parse_page_table("" if (case.output or "").strip() == NO_ROWS else case.output or "", case.place)
    rows = leave_out_added(read_rows(document), case, wanted)
    problem = difference(wanted, rows, case.ordered)
    return problem and f"{problem}\nexpected:\n{case.output}\n\ngot:\n{render_page_rows(rows)}"


def list_faults(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The errors of a document, and what a refusal by the product is made of."""
    for error in document.get("errors", ()):
        yield error
        yield from error.get("findings", ())


def check_at_command(case: ConformanceCase, page: Path) -> Checked:
    """A case through the command, with the times of its page and, where it has none, with some."""
    problems = [check_through_command(case, clock) for clock in list_clocks(case)]
    problem = next(filter(None, problems), "")
    excuse = case.facts.get("Command", "")
    if excuse:
        state = SettlingState.NOT_RUN if problem else SettlingState.CLOSED
        return Checked(case=case, page=page, state=state, problem=excuse)
    if case.known_gap:
        state = SettlingState.GAP if problem else SettlingState.CLOSED
    else:
        state = SettlingState.DIFFERS if problem else SettlingState.HOLDS
    return Checked(case=case, page=page, state=state, problem=problem)


def list_clocks(case: ConformanceCase) -> tuple[Clock, ...]:
    """The ways in which the events of a case may have times."""
    timed = any(name in UNITS_PER_SECOND for table in case.inputs for name in table.columns)
    return (Clock.PAGE,) if case.logs or not case.inputs or timed else (Clock.PAGE, Clock.ADDED)


# What the command says of a name that it does not run; of others it says what is wrong in the probe.
REFUSALS = ("unsupported", "unknown-command", "unknown-function", "unknown-aggregate")


def probe_refusals(name: str, listed: Iterable[ReferenceEntry]) -> dict[str, str]:
    """What the command says of each entry of a language that it does not run."""
    found: dict[str, str] = {}
    with TemporaryDirectory() as folder:
        events, rule = Path(folder) / "events.ndjson", Path(folder) / f"query.{name}"
        events.write_text(json.dumps(UNRELATED) + "\n", encoding="utf-8")
        for entry in listed:
            rule.write_text(entry.probe, encoding="utf-8")
            ran = run_command(["query", str(rule), "--events", str(events), "--json", "--in-process"])
            faults = list_faults(json.loads(ran.out)) if ran.code and entry.probe else ()
            said = next((f["message"] for f in faults if f["code"] in REFUSALS), None)
            if said is not None:
                found[name_entry(entry)] = said
    return found


def read_rows(document: Mapping[str, Any]) -> ResultRows:
    """The rows that the command printed as JSON."""
    columns = tuple(document["columns"])
    rows = tuple(tuple(read_cell(row.get(c)) for c in columns) for row in document["rows"])
    return ResultRows(columns, rows)


# What a platform adds to any event, beside what a page's event has.
ADDED_FIELDS = frozenset({"_time", "_raw", "@timestamp", "@rawstring", "@id", "index", "source", "sourcetype", "host"})


def leave_out_added(rows: ResultRows, case: ConformanceCase, wanted: PageTable) -> ResultRows:
    """The rows without what the platform adds to every event, unless the page gives or expects it."""
    known = {split_column_name(c) for table in case.inputs for c in table.columns} | set(wanted.columns)
    kept = [i for i, name in enumerate(rows.columns) if name in known or name not in ADDED_FIELDS]
    return ResultRows(tuple(rows.columns[i] for i in kept), tuple(tuple(r[i] for i in kept) for r in rows.rows))


def read_cell(value: Any) -> CellValue:
    """A value of JSON as an engine gives it: every number is a double there."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value  # type: ignore[no-any-return]


def write_case(case: ConformanceCase, folder: Path, clock: Clock) -> list[str]:
    """Writes the files of a case, and gives the command line that runs it."""
    rule = folder / f"query.{case.language}"
    rule.write_text(name_lists(case), encoding="utf-8", newline="")
    arguments = ["query", str(rule), *write_events(case, folder, clock), *write_content(case, folder)]
    for name, chosen in (("switch", case.settings.switches), ("param", case.settings.parameters)):
        arguments += [word for k, v in chosen.items() for word in (f"--{name}", f"{k}={v}")]
    if case.settings.now:
        arguments += ["--now", repr(case.settings.now)]
    arguments += ["--zone", case.settings.zone, "--dialect", case.facts.get("Dialect", "lenient")]
    # The child that a person's run has costs more than most cases, and changes no row.
    return [*arguments, "--json", "--in-process"]


def name_lists(case: ConformanceCase) -> str:
    """The query of a case; Splunk calls the elements of a JSON array `x{}`, which a search renames first."""
    lists = {
        split_column_name(name)
        for table in case.inputs
        for name, *cells in zip(table.columns, *table.rows, strict=True)
        if any(isinstance(c, list) for c in cells) and not name.endswith("{}")
    }
    if not lists or language(case.language).platform != "splunk":
        return case.query
    renamed = "search * " + "".join(f'| rename "{n}{{}}" AS "{n}" ' for n in sorted(lists))
    query = case.query.lstrip()
    return renamed + (query if query.startswith("|") else f"| search {query.removeprefix('search ')}")


def write_events(case: ConformanceCase, folder: Path, clock: Clock) -> Iterator[str]:
    """Writes the events of a case, and gives the options that name them."""
    events = folder / "events"
    events.mkdir()
    yield from ("--events", str(events))
    if case.logs:
        log = case.logs[0]
        (events / "page.log").write_text(log.text, encoding="utf-8", newline="")
        os.utime(events / "page.log", (case.settings.now, case.settings.now))
        yield from ("--sourcetype", log.sourcetype, "--source", log.source, "--host", log.host)
        return
    rows = [row for table in case.inputs for row in list_records(table)] or [UNRELATED]
    lines = [
        json.dumps(put_in_envelope(row, place, case, clock), ensure_ascii=False) + "\n"
        for place, row in enumerate(rows)
    ]
    (events / "events.ndjson").write_text("".join(lines), encoding="utf-8")


# A file without any event is refused, and what makes its own rows looks at none.
UNRELATED = {"unrelated": "event"}
ENVELOPE = ("index", "source", "sourcetype", "host")


def put_in_envelope(row: Mapping[str, Any], place: int, case: ConformanceCase, clock: Clock) -> Mapping[str, Any]:
    """An event as a log has it, with a time where it is to have one, in an envelope where it has metadata."""
    splunk = language(case.language).platform == "splunk"
    time = "_time" if splunk else "@timestamp"
    if clock is Clock.ADDED and time not in row:
        # Splunk gives events newest first, LogScale oldest first: both orders are that of the page.
        row = {**row, time: print_moment(NEWEST + 60 * (-place if splunk else place))}
    around = {n: row[n] for n in ENVELOPE if splunk and isinstance(row.get(n), str)}
    return {**around, "event": {n: v for n, v in row.items() if n not in around}} if around else row


def list_records(table: PageTable) -> Iterator[dict[str, Any]]:
    """The events of a table as objects, absent cells left out."""
    listed = {
        name for name, *cells in zip(table.columns, *table.rows, strict=True) if any(isinstance(c, list) for c in cells)
    }
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        # One value of a field that has several elsewhere is an array too: both are then named alike.
        found = {c: [v] if c in listed and isinstance(v, str) else v for c, v in cells if v is not None}
        yield nest_elements({split_column_name(c): read_page_cell(c, v) for c, v in found.items()})


def nest_elements(row: dict[str, Any]) -> dict[str, Any]:
    """The event with `a[0]` and `a[1]` as an array `a`, as logs in JSON have them."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        element = ELEMENT.fullmatch(name)
        listed = found.setdefault(element[1], []) if element else None
        if element and isinstance(listed, list) and int(element[2]) == len(listed):
            listed.append(value)
        else:
            found[name] = value
    return {n: v for n, v in found.items() if v != []}


ELEMENT = late_pattern(r"([^\[\].]+)\[(\d+)\]")


def read_page_cell(header: str, cell: PageCell) -> Any:
    """A cell as a log in JSON has it: numbers where the page says so, times with their zone."""
    name = split_column_name(header)
    if name in UNITS_PER_SECOND:
        return print_moment(parse_page_number(name, str(cell)) / UNITS_PER_SECOND[name])
    if name != header:
        amount = parse_page_number(name, str(cell))
        return int(amount) if amount.is_integer() else amount
    return cell


def print_moment(seconds: float) -> str:
    """Epoch seconds as a log writes them: a number would be taken for seconds or milliseconds by its size."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def write_content(case: ConformanceCase, folder: Path) -> Iterator[str]:
    """Writes what the query of a case refers to, and gives the options that name it."""
    content = folder / "content"
    # As an app has them: a definition in transforms.conf means a table in this folder.
    for below in ("lookups", "default"):
        (content / below).mkdir(parents=True)
    macros = ""
    for word, body in case.blocks:
        kind, _, name = word.partition(" ")
        if kind == "lookup":
            write_table(
                content / "lookups" / f"{name.strip()}.csv", build_page_lookup(parse_page_table(body, case.place))
            )
        elif kind == "macros.conf":
            macros += body + "\n"
        elif kind == "macros":
            macros += "".join(map(print_macro_stanza, filter(None, body.splitlines())))
        elif kind in ("props", "transforms"):
            with (content / "default" / f"{kind}.conf").open("a", encoding="utf-8") as file:
                file.write(body + "\n")
    if macros:
        (content / "default" / "macros.conf").write_text(macros, encoding="utf-8")
    if case.settings.saved:
        pages = [{"name": name, "queryString": text} for name, text in case.settings.saved.items()]
        (content / "saved.yaml").write_text(json.dumps(pages), encoding="utf-8")
    if any(p.is_file() for p in content.rglob("*")):
        # Whatever option names a folder, all of it is read.
        yield from ("--lookups", str(content))
        if case.settings.props:
            yield from ("--props", str(content))


def write_table(path: Path, table: Lookup) -> None:
    """Writes a lookup table as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([table.columns, *table.rows])


def print_macro_stanza(line: str) -> str:
    """A line `name(args) = definition` as macros.conf has it."""
    heading, _, definition = line.partition("=")
    name, _, rest = heading.strip().partition("(")
    arguments = [a.strip() for a in rest.rstrip(")").split(",") if a.strip()]
    called = f"{name}({len(arguments)})" if arguments else name
    return f"[{called}]\nargs = {', '.join(arguments)}\ndefinition = {definition.strip()}\n"
