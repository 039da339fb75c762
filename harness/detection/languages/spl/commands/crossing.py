"""Commands that are written as others: contingency as a chart with totals, gentimes as rows of times."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.commands.saved import parse_saved_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.timespans import absolute, seconds_of
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Values
from harness.detection.plan.values.time_format import TIME_FORMAT_COMPUTATIONS as FORMATS
from harness.diagnostics import SourceError

MOST_TIMES = 100_000
HUMAN = "%a %b %e %H:%M:%S %Y"


@COMMANDS.define("contingency", "ctable", "counttable", order="forgets", fields="closes", raw="never")
def contingency(scope: Scope, stage: Stage) -> None:
    """How often each value of one field (rows) stands with each of another (columns), with totals.

    Reference: Splunk Search Reference, contingency
    """
    found = bind_options(stage, "maxrows", "maxcols", "mincolcover", "minrowcover", "usetotal", "totalstr")
    if len(found.words) != 2:
        raise found.error("missing-field", "`contingency` needs two fields")
    for name in ("mincolcover", "minrowcover"):
        if name in found.options and found.decimal(name, 1.0) < 1.0:
            raise scope.unsupported(f"`{name}` below 1", found.options[name].span)
    row, column = (w.text for w in found.words)
    total = found.text("totalstr", "TOTAL")
    cells = f'| chart limit={found.number("maxcols", 0)} useother=f usenull=f count OVER "{row}" BY "{column}"'
    cells += f" | head {found.number('maxrows', 1000) or 1000000}"
    if found.flag("usetotal", True):
        cells += f' | addtotals fieldname="{total}" | addcoltotals labelfield="{row}" label="{total}"'
    main, scope.main = scope.main, False
    scope.session.run(parse_saved_text(scope, cells, stage.span), scope)
    scope.main = main


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
    count = int(max(high - low, 0.0) // step) + (1 if finish is None else 0)
    if count > MOST_TIMES:
        raise found.error("bad-option", f"more than {MOST_TIMES:,} times are not made")
    rows = []
    for place in range(count):
        first = low + place * step
        last = first + step - 1
        rows.append((last, human(scope, last), first, human(scope, first)))
    columns = {"endtime": Kind.NUMBER, "endhuman": Kind.TEXT, "starttime": Kind.NUMBER, "starthuman": Kind.TEXT}
    scope.replace(Values(columns=columns, rows=tuple(rows), span=stage.span), columns, events=False)


def parse_walklex_moment(scope: Scope, word: Word) -> float:
    """A day as `MM/DD/YY`, a moment as `MM/DD/YYYY:HH:MM:SS`, or a number of days from today."""
    if re.fullmatch(r"-?\d{1,5}", word.text):
        return midnight(scope.settings.now) + int(word.text) * 86400.0
    day = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})(:\d\d:\d\d:\d\d)?", word.text)
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
