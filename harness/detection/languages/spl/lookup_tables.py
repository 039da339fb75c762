"""Lookup tables, and how rows find theirs: keys, patterns, networks, time.

Reference: reference/spl.md 10

Reference: reference/spl.md 10
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field as attribute
from dataclasses import replace

from harness.detection.language import Lookup, Timing
from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    literal,
)
from harness.detection.languages.spl.scope import Scope, ask_rows
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.languages.spl.time_range import plan_format
from harness.detection.lookup_cells import MOST_PATTERNS, match_cell, print_lookup_rows
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Join, JoinKind, Node, Values
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.values.text import lower_characters
from harness.detection.plan.values.time_format import compute_parse_time
from harness.diagnostics import SourceError, Span, did_you_mean
from harness.record import record

# Chosen, no source: rows that the search wrote itself are put into the plan.
MOST_WRITTEN = 5_000
ENTROPY = "ut_shannon_lookup"
# What a lookup's file may be: CSV, packed or not, and places (KMZ).
SUFFIXES = (".csv", ".csv.gz", ".kmz")
EXPECTED: dict[str, tuple[str, ...]] = dict.fromkeys(
    (
        "asset_lookup_by_str",
        "asset_lookup_by_cidr",
        "identity_lookup_expanded",
        "identity_lookup",
        "interesting_ports_lookup",
        "interesting_processes_lookup",
        "interesting_services_lookup",
        "cim_corporate_email_domain_lookup",
        "cim_corporate_web_domain_lookup",
        "admon_groups_def",
    ),
    (),
)
"""Tables that security apps fill on each site, empty until somebody does."""


def resolve_lookup(scope: Scope, name: str, span: Span) -> Lookup:
    """The table of that name, with or without its file's suffix."""
    tables = scope.settings.lookups
    bare = name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    own = find_written_rows(scope, name)
    for candidate in (name, bare, f"{bare}.csv"):
        if candidate in tables:
            found = tables[candidate]
            return found if own is None else replace(found, columns=tuple(own.columns), rows=())
    if own is not None:
        return Lookup(columns=tuple(own.columns), rows=())
    if re.search(rf"output(?:lookup|csv)\b[^|]{{0,500}}\b{re.escape(bare)}\b", scope.session.text.text, re.I):
        message = f"the search writes `{name}` itself and no rows of it are given; it counts as empty until then"
        scope.session.warn("empty-lookup", message, span, "give its rows in a folder of lookups")
        return Lookup(columns=(), rows=())
    if bare in EXPECTED:
        message = f"no rows of the lookup table `{name}` are given; it counts as empty"
        scope.session.warn("empty-lookup", message, span, "give its rows in a folder of lookups")
        return Lookup(columns=EXPECTED[bare], rows=())
    hint = did_you_mean(name, tables) or "give its rows in a folder of lookups"
    raise SourceError("unknown-lookup", f"no lookup table is called `{name}`", span, help=hint)


def resolve_table_file(scope: Scope, name: str) -> str:
    """The name under which the file of a table is known: that of its definition, or its own, without the suffix."""
    bare = scope.settings.transforms.get(name, {}).get("filename") or name
    for suffix in SUFFIXES:
        bare = bare.removesuffix(suffix)
    return bare


def find_written_rows(scope: Scope, name: str) -> Scope | None:
    """The rows that the search itself wrote to a table before."""
    return scope.session.tables.get(resolve_table_file(scope, name))


def with_rows(scope: Scope, shape: Lookup, rows: Scope, span: Span) -> Lookup:
    """A table with the rows that the search wrote to it, which has to be run up to there to know them."""
    columns = tuple(rows.columns)
    found = ask_rows(scope, rows.node, MOST_WRITTEN, span)
    if found is None:
        message = "the rows that the search wrote to this table are known only with events; here it has none"
        scope.session.note("unasked-lookup", message, span)
    return replace(shape, columns=columns, rows=print_lookup_rows(columns, found or ()))


