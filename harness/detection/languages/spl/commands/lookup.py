"""Commands that read lookup tables: lookup, inputlookup."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_network

from harness.detection.language import Lookup
from harness.detection.languages.spl.arguments import Given, clauses, given, renamed
from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, each, listing, literal, over, text
from harness.detection.languages.spl.conditions import Search
from harness.detection.languages.spl.lookups import ENTROPY, table, table_rows, with_rows, written
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Group, Stage, Word
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Column, Expression, Literal
from harness.detection.plan.nodes import Aggregate, Join, JoinKind, Limit, Node, Union, Values
from harness.diagnostics import SourceError, did_you_mean

PATTERNS = 5_000
FEW_PATTERNS = 100
ROWS = "\x1e"
SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one `lookup` asks for: pairs of table column and field, for keys and for outputs.

    `rows` are those that the search itself wrote to the table, if it did.
    """

    table: Lookup
    rows: Scope | None = None
    keys: tuple[tuple[str, Word], ...]
    outputs: tuple[tuple[str, str], ...]
    only_new: bool


@COMMANDS.define("lookup")
def lookup(scope: Scope, stage: Stage) -> None:
    """Fields from the rows of a table that agree in its keys; several rows give several values.

    Reference: reference/spl.md 10
    """
    found = given(stage, "local", "update", "event_time_field")
    found.without_effect(scope, "local", "update", "event_time_field")
    if found.words and found.words[0].text == ENTROPY and ENTROPY not in scope.settings.lookups:
        shannon(scope, found)
        return
    wanted = read(scope, found)
    matches = matched(scope, wanted, stage)
    values: list[tuple[str, Typed]] = []
    for column, target in wanted.outputs:
        values.append((target, output(scope, wanted, target, matches[column])))
    scope.derive(values, stage.span)
    scope.keep([n for n in scope.columns if not n.startswith("@")])


def shannon(scope: Scope, found: Given) -> None:
    """What the script behind `ut_shannon_lookup` computes: the entropy of a word."""
    named = renamed(clauses(found.words[1:], "output", "outputnew")[""])
    if not named:
        raise found.error("missing-field", "`lookup` needs a field to look up")
    field = named[0][1]
    word = text(scope.typed(field.text, field.span))
    scope.derive([("ut_shannon", apply("entropy", word))], found.stage.span)


def read(scope: Scope, found: Given) -> Wanted:
    """The parts of a `lookup`."""
    words = list(found.words)
    if not words:
        raise found.error("missing-lookup", "`lookup` needs the name of a table")
    chosen = table(scope, words[0].text, words[0].span)
    parts = clauses(tuple(words[1:]), "output", "outputnew")
    keys = tuple((column.text, field) for column, field in renamed(parts[""]))
    if not keys:
        raise found.error("missing-field", "`lookup` needs a field to look up")
    named = renamed(parts.get("output", []) + parts.get("outputnew", []))
    outputs = tuple((c.text, f.text) for c, f in named)
    if not outputs:
        taken = {k for k, _ in keys}
        outputs = tuple((c, c) for c in chosen.columns if c not in taken)
    if chosen.columns:
        for column, field in keys:
            if column not in chosen.columns:
                hint = did_you_mean(column, chosen.columns)
                raise SourceError("unknown-column", f"the lookup table has no column `{column}`", field.span, help=hint)
        for output_of, _ in named:
            if output_of.text not in chosen.columns:
                message = f"the lookup table has no column `{output_of.text}`; Splunk refuses this"
                hint = did_you_mean(output_of.text, chosen.columns)
                scope.session.warn("unknown-column", message, output_of.span, hint)
    rows = written(scope, words[0].text)
    return Wanted(table=chosen, rows=rows, keys=keys, outputs=outputs, only_new="outputnew" in parts)


def output(scope: Scope, wanted: Wanted, target: str, value: Typed) -> Typed:
    """What a target field becomes."""
    if wanted.table.least > 0 and wanted.table.default is not None:
        default = literal(wanted.table.default)
        if value.kind is Kind.NULL:
            value = default
        else:
            value = apply("coalesce", value, listing(default) if value.kind is Kind.LIST else default)
    old = scope.typed(target)
    keeps = wanted.only_new or scope.session.switch("lookup_no_match") == "kept"
    if old.kind is Kind.NULL or not keeps:
        return value
    if value.kind is Kind.NULL:
        return old
    first, second = (old, value) if wanted.only_new else (value, old)
    if Kind.LIST in (first.kind, second.kind):
        first, second = listing(first), listing(second)
    elif first.kind is not second.kind:
        first, second = text(first), text(second)
    return apply("coalesce", first, second)


def matched(scope: Scope, wanted: Wanted, stage: Stage) -> dict[str, Typed]:
    """The values of each output column for a row, before defaults."""
    columns = [c for c, _ in wanted.outputs]
    if wanted.rows is not None and not wanted.table.match:
        return by_relation(scope, wanted, columns, stage)
    if wanted.rows is not None:
        wanted = replace(wanted, table=with_rows(scope, wanted.table, wanted.rows, stage.span))
    if not wanted.table.rows or any(scope.typed(f.text).kind is Kind.NULL for _, f in wanted.keys):
        return dict.fromkeys(columns, NOTHING)
    if any(wanted.table.match.get(c) for c, _ in wanted.keys):
        return by_patterns(scope, wanted, columns)
    return by_join(scope, wanted, columns, stage)


