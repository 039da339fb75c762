"""Commands over data models and metrics: tstats, datamodel, from, mstats."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.cim.dataset import CimDataset
from harness.detection.languages.spl.cim.datasets import (
    add_fields,
    collect_dataset_fields,
    local_name,
    resolve_dataset,
    select_qualified,
    select_unqualified,
)
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.commands.lookup import align_columns
from harness.detection.languages.spl.commands.saved import names_saved_search, run_saved
from harness.detection.languages.spl.commands.stats import require_statistics
from harness.detection.languages.spl.conditions import SearchLowering
from harness.detection.languages.spl.indexed_fields import (
    derive_prefix_fields,
    name_prefix_fields,
    named_fields,
    only_indexed,
)
from harness.detection.languages.spl.lookups import build_lookup_rows
from harness.detection.languages.spl.mentions import walk_query
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, fresh_scope, matches_name_pattern
from harness.detection.languages.spl.statistics import expand_measures, flag, group_rows, option, without_missing
from harness.detection.languages.spl.syntax import Comparison, Measure, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.timespans import floor_to_span, span_unit
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.nodes import Union
from harness.diagnostics import SourceError, did_you_mean

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
    for name in ("summariesonly", "allow_old_summaries", "local", "include_reduced_buckets"):
        flag(arguments, name, False)
    unfinished, more = flag(arguments, "prestats", False), flag(arguments, "append", False)
    if more and not unfinished:
        word = option(arguments, "append") or stage
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
    word = option(arguments, "span")
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
    word = option(arguments, "fillnull_value")
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
    if option(arguments, "span") is not None:
        keys = (Word("_time", False, stage.span), *keys)
        arguments = replace(arguments, keys=keys)
        floor_time_to_span(scope, arguments)
    without_missing(scope, keys)
    group_rows(scope, keys, expand_measures(scope, arguments), stage.span)


@COMMANDS.define("datamodel", order="keeps", fields="remakes", raw="never", generating=True)
def datamodel(scope: Scope, stage: Stage) -> None:
    """The events of a dataset, its fields under qualified names; under their own after `flat`.

    Reference: reference/spl.md 9
    """
    found = bind_options(stage, "strict_fields", "allow_old_summaries", "summariesonly")
    words = [w.text for w in found.words]
    if len(words) < 3 or words[2].lower() not in ("search", "flat", "acceleration_search"):
        raise found.error("bad-argument", "`datamodel` needs a model, a dataset and `search`")
    root, child = resolve_dataset(f"{words[0]}.{words[1]}", found.words[0].span)
    if words[2].lower() == "flat":
        select_unqualified(scope, root, child, stage.span)
    else:
        select_qualified(scope, root, child, stage.span, local=True)


@COMMANDS.define("from", order="keeps", fields="remakes", raw=names_saved_search, subsearch="keeps", generating=True)
def from_(scope: Scope, stage: Stage) -> None:
    """A dataset's events, a table's rows or a saved search's: `from datamodel:Web.Web`, `from lookup:assets`.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "*")
    words = [w.text.strip('"') for w in found.words]
    kind, _, name = words[0].partition(":") if words else ("", "", "")
    name = name.strip('"') or (words[1] if len(words) > 1 else "")
    if kind.lower() == "datamodel" and name:
        root, child = resolve_dataset(name, found.words[-1].span)
        select_unqualified(scope, root, child, stage.span)
        return
    if kind.lower() in ("inputlookup", "lookup") and name:
        node, columns = build_lookup_rows(scope, name, found.words[-1].span)
        scope.replace(node, columns, events=False)
        return
    if kind.lower() == "savedsearch" and name:
        run_saved(scope, " ".join([name, *words[1 if name in words[0] else 2 :]]), found.words[0].span, {})
        return
    raise scope.unsupported(f"`from {kind}`", stage.span, "datamodel, lookup and savedsearch are")