def build_lookup_rows(scope: Scope, name: str, span: Span) -> tuple[Node, dict[str, Kind]]:
    """All rows of a table as a relation; empty cells are missing fields."""
    own = find_written_rows(scope, name)
    if own is not None:
        return own.node, dict(own.columns)
    found = resolve_lookup(scope, name, span)
    columns = dict.fromkeys(found.columns, Kind.TEXT)
    rows = tuple(tuple(cell if cell != "" else None for cell in row) for row in found.rows)
    return Values(columns=columns, rows=rows, span=span), columns


FEW_PATTERNS = 100
# ASCII's record and unit separators, which no cell has.
ROWS = "\x1e"
KEY_SEPARATOR = "\x1f"
WHEN = "\x1f"
"""The name of the column with the time of a row, which no table has."""
LookupCell = str | tuple[str, ...] | None


@record(kw_only=True)
class LookupRequest:
    """What one `lookup` asks for: pairs of table column and field, for keys and for outputs.

    `rows` are those that the search itself wrote to the table, if it did.
    """

    table: Lookup
    rows: Scope | None = None
    keys: tuple[tuple[str, Word], ...]
    outputs: tuple[tuple[str, str], ...]
    only_new: bool


@record(kw_only=True)
class LookupMatch:
    """What the rows of a table are to those of a search: the values of each output column, before defaults.

    They are made of columns that have to be added first: those that are joined, and then those derived one after the
    other.
    """

    values: dict[str, Typed]
    join: Join | None = None
    joined: Mapping[str, Kind] = attribute(default_factory=dict)
    derived: tuple[tuple[str, Typed], ...] = ()


def add_matched_columns(scope: Scope, match: LookupMatch) -> None:
    """Adds the columns that the values of a match are made of."""
    if match.join is not None:
        scope.node = match.join
        scope.columns.update(match.joined)
    for name, value in match.derived:
        scope.derive([(name, value)])


def match_lookup(scope: Scope, wanted: LookupRequest, stage: Stage) -> LookupMatch:
    """How the rows of a search find theirs in a table."""
    columns = [c for c, _ in wanted.outputs]
    if wanted.rows is not None and not wanted.table.match and wanted.table.timing is None:
        return by_relation(scope, wanted, columns, stage)
    if wanted.rows is not None:
        wanted = replace(wanted, table=with_rows(scope, wanted.table, wanted.rows, stage.span))
    if not wanted.table.rows or any(scope.typed(f.text).kind is Kind.NULL for _, f in wanted.keys):
        return LookupMatch(values=dict.fromkeys(columns, TYPED_NULL))
    if wanted.table.timing is not None:
        return match_by_time(scope, wanted, columns, stage)
    if any(wanted.table.match.get(c) for c, _ in wanted.keys):
        return by_patterns(scope, wanted, columns)
    return by_join(scope, wanted, columns, stage)


def index_of(wanted: LookupRequest, column: str) -> int | None:
    """The place of a column in the table's rows."""
    return wanted.table.columns.index(column) if column in wanted.table.columns else None


def by_join(scope: Scope, wanted: LookupRequest, columns: list[str], stage: Stage) -> LookupMatch:
    """Matches by equal keys: the table's rows grouped by key and joined."""
    insensitive = not wanted.table.case_sensitive
    places = [wanted.table.columns.index(c) for c, _ in wanted.keys]
    grouped: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in wanted.table.rows:
        key = tuple(lower_characters(row[p]) if insensitive else row[p] for p in places)
        rows = grouped.setdefault(key, [])
        # `max_matches`: the first rows of the file (reference/spl.md 10).
        if len(rows) < wanted.table.most:
            rows.append(row)
    # A column of lists only where some key has several rows: most tables have one a key.
    several = any(len(rows) > 1 for rows in grouped.values())
    marks = {c: scope.session.fresh("found") for c in columns}
    kind = Kind.LIST if several else Kind.TEXT
    made = [(*key, *(build_lookup_cell(wanted, rows, c, several) for c in columns)) for key, rows in grouped.items()]
    joined = dict.fromkeys(marks.values(), kind)
    values = {c: Typed(Column(m), kind) for c, m in marks.items()}
    return LookupMatch(values=values, join=join_rows(scope, wanted, tuple(made), joined, stage), joined=joined)


