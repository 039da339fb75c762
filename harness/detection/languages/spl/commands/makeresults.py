"""makeresults, gentimes, addinfo, gauge."""

from __future__ import annotations

import csv
import io
import json
import re

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import as_number, is_numeric_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.time_range import FROM, UP_TO, absolute, seconds_of
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, Scalar
from harness.detection.plan.nodes import Values
from harness.detection.plan.operation import TYPED_NULL
from harness.detection.plan.values.time_format import TIME_FORMAT_COMPUTATIONS as FORMATS
from harness.diagnostics import SourceError

# Chosen, no source: rows of a plan are written into the statement.
MOST_TIMES = 100_000
# `Sun Oct 1 00:00:00 2007`, as the manual of gentimes shows times.
HUMAN = "%a %b %e %H:%M:%S %Y"


@COMMANDS.define("gentimes", order="forgets", fields="keeps", raw="never", generating=True)
def gentimes(scope: Scope, stage: Stage) -> None:
    """Rows with the start and the end of each stretch of time: `gentimes start=10/1/07 end=10/5/07 increment=6h`.

    Reference: Splunk Search Reference, gentimes
    """
    found = bind_options(stage, "start", "end", "increment")
    begin, finish = found.word("start"), found.word("end")
    if begin is None:
        raise found.error("missing-option", "`gentimes` needs `start=` and a day or a number of days")
    step = seconds_of(found.text("increment", "1d"))
    if not step:
        word = found.options["increment"]
        raise SourceError("bad-option", "the increment is a span such as `6h`", word.span)
    low = parse_walklex_moment(scope, begin)
    high = parse_walklex_moment(scope, finish) if finish is not None else midnight(scope.settings.now)
    # Without an end the day of the search is the last one.
    count = int(max(high - low, 0.0) // step) + (1 if finish is None else 0)
    if count > MOST_TIMES:
        raise found.error("bad-option", f"more than {MOST_TIMES:,} times are not made")
    rows = []
    for place in range(count):
        first = low + place * step
        # Stretches end a second before the next one begins.
        last = first + step - 1
        rows.append((last, human(scope, last), first, human(scope, first)))
    columns = {"endtime": Kind.NUMBER, "endhuman": Kind.TEXT, "starttime": Kind.NUMBER, "starthuman": Kind.TEXT}
    scope.replace(Values(columns=columns, rows=tuple(rows), span=stage.span), columns, events=False)


def parse_walklex_moment(scope: Scope, word: Word) -> float:
    """A day as `MM/DD/YY`, a moment as `MM/DD/YYYY:HH:MM:SS`, or a number of days from today."""
    if re.fullmatch(r"-?\d{1,5}", word.text):
        return midnight(scope.settings.now) + int(word.text) * 86400.0
    day = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})(:\d\d:\d\d:\d\d)?", word.text)
    # `10/1/07` is 2007: no log is older.
    year = "" if day is None else day[3] if len(day[3]) == 4 else f"20{day[3]}"
    text = "" if day is None else f"{int(day[1]):02}/{int(day[2]):02}/{year}{day[4] or ':00:00:00'}"
    found = absolute(text, scope.settings) if text else None
    if found is None:
        raise SourceError("bad-time", f"`{word.text[:40]}` is no day", word.span, help="write `10/25/2024` or `-7`")
    return found


def midnight(now: float) -> float:
    """The start of a day."""
    return now - now % 86400.0


def human(scope: Scope, time: float) -> str:
    """A moment as a person reads it."""
    return str(FORMATS[ops.format_time](time, HUMAN, scope.settings.zone))


# Chosen, no source: rows of a plan are written into the statement.
MOST_MADE = 100_000
MadeCell = Scalar | tuple[str, ...]


