"""lookup, inputlookup, iplocation."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import BoundOptions, bind_options, parse_renames, split_clauses
from harness.detection.languages.spl.coercion import as_multivalue, as_text, literal
from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.lookup_tables import (
    ENTROPY,
    LookupRequest,
    add_matched_columns,
    build_lookup_rows,
    find_written_rows,
    match_lookup,
    resolve_lookup,
)
from harness.detection.languages.spl.parser import lookup_item
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import ParenthesisedCondition, Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Frame, Join, JoinKind, Limit, Union, Unnest, Window
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import SourceError, did_you_mean


@COMMANDS.define("lookup", order="keeps", fields="keeps", raw="never")
def lookup(scope: Scope, stage: Stage) -> None:
    """Fields from the rows of a table that agree in its keys; several rows give several values.

    Reference: reference/spl.md 10
    """
    found = bind_options(stage, "local", "update", "event_time_field")
    found.without_effect(scope, "local", "update", "event_time_field")
    # A scripted lookup of the URL Toolbox app; of such scripts this one has a published formula.
    if found.words and found.words[0].text == ENTROPY and ENTROPY not in scope.settings.lookups:
        shannon(scope, found)
        return
    wanted = parse_lookup(scope, found)
    several = any(scope.columns.get(f.text) is Kind.LIST for _, f in wanted.keys)
    if several and scope.session.switch("lookup_multivalue") == "each":
        found_values = look_up_each_value(scope, wanted, stage)
    else:
        match = match_lookup(scope, wanted, stage)
        add_matched_columns(scope, match)
        found_values = match.values
    values: list[tuple[str, Typed]] = []
    for column, target in wanted.outputs:
        values.append((target, build_output_value(scope, wanted, target, found_values[column])))
    scope.derive(values, stage.span)
    scope.keep([n for n in scope.columns if not n.startswith("@")])


def look_up_each_value(scope: Scope, wanted: LookupRequest, stage: Stage) -> dict[str, Typed]:
    """What the table has for each value of the keys, one after the other: a row for each is looked up."""
    place = scope.session.fresh("place")
    numbered = ((place, ops.row_number()),)
    scope.node = Window(source=scope.node, measures=numbered, frame=Frame.RUNNING, span=stage.span)
    inner = scope.branch()
    inner.columns[place] = Kind.NUMBER
    for name in dict.fromkeys(f.text for _, f in wanted.keys):
        if inner.columns.get(name) is Kind.LIST:
            inner.node = Unnest(source=inner.node, column=name, span=stage.span)
            inner.columns[name] = Kind.TEXT
    match = match_lookup(inner, wanted, stage)
    add_matched_columns(inner, match)
    marks = {c: scope.session.fresh("found") for c, v in match.values.items() if v.kind is not Kind.NULL}
    inner.derive([(m, match.values[c]) for c, m in marks.items()], stage.span)
    results = Aggregate(
        source=inner.node,
        keys=((place, Column(place)),),
        measures=tuple((m, ops.collect(Column(m))) for m in marks.values()),
        span=stage.span,
    )
    scope.node = Join(
        left=scope.node,
        right=results,
        kind=JoinKind.LEFT,
        keys=((Column(place), Column(place)),),
        columns=tuple((m, Column(m)) for m in marks.values()),
        span=stage.span,
    )
    scope.columns.update(dict.fromkeys(marks.values(), Kind.LIST))
    return {c: Typed(Column(marks[c]), Kind.LIST) if c in marks else TYPED_NULL for c in match.values}


def shannon(scope: Scope, found: BoundOptions) -> None:
    """What the script behind `ut_shannon_lookup` computes: the entropy of a word."""
    named = parse_renames(split_clauses(found.words[1:], "output", "outputnew")[""])
    if not named:
        raise found.error("missing-field", "`lookup` needs a field to look up")
    field = named[0][1]
    word = as_text(scope.typed(field.text, field.span))
    scope.derive([("ut_shannon", ops.entropy(word))], found.stage.span)


def parse_lookup(scope: Scope, found: BoundOptions) -> LookupRequest:
    """The parts of a `lookup`."""
    words = list(found.words)
    if not words:
        raise found.error("missing-lookup", "`lookup` needs the name of a table")
    chosen = resolve_lookup(scope, words[0].text, words[0].span)
    parts = split_clauses(tuple(words[1:]), "output", "outputnew")
    keys = tuple((column.text, field) for column, field in parse_renames(parts[""]))
    if not keys:
        raise found.error("missing-field", "`lookup` needs a field to look up")
    named = parse_renames(parts.get("output", []) + parts.get("outputnew", []))
    outputs = tuple((c.text, f.text) for c, f in named)
    if not outputs:
        taken = {k for k, _ in keys}
        # No OUTPUT: all columns that are no key (reference/spl.md 10).
        outputs = tuple((c, c) for c in chosen.columns if c not in taken)
    # A table that the site fills later has no columns yet, so nothing can be misspelt.
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
    rows = find_written_rows(scope, words[0].text)
    return LookupRequest(table=chosen, rows=rows, keys=keys, outputs=outputs, only_new="outputnew" in parts)


def build_output_value(scope: Scope, wanted: LookupRequest, target: str, value: Typed) -> Typed:
    """What a target field becomes."""
    # `default_match` is used when fewer than `min_matches` rows agree (reference/spl.md 10).
    if wanted.table.least > 0 and wanted.table.default is not None:
        default = literal(wanted.table.default)
        if value.kind is Kind.NULL:
            value = default
        else:
            value = ops.coalesce(value, as_multivalue(default) if value.kind is Kind.LIST else default)
    old = scope.typed(target)
    # What OUTPUT leaves of an existing field without a match is Q8 of the reference.
    keeps = wanted.only_new or scope.session.switch("lookup_no_match") == "kept"
    if old.kind is Kind.NULL or not keeps:
        return value
    if value.kind is Kind.NULL:
        return old
    first, second = (old, value) if wanted.only_new else (value, old)
    if Kind.LIST in (first.kind, second.kind):
        first, second = as_multivalue(first), as_multivalue(second)
    elif first.kind is not second.kind:
        first, second = as_text(first), as_text(second)
    return ops.coalesce(first, second)


@COMMANDS.define("inputlookup", order="keeps", fields="keeps", raw="never", item=lookup_item, generating=True)
def inputlookup(scope: Scope, stage: Stage) -> None:
    """The rows of a table; with `append=t` after those there already are.

    Reference: reference/spl.md 10
    """
    found = bind_options(stage, "append", "start", "max", "strict")
    if not found.words:
        raise found.error("missing-lookup", "`inputlookup` needs the name of a table")
    name = found.words[0]
    values, columns = build_lookup_rows(scope, name.text, name.span)
    inner = scope.branch()
    inner.replace(values, columns, events=False)
    for group in found.others:
        if isinstance(group, ParenthesisedCondition):
            inner.filter(SearchLowering(inner).condition(group.condition).expression, group.span)
    if "max" in found.options or "start" in found.options:
        # Splunk's default of `max`: all rows.
        most = found.number("max", 1_000_000_000)
        inner.node = Limit(source=inner.node, count=most, offset=found.number("start", 0), span=stage.span)
    if found.flag("append"):
        append_rows(scope, inner, stage)
        return
    scope.replace(inner.node, inner.columns, events=False)


def append_rows(scope: Scope, inner: Scope, stage: Stage) -> None:
    """The rows of one relation after those of another."""
    align_columns(scope, inner)
    scope.node = Union(sources=(scope.node, inner.node), span=stage.span)


def align_columns(scope: Scope, inner: Scope) -> None:
    """Makes columns of one name in two relations alike in kind; the first scope then has the columns of both."""
    for name, kind in list(inner.columns.items()):
        own = scope.columns.get(name, Kind.NULL)
        if own is kind or Kind.NULL in (own, kind):
            continue
        change = as_multivalue if Kind.LIST in (own, kind) else as_text
        target = scope if own is not (Kind.LIST if change is as_multivalue else Kind.TEXT) else inner
        target.derive([(name, change(target.typed(name)))])
        other = inner if target is scope else scope
        if other.columns[name] is not target.columns[name]:
            other.derive([(name, change(other.typed(name)))])
    for name, kind in inner.columns.items():
        if scope.columns.get(name, Kind.NULL) is Kind.NULL:
            scope.columns[name] = kind
            scope.defined.add(name)


PLACES = ("City", "Country", "Region", "lat", "lon")
MORE_PLACES = ("Continent", "MetroCode", "Timezone")


@COMMANDS.define("iplocation", order="keeps", fields="keeps", raw="never")
def iplocation(scope: Scope, stage: Stage) -> None:
    """Where an address is, by a lookup table `iplocation` with networks; without one nothing is known.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "prefix", "allfields", "lang")
    if not found.words:
        raise found.error("missing-field", "`iplocation` needs a field")
    prefix = found.text("prefix", "")
    names = [*PLACES, *(MORE_PLACES if found.flag("allfields") else ())]
    field = found.words[0]
    address = scope.typed(field.text, field.span)
    # Whether fields of an unknown address are empty or missing is Q7 of the reference.
    missing = literal("") if scope.session.switch("iplocation_unknown") == "empty" else TYPED_NULL
    table = scope.settings.lookups.get("iplocation")
    made = []
    for name in names:
        value = missing
        if table is not None and address.kind is not Kind.NULL and name in table.columns:
            value = look_up_location(as_text(address), table.rows, table.columns.index(name), missing)
        made.append((prefix + name, value))
    if table is None:
        message = "no table of addresses is given, so no address has a place"
        scope.session.warn("no-addresses", message, stage.span, "give a lookup `iplocation` with networks")
    scope.derive(made, stage.span)


def look_up_location(address: Typed, rows: tuple[tuple[str, ...], ...], place: int, missing: Typed) -> Typed:
    """The value of a column for the network that an address is in; the first column holds the networks."""
    # Networks of one value in one test: tables have thousands of networks and some hundred countries.
    by_value: dict[str, list[str]] = {}
    for row in rows:
        by_value.setdefault(row[place], []).append(row[0])
    found = Typed(missing.expression, Kind.TEXT)
    for value, networks in by_value.items():
        inside = ops.cidr_contains(address, *(literal(n) for n in networks))
        found = ops.if_(inside, literal(value), found)
    return found