def join_rows(
    scope: Scope, wanted: LookupRequest, rows: tuple[tuple[LookupCell, ...], ...], marks: dict[str, Kind], stage: Stage
) -> Join:
    """The rows of a search with columns from rows that have the keys first, each key once."""
    insensitive = not wanted.table.case_sensitive
    keys = [scope.session.fresh("key") for _ in wanted.keys]
    pairs: list[tuple[Expression, Expression]] = []
    for mark, (_, field) in zip(keys, wanted.keys, strict=True):
        value = as_text(scope.typed(field.text, field.span))
        pairs.append(((ops.lower(value) if insensitive else value).expression, Column(mark)))
    return Join(
        left=scope.node,
        right=Values(columns={**dict.fromkeys(keys, Kind.TEXT), **marks}, rows=rows),
        kind=JoinKind.LEFT,
        keys=tuple(pairs),
        columns=tuple((m, Column(m)) for m in marks),
        most=1,
        span=stage.span,
    )


def by_relation(scope: Scope, wanted: LookupRequest, columns: list[str], stage: Stage) -> LookupMatch:
    """Matches by equal keys in a table that the search itself wrote: its rows grouped by key and joined."""
    rows = wanted.rows.branch() if wanted.rows is not None else scope.branch()
    if any(scope.typed(f.text).kind is Kind.NULL for _, f in wanted.keys):
        return LookupMatch(values=dict.fromkeys(columns, TYPED_NULL))
    keys = [(scope.session.fresh("key"), c, f) for c, f in wanted.keys]
    marks = {c: scope.session.fresh("found") for c in columns if c in rows.columns}

    def as_key(value: Typed) -> Expression:
        return (as_text(value) if wanted.table.case_sensitive else ops.lower(as_text(value))).expression

    last = literal(float(wanted.table.most))
    grouped = Aggregate(
        source=rows.node,
        keys=tuple((k, as_key(rows.typed(c))) for k, c, _ in keys),
        measures=tuple((m, ops.collect(Column(c))) for c, m in marks.items()),
        span=stage.span,
    )
    join = Join(
        left=scope.node,
        right=grouped,
        kind=JoinKind.LEFT,
        keys=tuple((as_key(scope.typed(f.text, f.span)), Column(k)) for k, _, f in keys),
        columns=tuple((m, Column(m)) for m in marks.values()),
        most=1,
        span=stage.span,
    )
    held = {c: Typed(Column(m), Kind.LIST) for c, m in marks.items()}
    values = {c: ops.list_slice(held[c], literal(1.0), last) if c in held else TYPED_NULL for c in columns}
    return LookupMatch(values=values, join=join, joined=dict.fromkeys(marks.values(), Kind.LIST))


def build_lookup_cell(
    wanted: LookupRequest, rows: list[tuple[str, ...]], column: str, several: bool
) -> str | tuple[str, ...] | None:
    """The values of a column in the rows of one key."""
    place = index_of(wanted, column)
    found = [r[place] for r in rows if r[place] != ""] if place is not None else []
    if not found:
        return None
    return tuple(found) if several else found[0]