@COMMANDS.define("makeresults", order="forgets", fields="keeps", raw="never", generating=True)
def makeresults(scope: Scope, stage: Stage) -> None:
    """Rows with the time of the search, or those of a JSON or CSV text.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "count", "annotate", "format", "data", "splunk_server", "splunk_server_group")
    now = scope.settings.now
    data = found.word("data")
    if data is None:
        count = found.number("count", 1)
        if count > MOST_MADE:
            raise found.error("bad-option", f"`count` of more than {MOST_MADE:,} is not made")
        scope.replace(Values(columns={"_time": Kind.NUMBER}, rows=((now,),) * max(count, 0)), {"_time": Kind.NUMBER})
        scope.events = False
        scope.defined = {"_time"}
        if found.flag("annotate"):
            # Fields of `annotate=t` that are there and empty.
            nothing = dict.fromkeys(("_raw", "host", "source", "sourcetype", "splunk_server_group"), TYPED_NULL)
            scope.derive([*nothing.items(), ("splunk_server", literal("detlab"))])
        return
    found.choice("format", "json", "json", "csv")
    records = from_json(data.text) if found.text("format", "json").lower() == "json" else from_csv(data.text)
    if records is None:
        raise found.error("bad-option", "`data` cannot be read")
    names = list(dict.fromkeys(n for r in records for n in r))
    kinds = {n: column_kind([r.get(n) for r in records]) for n in names}
    rows = tuple(tuple(cast_cell(r.get(n), kinds[n]) for n in names) for r in records)
    if "_time" not in kinds:
        kinds, rows = {**kinds, "_time": Kind.NUMBER}, tuple((*r, now) for r in rows)
    scope.replace(Values(columns=kinds, rows=rows, span=stage.span), kinds, events=False)


def from_json(data: str) -> list[dict[str, MadeCell]] | None:
    """Rows of a JSON array of objects."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
        return None
    return [{n: decode_cell(v) for n, v in r.items() if v is not None} for r in found]


def decode_cell(value: object) -> MadeCell:
    """A JSON value as a field holds it."""
    if isinstance(value, list):
        return tuple(v if isinstance(v, str) else json.dumps(v) for v in value) or None
    return value if isinstance(value, str) else json.dumps(value)


def from_csv(data: str) -> list[dict[str, MadeCell]] | None:
    """Rows of a CSV text with a header."""
    try:
        return [{n: v for n, v in r.items() if n and v} for r in csv.DictReader(io.StringIO(data))]
    except csv.Error:
        return None


def column_kind(cells: list[MadeCell]) -> Kind:
    """What a column of such cells holds."""
    return Kind.LIST if any(isinstance(c, tuple) for c in cells) else Kind.TEXT


def cast_cell(value: MadeCell, kind: Kind) -> MadeCell:
    """A cell as its column holds it."""
    return (value,) if kind is Kind.LIST and isinstance(value, str) else value


@COMMANDS.define("gauge", order="keeps", fields="keeps", raw="never")
def gauge(scope: Scope, stage: Stage) -> None:
    """A value as `x` and the ranges of a gauge as `y1`, `y2` and so on.

    Reference: Splunk Search Reference, gauge
    """
    found = bind_options(stage)
    if not found.words:
        raise found.error("missing-field", "`gauge` needs a field or a number")
    parts = [literal(float(w.text)) if is_numeric_text(w.text) else scope.typed(w.text, w.span) for w in found.words]
    names = ["x", *(f"y{i}" for i in range(1, len(parts)))]
    scope.select([(n, as_number(p)) for n, p in zip(names, parts, strict=True)], stage.span)
    scope.events, scope.defined = False, set(scope.columns)


@COMMANDS.define("addinfo", order="keeps", fields="keeps", raw="never")
def addinfo(scope: Scope, stage: Stage) -> None:
    """The bounds and the time of the search as fields.

    Reference: reference/spl.md 8.3
    """
    bind_options(stage).at_most(0)
    now = literal(scope.settings.now)
    bounds = {
        "info_min_time": scope.range.get(FROM, literal(0.0)),
        "info_max_time": scope.range.get(UP_TO, now),
        "info_search_time": now,
        "info_sid": literal("detlab"),
    }
    scope.derive(bounds.items(), stage.span)
