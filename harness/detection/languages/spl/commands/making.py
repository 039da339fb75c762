"""Commands that make rows, and those that only tell a search head what to do."""

from __future__ import annotations

import csv
import io
import json

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import as_number, is_numeric_text, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.languages.spl.time_terms import FROM, UP_TO
from harness.detection.plan.expressions import Kind, Scalar
from harness.detection.plan.nodes import Values
from harness.detection.plan.operation import TYPED_NULL

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
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return json.dumps(value)
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


def sink(scope: Scope, stage: Stage) -> None:
    """Would send or store the rows; here they pass through and nothing leaves."""
    message = f"`{stage.name}` acts on a real system; here the rows pass through"
    scope.session.note("not-sent", message, stage.span)


@COMMANDS.define(
    "collect",
    "meventcollect",
    "mcollect",
    "summaryindex",
    "stash",
    "tscollect",
    order="keeps",
    fields="keeps",
    raw="never",
)
def collect(scope: Scope, stage: Stage) -> None:
    """Would write the rows to an index; here they pass through.

    Reference: reference/spl.md 7
    """
    sink(scope, stage)


@COMMANDS.define(
    "sendemail",
    "sendalert",
    "summary",
    "script",
    "run",
    "outputtelemetry",
    "notable",
    "risk",
    "snowevent",
    "snoweventstream",
    "snowincident",
    "snowincidentstream",
    order="keeps",
    fields="keeps",
    raw="never",
)
def send(scope: Scope, stage: Stage) -> None:
    """Would send the rows; here they pass through.

    Reference: reference/spl.md 7
    """
    sink(scope, stage)


@COMMANDS.define(
    "noop",
    "localop",
    "redistribute",
    "highlight",
    "abstract",
    "iconify",
    "geom",
    order="keeps",
    fields="keeps",
    raw="never",
)
def passed(scope: Scope, stage: Stage) -> None:
    """Changes how rows are shown or computed, not what they are.

    Reference: reference/spl.md 7
    """
    scope.session.note("no-effect", f"`{stage.name}` has no effect here", stage.span)


@COMMANDS.define("require", order="keeps", fields="keeps", raw="never")
def require(scope: Scope, stage: Stage) -> None:
    """Makes a search of no rows fail on a real system; here the rows pass through.

    Reference: Splunk Search Reference, require
    """
    bind_options(stage).at_most(0)
    scope.session.note("no-effect", "`require` has no effect here", stage.span)


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