def index_of(wanted: Wanted, column: str) -> int | None:
    """The place of a column in the table's rows."""
    return wanted.table.columns.index(column) if column in wanted.table.columns else None


def by_join(scope: Scope, wanted: Wanted, columns: list[str], stage: Stage) -> dict[str, Typed]:
    """Matches by equal keys: the table's rows grouped by key and joined."""
    insensitive = not wanted.table.case_sensitive
    places = [wanted.table.columns.index(c) for c, _ in wanted.keys]
    grouped: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in wanted.table.rows:
        key = tuple(row[p].lower() if insensitive else row[p] for p in places)
        rows = grouped.setdefault(key, [])
        if len(rows) < wanted.table.most:
            rows.append(row)
    several = any(len(rows) > 1 for rows in grouped.values())
    keys = [scope.session.fresh("key") for _ in places]
    marks = {c: scope.session.fresh("found") for c in columns}
    kind = Kind.LIST if several else Kind.TEXT
    made = [(*key, *(cell(wanted, rows, c, several) for c in columns)) for key, rows in grouped.items()]
    values = Values(columns={**dict.fromkeys(keys, Kind.TEXT), **{marks[c]: kind for c in columns}}, rows=tuple(made))
    pairs: list[tuple[Expression, Expression]] = []
    for mark, (_, field) in zip(keys, wanted.keys, strict=True):
        value = text(scope.typed(field.text, field.span))
        pairs.append(((apply("lower", value) if insensitive else value).expression, Column(mark)))
    scope.node = Join(
        left=scope.node,
        right=values,
        kind=JoinKind.LEFT,
        keys=tuple(pairs),
        columns=tuple((m, Column(m)) for m in marks.values()),
        most=1,
        span=stage.span,
    )
    for mark in marks.values():
        scope.columns[mark] = kind
    return {c: Typed(Column(m), kind) for c, m in marks.items()}


def by_relation(scope: Scope, wanted: Wanted, columns: list[str], stage: Stage) -> dict[str, Typed]:
    """Matches by equal keys in a table that the search itself wrote: its rows grouped by key and joined."""
    rows = wanted.rows.branch() if wanted.rows is not None else scope.branch()
    if any(scope.typed(f.text).kind is Kind.NULL for _, f in wanted.keys):
        return dict.fromkeys(columns, NOTHING)
    keys = [(scope.session.fresh("key"), c, f) for c, f in wanted.keys]
    marks = {c: scope.session.fresh("found") for c in columns if c in rows.columns}

    def as_key(value: Typed) -> Expression:
        return (text(value) if wanted.table.case_sensitive else apply("lower", text(value))).expression

    last = literal(float(wanted.table.most))
    grouped = Aggregate(
        source=rows.node,
        keys=tuple((k, as_key(rows.typed(c))) for k, c, _ in keys),
        measures=tuple((m, Aggregation("collect", (Column(c),))) for c, m in marks.items()),
        span=stage.span,
    )
    scope.node = Join(
        left=scope.node,
        right=grouped,
        kind=JoinKind.LEFT,
        keys=tuple((as_key(scope.typed(f.text, f.span)), Column(k)) for k, _, f in keys),
        columns=tuple((m, Column(m)) for m in marks.values()),
        most=1,
        span=stage.span,
    )
    for mark in marks.values():
        scope.columns[mark] = Kind.LIST
    held = {c: Typed(Column(m), Kind.LIST) for c, m in marks.items()}
    return {c: apply("list_slice", held[c], literal(1.0), last) if c in held else NOTHING for c in columns}


def cell(wanted: Wanted, rows: list[tuple[str, ...]], column: str, several: bool) -> str | tuple[str, ...] | None:
    """The values of a column in the rows of one key."""
    place = index_of(wanted, column)
    found = [r[place] for r in rows if r[place] != ""] if place is not None else []
    if not found:
        return None
    return tuple(found) if several else found[0]


def by_patterns(scope: Scope, wanted: Wanted, columns: list[str]) -> dict[str, Typed]:
    """Matches by patterns and networks in the table: each row is a condition."""
    rows = wanted.table.rows
    column, field = wanted.keys[0]
    if len(wanted.keys) == 1 and len(rows) > FEW_PATTERNS and wanted.table.match.get(column, "").lower() == "wildcard":
        return by_many_patterns(scope, wanted, columns, text(scope.typed(field.text)))
    if len(rows) > PATTERNS:
        raise SourceError("too-many-patterns", f"a lookup table with {len(rows):,} patterns", wanted.keys[0][1].span)
    by_payload: dict[str, list[Typed]] = {}
    for row in rows:
        condition = row_matches(scope, wanted, row)
        places = [index_of(wanted, c) for c in columns]
        payload = SEPARATOR.join("" if p is None else row[p] for p in places)
        if condition is not None:
            by_payload.setdefault(payload, []).append(condition)
    if not by_payload:
        return dict.fromkeys(columns, NOTHING)
    nothing = Typed(Literal(None), Kind.TEXT)
    found = apply("list", *(apply("if", any_condition(c), literal(p), nothing) for p, c in by_payload.items()))
    mark = scope.session.fresh("matches")
    scope.derive([(mark, found)])
    return {c: member_of(Typed(Column(mark), Kind.LIST), i) for i, c in enumerate(columns)}