def by_patterns(scope: Scope, wanted: LookupRequest, columns: list[str]) -> LookupMatch:
    """Matches by patterns and networks in the table: each row is a condition."""
    rows = wanted.table.rows
    column, field = wanted.keys[0]
    if len(wanted.keys) == 1 and len(rows) > FEW_PATTERNS and wanted.table.match.get(column, "").lower() == "wildcard":
        return by_many_patterns(scope, wanted, columns, as_text(scope.typed(field.text)))
    if len(rows) > MOST_PATTERNS:
        raise SourceError("too-many-patterns", f"a lookup table with {len(rows):,} patterns", wanted.keys[0][1].span)
    found = payloads_of(scope, wanted, columns)
    if found is None:
        return LookupMatch(values=dict.fromkeys(columns, TYPED_NULL))
    mark = scope.session.fresh("matches")
    values = {c: select_matched_column(Typed(Column(mark), Kind.LIST), i) for i, c in enumerate(columns)}
    return LookupMatch(values=values, derived=((mark, found),))


def payloads_of(scope: Scope, wanted: LookupRequest, columns: list[str]) -> Typed | None:
    """The rows that fit as a list, in the order of the table; None if no row ever can.

    Of a long table rows that bring the same are one condition and come once.
    """
    merged = wanted.table.most == 1 or len(wanted.table.rows) > FEW_PATTERNS
    conditions: dict[tuple[int, str], list[Typed]] = {}
    places = [index_of(wanted, c) for c in columns]
    for at, row in enumerate(wanted.table.rows):
        condition = row_matches(scope, wanted, row)
        if condition is not None:
            payload = KEY_SEPARATOR.join("" if p is None else row[p] for p in places)
            conditions.setdefault((0 if merged else at, payload), []).append(condition)
    if not conditions:
        return None
    nothing = Typed(Literal(None), Kind.TEXT)
    found = (ops.if_(any_condition(c), literal(p), nothing) for (_, p), c in conditions.items())
    return ops.list_slice(apply(ops.list_, *found), literal(1.0), literal(float(wanted.table.most)))


def match_by_time(scope: Scope, wanted: LookupRequest, columns: list[str], stage: Stage) -> LookupMatch:
    """Matches whose time is not too far before the event's, the latest first.

    The latest rows come first in the table that is looked up, each with its time in front.
    """
    timing = wanted.table.timing
    if timing is None or "_time" not in scope.columns:
        return LookupMatch(values=dict.fromkeys(columns, TYPED_NULL))
    form, zone, place = plan_format(timing.form), scope.settings.zone, wanted.table.columns.index(timing.field)
    read = [(parse_row_time(row[place], form, zone), row) for row in wanted.table.rows]
    timed = sorted(((when, row) for when, row in read if when is not None), key=lambda r: -r[0])
    rows = tuple((repr(when), *row) for when, row in timed)
    table = replace(wanted.table, columns=(WHEN, *wanted.table.columns), rows=rows, most=max(len(rows), 1))
    ordered = replace(wanted, table=table)
    join, joined = None, {}
    if any(table.match.get(c) for c, _ in wanted.keys):
        found = payloads_of(scope, ordered, [WHEN, *columns])
    else:
        mark = scope.session.fresh("rows")
        found, joined = Typed(Column(mark), Kind.LIST), {mark: Kind.LIST}
        join = by_payload(scope, ordered, [WHEN, *columns], mark, stage)
    if found is None:
        return LookupMatch(values=dict.fromkeys(columns, TYPED_NULL))
    every, mark = scope.session.fresh("matches"), scope.session.fresh("timely")
    chosen = timely(scope, Typed(Column(every), Kind.LIST), timing, wanted.table.most)
    values = {c: select_matched_column(Typed(Column(mark), Kind.LIST), i + 1) for i, c in enumerate(columns)}
    return LookupMatch(values=values, join=join, joined=joined, derived=((every, found), (mark, chosen)))


def parse_row_time(text: str, form: str, zone: str) -> float | None:
    """The time of a row; a fraction of a second that the format ends with may be absent."""
    found = compute_parse_time(text, form, zone)
    return found if found is not None or "." not in form else compute_parse_time(text, form.rpartition(".")[0], zone)


