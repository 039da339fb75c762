"""A search over what was received, as a child process runs it: the text planned and run by the project's own path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path

import msgspec

from harness.detection.content import Stanzas
from harness.detection.engine import Engine, ResultRows, open_engine
from harness.detection.language import Plan, Settings, Strictness, language
from harness.detection.plan.expressions import is_hidden
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Finding, HarnessError, Source, SourceError, explain_failure
from harness.record import record
from harness.telemetry.events.event import METADATA_FIELDS, Telemetry
from harness.telemetry.events.raw_text import RAW_FIELD
from harness.telemetry.indexing.plain_text import PLAIN_TEXT_SENSOR
from harness.telemetry.store.manifest import is_store
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.alerts import as_events
from harness.verdict.reached_limits import find_reached_limits
from harness.verdict.store import TelemetryStore, WorldStore

# What a client can page through; as many rows as Splunk's artifacts have at most by default.
MOST_ROWS = 500_000
EVENT_FIELDS = frozenset(METADATA_FIELDS)
"""What rows that are events have; those of a report lack some of it."""
# The farthest times that a rule can compute with, see FARTHEST_TIME of telemetry/events/event.py.
EARLIEST, LATEST = -(2**53) / 1e6, 2**53 / 1e6


@record(kw_only=True)
class SearchRequest:
    """A search: its language and text, the stretch of time and the indexes that it may see (all if None).

    `begin` and `end` are epoch seconds or time modifiers of SPL, None where there is no bound; `now` is what it takes
    for now. With `raw` the texts of events are among the rows, if `traced` the answer has the numbers of the events
    behind them. With `only_check` the search is planned and not run.
    """

    language: str
    text: str
    now: float
    begin: float | str | None = None
    end: float | str | None = None
    indexes: frozenset[str] | None = None
    settings: Settings = field(default_factory=Settings)
    raw: bool = True
    only_check: bool = False
    traced: bool = False
    most_rows: int = MOST_ROWS

    def with_text(self, text: str) -> SearchRequest:
        """The same of another text."""
        return replace(self, text=text)


class SearchDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a search: where its rows lie, how many they are, what there is to say of them.

    `error` says why it failed, `code` what kind of failure it is.

    The file has a line of JSON a row, a list of cells in the order of `columns`; numbers
    are numbers there. `events` are the numbers of the events behind the rows, if they were traced.
    """

    columns: tuple[str, ...] = ()
    rows: int = 0
    scanned: int = 0
    seconds: float = 0.0
    messages: tuple[tuple[str, str], ...] = ()
    error: str = ""
    code: str = ""
    steps: tuple[str, ...] = ()
    events: tuple[int, ...] = ()
    cut: bool = False


def answer_search(request: SearchRequest, store: Path, out: Path) -> SearchDone:
    """Runs a search and writes its rows; whatever goes wrong is the answer."""
    began = time.perf_counter()
    try:
        found = answer_with_rows(request, store, out)
    except SourceError as error:
        said = describe_source_error(error)
        return SearchDone(error=said, code=error.code, seconds=time.perf_counter() - began)
    except Exception as error:
        failure = explain_failure(error)
        return SearchDone(error=describe_search_error(failure), code=failure.code, seconds=time.perf_counter() - began)
    return msgspec.structs.replace(found, seconds=time.perf_counter() - began)


def describe_search_error(error: HarnessError) -> str:
    """An error in one line, with its code and its hint."""
    hint = f" ({error.help})" if error.help else ""
    return f"{error.code}: {error.message}{hint}"


def describe_source_error(error: SourceError) -> str:
    """An error in a search: the same, and the place in its text."""
    _, column = error.span.position
    return f"{describe_search_error(error)} at character {column} of the search"


def answer_with_rows(request: SearchRequest, folder: Path, out: Path) -> SearchDone:
    """The same; raises HarnessError."""
    spoken = language(request.language)
    engine = open_engine()
    store = open_store(engine, folder, request)
    try:
        settings = choose_extraction(request.settings, store)
        query = spoken.parse(Source("search", request.text), Strictness.LENIENT, settings)
        chosen = replace(settings, now=request.now, ask=store.ask)
        plan = query.plan(store.load(spoken.platform, {}, raw=query.raw), chosen)
        shows_events = columns_of(plan.node).keys() >= EVENT_FIELDS
        if request.raw and not query.raw and shows_events and lacks_texts(store):
            # Reading the texts of events takes longer than all else, so they are there if events are the answer.
            plan = query.plan(store.load(spoken.platform, {}, raw=True), chosen)
        if request.only_check:
            return describe_plan(plan)
        node = trace_events(plan.node) if request.traced else plan.node
        store.prepare(node)
        rows = engine.run(node, limit=request.most_rows + 1)
        size = store.size({})
        cut = find_reached_limits(plan, size, len(rows), lambda asked: len(engine.run(asked)) > 0)
        told = [*query.deviations, *plan.findings, *cut]
        return write_rows(rows, plan, told, size, request.most_rows, out)
    finally:
        store.close()
        engine.close()