def by_many_patterns(scope: Scope, wanted: Wanted, columns: list[str], value: Typed) -> dict[str, Typed]:
    """The same for a long table with one column of patterns, which is looked up once for each value there is."""
    key = wanted.table.columns.index(wanted.keys[0][0])
    places = [index_of(wanted, c) for c in columns]
    patterns = ROWS.join(row[key] for row in wanted.table.rows)
    payloads = ROWS.join(SEPARATOR.join("" if p is None else row[p] for p in places) for row in wanted.table.rows)
    most, sensitive = literal(float(wanted.table.most)), literal(wanted.table.case_sensitive)
    found = apply("glob_payloads", value, literal(patterns), literal(payloads), most, sensitive)
    mark = scope.session.fresh("matches")
    scope.derive([(mark, found)])
    return {c: member_of(Typed(Column(mark), Kind.LIST), i) for i, c in enumerate(columns)}


def member_of(matches: Typed, place: int) -> Typed:
    """One column of the rows that matched."""
    parameter, element = each(matches)
    value = apply("list_get", apply("list_split", element, literal(SEPARATOR)), literal(float(place + 1)))
    shown = apply("if", apply("equal", value, literal("")), Typed(Literal(None), Kind.TEXT), value)
    return over("list_map", matches, parameter, shown)


def any_condition(conditions: list[Typed]) -> Typed:
    """At least one of them."""
    return conditions[0] if len(conditions) == 1 else apply("or", *conditions)


def row_matches(scope: Scope, wanted: Wanted, row: tuple[str, ...]) -> Typed | None:
    """Whether the keys of an event fit one row of the table; None if none ever can."""
    parts: list[Typed] = []
    for column, field in wanted.keys:
        value = text(scope.typed(field.text))
        pattern = row[wanted.table.columns.index(column)]
        form = wanted.table.match.get(column, "").lower()
        suffix = "" if wanted.table.case_sensitive else "_ci"
        if form == "cidr":
            try:
                ip_network(pattern, strict=False)
            except ValueError:
                return None
            parts.append(apply("cidr_contains", value, literal(pattern if "/" in pattern else f"{pattern}/32")))
        elif form == "wildcard" and "*" in pattern:
            parts.append(apply("glob" + suffix, value, literal(pattern)))
        else:
            parts.append(apply("equal" + suffix, value, literal(pattern)))
    return parts[0] if len(parts) == 1 else apply("and", *parts)


@COMMANDS.define("inputlookup", generating=True)
def inputlookup(scope: Scope, stage: Stage) -> None:
    """The rows of a table; with `append=t` after those there already are.

    Reference: reference/spl.md 10
    """
    found = given(stage, "append", "start", "max", "strict")
    if not found.words:
        raise found.error("missing-lookup", "`inputlookup` needs the name of a table")
    name = found.words[0]
    values, columns = table_rows(scope, name.text, name.span)
    inner = scope.branch()
    inner.replace(values, columns, events=False)
    for group in found.others:
        if isinstance(group, Group):
            inner.filter(Search(inner).condition(group.condition).expression, group.span)
    if "max" in found.options or "start" in found.options:
        most = found.number("max", 1_000_000_000)
        inner.node = Limit(source=inner.node, count=most, offset=found.number("start", 0), span=stage.span)
    if found.flag("append"):
        joined(scope, inner, stage)
        return
    scope.replace(inner.node, inner.columns, events=False)


def joined(scope: Scope, inner: Scope, stage: Stage) -> None:
    """The rows of one relation after those of another."""
    left, right = aligned(scope, inner)
    scope.node = Union(sources=(left, right), span=stage.span)


def aligned(scope: Scope, inner: Scope) -> tuple[Node, Node]:
    """Both relations with columns of like kinds; the first scope then has the columns of both."""
    for name, kind in list(inner.columns.items()):
        own = scope.columns.get(name, Kind.NULL)
        if own is kind or Kind.NULL in (own, kind):
            continue
        change = listing if Kind.LIST in (own, kind) else text
        target = scope if own is not (Kind.LIST if change is listing else Kind.TEXT) else inner
        target.derive([(name, change(target.typed(name)))])
        other = inner if target is scope else scope
        if other.columns[name] is not target.columns[name]:
            other.derive([(name, change(other.typed(name)))])
    for name, kind in inner.columns.items():
        if scope.columns.get(name, Kind.NULL) is Kind.NULL:
            scope.columns[name] = kind
            scope.defined.add(name)
    return scope.node, inner.node