def timely(scope: Scope, matches: Typed, timing: Timing, most: int) -> Typed:
    """The first of the matches that are old enough and not too old."""
    parameter, element = build_element_parameter(matches)
    when = as_number(ops.list_get(ops.list_split(element, literal(KEY_SEPARATOR)), literal(1.0)))
    age = ops.subtract(as_number(scope.typed("_time")), when)
    fits = ops.and_(
        ops.greater_equal(age, literal(timing.least)),
        ops.less_equal(age, literal(timing.most)),
    )
    return ops.list_slice(
        apply_to_elements(ops.list_filter, matches, parameter, fits), literal(1.0), literal(float(most))
    )


def by_payload(scope: Scope, wanted: LookupRequest, columns: list[str], mark: str, stage: Stage) -> Join:
    """The rows of a search with those of equal keys as a list, in the order of the table."""
    keyed = [wanted.table.columns.index(c) for c, _ in wanted.keys]
    places = [index_of(wanted, c) for c in columns]
    as_key = str.lower if not wanted.table.case_sensitive else str
    grouped: dict[tuple[str, ...], list[str]] = {}
    for row in wanted.table.rows:
        payload = KEY_SEPARATOR.join("" if p is None else row[p] for p in places)
        grouped.setdefault(tuple(as_key(row[p]) for p in keyed), []).append(payload)
    rows: tuple[tuple[LookupCell, ...], ...] = tuple((*key, tuple(several)) for key, several in grouped.items())
    return join_rows(scope, wanted, rows, {mark: Kind.LIST}, stage)


def by_many_patterns(scope: Scope, wanted: LookupRequest, columns: list[str], value: Typed) -> LookupMatch:
    """The same for a long table with one column of patterns, which is looked up once for each value there is."""
    key = wanted.table.columns.index(wanted.keys[0][0])
    places = [index_of(wanted, c) for c in columns]
    patterns = ROWS.join(row[key] for row in wanted.table.rows)
    payloads = ROWS.join(KEY_SEPARATOR.join("" if p is None else row[p] for p in places) for row in wanted.table.rows)
    most, sensitive = literal(float(wanted.table.most)), literal(wanted.table.case_sensitive)
    found = ops.glob_payloads(value, literal(patterns), literal(payloads), most, sensitive)
    mark = scope.session.fresh("matches")
    values = {c: select_matched_column(Typed(Column(mark), Kind.LIST), i) for i, c in enumerate(columns)}
    return LookupMatch(values=values, derived=((mark, found),))


def select_matched_column(matches: Typed, place: int) -> Typed:
    """One column of the rows that matched."""
    parameter, element = build_element_parameter(matches)
    value = ops.list_get(ops.list_split(element, literal(KEY_SEPARATOR)), literal(float(place + 1)))
    shown = ops.if_(ops.equal(value, literal("")), Typed(Literal(None), Kind.TEXT), value)
    return apply_to_elements(ops.list_map, matches, parameter, shown)


def any_condition(conditions: list[Typed]) -> Typed:
    """At least one of them."""
    return conditions[0] if len(conditions) == 1 else apply(ops.or_, *conditions)


def row_matches(scope: Scope, wanted: LookupRequest, row: tuple[str, ...]) -> Typed | None:
    """Whether the keys of an event fit one row of the table; None if none ever can."""
    parts: list[Typed] = []
    for column, field in wanted.keys:
        value = as_text(scope.typed(field.text))
        pattern = row[wanted.table.columns.index(column)]
        how = wanted.table.match.get(column, "").lower()
        fits = match_cell(value.expression, pattern, how, ignore_case=not wanted.table.case_sensitive)
        if fits is None:
            return None
        parts.append(Typed(fits, Kind.BOOLEAN))
    return parts[0] if len(parts) == 1 else apply(ops.and_, *parts)