def choose_extraction(settings: Settings, store: TelemetryStore) -> Settings:
    """The settings, by which fields are extracted from plain texts, if there are any, as a product does by default."""
    kinds = store.stored.manifest.tables if isinstance(store, WorldStore) else ()
    # An empty stanza switches extraction on; events with fields of their own need none.
    plain: Stanzas = {
        kind.constants["sourcetype"]: {}
        for kind in kinds
        if kind.sensor == PLAIN_TEXT_SENSOR and "sourcetype" in kind.constants
    }
    return replace(settings, props={**plain, **settings.props}) if plain else settings


def lacks_texts(store: TelemetryStore) -> bool:
    """Whether the texts of some events are no column like others: those of plain logs, and of events in XML."""
    kinds = store.stored.manifest.tables if isinstance(store, WorldStore) else ()
    return any(kind.sensor == PLAIN_TEXT_SENSOR or RAW_FIELD not in kind.columns for kind in kinds)


def open_store(engine: Engine, folder: Path, request: SearchRequest) -> TelemetryStore:
    """The events that a search may see; of a server that has none yet, no event."""
    if not is_store(folder):
        return TelemetryStore(engine, lambda _: Telemetry())
    return IndexedStore(engine, folder, time_stretch(request), request.indexes)


def time_stretch(request: SearchRequest) -> TimeStretch | None:
    """The stretch of time of a search in microseconds."""
    if request.begin is None and request.end is None:
        return None
    begin = EARLIEST if request.begin is None else resolve_moment(request.begin, request)
    end = LATEST if request.end is None else resolve_moment(request.end, request)
    return TimeStretch(begin=round(begin * 1e6), end=round(end * 1e6))


def resolve_moment(given: float | str, request: SearchRequest) -> float:
    """Epoch seconds of a moment, or of a modifier of now. Raises HarnessError for a text that is none."""
    if not isinstance(given, str):
        return given
    text = f'| makeresults | eval moment=relative_time({request.now}, "{given}") | table moment'
    plan = language("spl").parse(Source("time", text)).plan({}, Settings(now=request.now, zone=request.settings.zone))
    # Once it has run a plan, an engine reads no other files.
    engine = open_engine()
    try:
        found = engine.run(plan.node).rows[0][0]
    finally:
        engine.close()
    if not isinstance(found, int | float):
        raise HarnessError("bad-time", f"`{given[:60]}` is no time", help="write -24h@h or epoch seconds")
    return float(found)


class IndexedStore(WorldStore):
    """The store of a server: only the tables of some indexes count."""

    def __init__(self, engine: Engine, path: Path, window: TimeStretch | None, indexes: frozenset[str] | None) -> None:
        super().__init__(engine, path, window)
        manifest = self.stored.manifest
        tables = tuple(
            t
            for t in manifest.tables
            if (indexes is None or t.constants.get("index", "") in ("", *indexes))
            and may_lie_within(t.first, t.last, window)
        )
        self.stored.manifest = msgspec.structs.replace(manifest, tables=tables)


def may_lie_within(first: int | None, last: int | None, window: TimeStretch | None) -> bool:
    """Whether events of a table can lie in a stretch of time."""
    if window is None or first is None or last is None:
        return True
    return first < window.end and last >= window.begin


def describe_plan(plan: Plan) -> SearchDone:
    """What is known of a search that was planned only."""
    return SearchDone(steps=tuple(step.name for step in plan.steps), messages=tuple(list_messages(plan.findings)))


def write_rows(rows: ResultRows, plan: Plan, told: Sequence[Finding], size: int, most: int, out: Path) -> SearchDone:
    """Writes the rows, and says what there is to say of them."""
    places = [i for i, name in enumerate(rows.columns) if not is_hidden(name)]
    behind = [i for i, name in enumerate(rows.columns) if is_hidden(name)]
    kept = rows.rows[:most]
    encoder = msgspec.json.Encoder()
    with out.open("wb") as file:
        for row in kept:
            file.write(encoder.encode([row[i] for i in places]) + b"\n")
    messages = list(list_messages(told))
    if len(rows) > most:
        messages.append(("WARN", f"the search has more than {most} rows; the others are left out"))
    return SearchDone(
        columns=tuple(rows.columns[i] for i in places),
        rows=len(kept),
        scanned=size,
        messages=tuple(messages),
        steps=tuple(step.name for step in plan.steps),
        events=tuple(sorted({e for row in kept for i in behind for e in as_events(row[i])})),
        cut=len(rows) > most,
    )


def list_messages(findings: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    """What is to be told of a search, each once."""
    seen: set[str] = set()
    for finding in findings:
        if finding.message not in seen:
            seen.add(finding.message)
            yield "WARN", finding.message
