"""tstats, mstats, and the fields that an index keeps.

Reference: reference/spl.md 9.1; Splunk Search Reference, tstats
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.detection.languages.spl.aggregation import expand_measures, group_rows, without_missing
from harness.detection.languages.spl.arguments import read_options
from harness.detection.languages.spl.cim.dataset import CimDataset, split_names
from harness.detection.languages.spl.cim.datasets import (
    add_fields,
    collect_dataset_fields,
    local_name,
    resolve_dataset,
    select_qualified,
)
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.commands.lookup import align_columns
from harness.detection.languages.spl.commands.stats import require_statistics
from harness.detection.languages.spl.conditions import MAJOR, SearchLowering
from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, fresh_scope, matches_name_pattern
from harness.detection.languages.spl.syntax import Comparison, Measure, OneOf, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.time_range import floor_to_span, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Union
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import SourceError, did_you_mean
from harness.late_pattern import late_pattern

TSTATS_OPTIONS = (
    "prestats", "append", "summariesonly", "allow_old_summaries", "include_reduced_buckets", "local", "chunk_size",
    "fillnull_value", "span",
)  # fmt: skip
MSTATS_OPTIONS = (
    "prestats", "append", "chunk_size", "fillnull_value", "span", "backfill", "update_period", "chart", "earliest",
    "latest",
)  # fmt: skip


@COMMANDS.define(
    "tstats", order="keeps", fields="remakes", raw="never", shape="tstats", options=TSTATS_OPTIONS, generating=True
)
def tstats(scope: Scope, stage: Stage) -> None:
    """Aggregates over a data model's dataset; rows that lack a BY field are dropped unless `fillnull_value` is given.

    With `prestats=t` the rows are handed on as they are, for a `stats`, `chart` or `timechart` that aggregates them.
    Without a data model the fields of the index are seen alone.

    Reference: reference/spl.md 9.1
    """
    arguments = require_statistics(stage)
    if not arguments.measures:
        raise SourceError("missing-aggregate", "`tstats` needs an aggregate", stage.span, help="such as `count`")
    given = read_options(arguments)
    # Whether summaries exist changes nothing here: all data is searched (reference/spl.md 9.1); the values are checked.
    for name in ("summariesonly", "allow_old_summaries", "local", "include_reduced_buckets"):
        given.flag(name)
    unfinished, more = given.flag("prestats"), given.flag("append")
    if more and not unfinished:
        word = given.word("append") or stage
        raise SourceError("bad-option", "`append=t` needs `prestats=t`", word.span, help="write `prestats=t append=t`")
    if not scope.first and not more:
        raise SourceError("not-first", "`tstats` begins a search", stage.span, help="write `| append [| tstats ...]`")
    rows = scope if scope.first else fresh_scope(scope.session, main=False)
    select_model_rows(rows, stage, arguments)
    arguments = name_prefix_fields(arguments)
    prepare_model_groups(rows, arguments)
    if not unfinished:
        group_rows(rows, arguments.keys, expand_measures(rows, arguments), stage.span)
        return
    names = {w.text for w in named_fields(arguments)} | {"_time"}
    # `prestats=t` leaves rows for a stats that follows, with the fields that were named.
    rows.keep([n for n in rows.columns if n in names], stage.span)
    if rows is not scope:
        align_columns(scope, rows)
        scope.node = Union(sources=(scope.node, rows.node), span=stage.span)


def select_model_rows(scope: Scope, stage: Stage, arguments: StatisticsArguments) -> None:
    """Makes the rows those that `tstats` aggregates, with all the fields that it names."""
    for measure in arguments.measures:
        if measure.argument is not None and not isinstance(measure.argument, Word):
            not_evaluated(scope, measure)
    for key in arguments.keys:
        if "*" in key.text and not key.text.startswith("PREFIX("):
            raise SourceError("bad-argument", f"`{key.text}` is no single field", key.span, help="name each BY field")
    if arguments.dataset is not None:
        named = [w.text for w in named_fields(arguments)] + node_names(arguments)
        found, child = resolve_dataset(arguments.dataset.text, arguments.dataset.span, named)
        select_qualified(scope, found, child, arguments.dataset.span)
        spread_over(scope, found, arguments)
        unknown_fields(scope, found, arguments)
    else:
        only_indexed(scope, arguments)
    apply_tstats_where(scope, stage, arguments)
    derive_prefix_fields(scope, arguments)


def prepare_model_groups(scope: Scope, arguments: StatisticsArguments) -> None:
    """Gives the BY fields of `tstats` the values that its groups have."""
    floor_time_to_span(scope, arguments)
    fill_by_fields(scope, arguments)
    without_missing(scope, arguments.keys)


def node_names(arguments: StatisticsArguments) -> list[str]:
    """The datasets that WHERE asks for by `nodename`."""
    terms = walk_query(arguments.where) if arguments.where is not None else ()
    found = [t.value for t in terms if isinstance(t, Comparison) and t.field.text == "nodename"]
    return [value.text for value in found if isinstance(value, Word)]


def not_evaluated(scope: Scope, measure: Measure) -> None:
    """Tells that `tstats` does not evaluate expressions; lenient reading does what is meant."""
    message = "`tstats` takes fields, not `eval` expressions"
    if scope.session.text.strict:
        raise SourceError("eval-in-tstats", message, measure.span, help="aggregate with `stats` after it")
    scope.session.warn("eval-in-tstats", message, measure.span, "aggregate with `stats` after it")


def spread_over(scope: Scope, found: CimDataset, arguments: StatisticsArguments) -> None:
    """Adds the fields of a dataset that a `*` in an aggregate means."""
    patterns = [m.argument.text for m in arguments.measures if isinstance(m.argument, Word) and "*" in m.argument.text]
    for pattern in patterns:
        names = [n for n in sorted(collect_dataset_fields(found)) if matches_name_pattern(pattern, f"{found.name}.{n}")]
        add_fields(scope, found, names, arguments.measures[0].span)


def unknown_fields(scope: Scope, found: CimDataset, arguments: StatisticsArguments) -> None:
    """Tells of names that no field of the dataset has."""
    for word in named_fields(arguments):
        name = local_name(found, word.text)
        # Annotations are what each site calls them.
        if not name or "*" in name or name in collect_dataset_fields(found) or name.startswith("annotations."):
            continue
        if scope.columns.get(word.text, Kind.NULL) is Kind.NULL:
            message = f"dataset `{found.model}.{found.name}` has no field `{name}`"
            scope.session.warn("no-such-field", message, word.span, did_you_mean(name, collect_dataset_fields(found)))


def apply_tstats_where(scope: Scope, stage: Stage, arguments: StatisticsArguments) -> None:
    """Applies WHERE, whose subsearches may need a join."""
    if arguments.where is None:
        return
    before, below = dict(scope.columns), scope.node
    found = SearchLowering(scope).condition(arguments.where)
    joined = scope.node is not below
    scope.filter(found.expression, stage.span)
    if joined:
        scope.columns = before
        scope.keep(list(before))


def floor_time_to_span(scope: Scope, arguments: StatisticsArguments) -> None:
    """Moves `_time` down to its span if it is a BY field with one."""
    word = read_options(arguments).word("span")
    if word is None or not any(k.text == "_time" for k in arguments.keys):
        return
    span = span_unit(word.text)
    if span is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span of time", word.span, help="write `1h`")
    time = as_number(scope.typed("_time"))
    if time.kind is not Kind.NULL:
        scope.derive([("_time", floor_to_span(scope.session, time, span))], word.span)


def fill_by_fields(scope: Scope, arguments: StatisticsArguments) -> None:
    """Gives BY fields a value where they have none."""
    word = read_options(arguments).word("fillnull_value")
    if word is None:
        return
    added = []
    for key in arguments.keys:
        value = scope.typed(key.text)
        if key.text == "_time":
            continue
        if value.kind is Kind.NULL:
            added.append((key.text, literal(word.text)))
        elif value.kind is Kind.LIST:
            added.append((key.text, ops.coalesce(value, ops.list_(literal(word.text)))))
        else:
            added.append((key.text, ops.coalesce(as_text(value), literal(word.text))))
    scope.derive(added, word.span)


@COMMANDS.define(
    "mstats", order="forgets", fields="closes", raw="never", shape="tstats", options=MSTATS_OPTIONS, generating=True
)
def mstats(scope: Scope, stage: Stage) -> None:
    """Aggregates over metrics, which are events with a numeric field for each metric.

    Reference: reference/spl.md 14.1
    """
    arguments = require_statistics(stage)
    apply_tstats_where(scope, stage, arguments)
    keys = arguments.keys
    if read_options(arguments).word("span") is not None:
        keys = (Word("_time", False, stage.span), *keys)
        arguments = replace(arguments, keys=keys)
        floor_time_to_span(scope, arguments)
    without_missing(scope, keys)
    group_rows(scope, keys, expand_measures(scope, arguments), stage.span)


# Splunk's default fields at index time (reference/spl.md 2.1).
INDEXED = frozenset(
    split_names(
        "index source sourcetype host splunk_server linecount punct date_hour date_mday date_minute date_month "
        "date_second date_wday date_year date_zone timestartpos timeendpos"
    )
)
PREFIX = late_pattern(r"PREFIX\((.+)\)", re.S)


def named_fields(arguments: StatisticsArguments) -> Iterator[Word]:
    """The fields that are read: by aggregates, by BY and by WHERE."""
    for measure in arguments.measures:
        if isinstance(measure.argument, Word):
            yield measure.argument
    yield from arguments.keys
    for part in walk_query(arguments.where) if arguments.where is not None else ():
        if isinstance(part, Comparison | OneOf):
            yield part.field


def only_indexed(scope: Scope, arguments: StatisticsArguments) -> None:
    """Leaves the events nothing but indexed fields, unless all of their fields are said to be indexed."""
    kept = {n for n in scope.columns if n in INDEXED or n[0] in "_@"}
    others = [w for w in named_fields(arguments) if w.text in scope.columns and w.text not in kept]
    if not others or scope.session.switch("indexed_fields") == "all":
        return
    for word in others:
        message = f"`tstats` does not see `{word.text}`, which is no field of the index"
        scope.session.warn("not-indexed", message, word.span, "search a data model, or use `stats`")
    scope.keep([n for n in scope.columns if n in kept])


def name_prefix_fields(arguments: StatisticsArguments) -> StatisticsArguments:
    """The arguments with each `PREFIX(term=)` as a field of that name."""

    def named(word: Any) -> Any:
        prefix = PREFIX.fullmatch(word.text) if isinstance(word, Word) else None
        return word if prefix is None else Word(prefix[1].strip().strip('"'), True, word.span)

    keys = tuple(named(k) for k in arguments.keys)
    measures: tuple[Measure, ...] = tuple(replace(m, argument=named(m.argument)) for m in arguments.measures)
    return replace(arguments, keys=keys, measures=measures)


def derive_prefix_fields(scope: Scope, arguments: StatisticsArguments) -> None:
    """Adds the field of each `PREFIX(term=)`, made of the terms that begin so."""
    found: dict[str, Word] = {}
    for word in (*arguments.keys, *(m.argument for m in arguments.measures if isinstance(m.argument, Word))):
        prefix = PREFIX.fullmatch(word.text)
        if prefix is not None:
            found.setdefault(prefix[1], Word(prefix[1].strip().strip('"'), True, word.span))
    for word in found.values():
        scope.derive([(word.text, behind(scope, word.text))], word.span)


def behind(scope: Scope, prefix: str) -> Typed:
    """What stands behind a prefix in a term of the event's text, in lower case as the index keeps it."""
    raw = scope.typed("_raw")
    if raw.kind is Kind.NULL:
        return TYPED_NULL
    # A term of the index ends at major breakers (reference/spl.md 4.2).
    pattern = f"(?:^|[{MAJOR}]){re.escape(prefix)}([^{MAJOR}]+)"
    return ops.lower(ops.regex_extract(raw, literal(pattern), literal("i"), literal(1.0)))
