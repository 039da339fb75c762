"""Commands over data models and metrics: tstats, datamodel, from, mstats."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.cim.datasets import dataset, plain, qualified
from harness.detection.languages.spl.cim.events import enrich
from harness.detection.languages.spl.coercion import apply, literal, number, text
from harness.detection.languages.spl.commands.stats import statistics
from harness.detection.languages.spl.conditions import Search
from harness.detection.languages.spl.lookups import table_rows
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import group, measures, option, without_missing
from harness.detection.languages.spl.syntax import Stage, StatisticsArguments, Word
from harness.detection.languages.spl.timespans import floor_to, span_unit
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError


@COMMANDS.define("tstats", shape="stats", generating=True)
def tstats(scope: Scope, stage: Stage) -> None:
    """Aggregates over a data model's dataset; rows that lack a BY field are dropped unless `fillnull_value` is given.

    Reference: reference/spl.md 9.1
    """
    arguments = statistics(stage)
    if not arguments.measures:
        raise SourceError("missing-aggregate", "`tstats` needs an aggregate", stage.span, help="such as `count`")
    if arguments.dataset is not None:
        found, child = dataset(arguments.dataset.text, arguments.dataset.span)
        qualified(scope, found, child, arguments.dataset.span)
    else:
        enrich(scope)
    conditioned(scope, stage, arguments)
    spanned(scope, arguments)
    filled(scope, arguments)
    without_missing(scope, arguments.keys)
    group(scope, arguments.keys, measures(scope, arguments), stage.span)


def conditioned(scope: Scope, stage: Stage, arguments: StatisticsArguments) -> None:
    """Applies WHERE, whose subsearches may need a join."""
    if arguments.where is None:
        return
    before, below = dict(scope.columns), scope.node
    found = Search(scope).condition(arguments.where)
    joined = scope.node is not below
    scope.filter(found.expression, stage.span)
    if joined:
        scope.columns = before
        scope.keep(list(before))


def spanned(scope: Scope, arguments: StatisticsArguments) -> None:
    """Moves `_time` down to its span if it is a BY field with one."""
    word = option(arguments, "span")
    if word is None or not any(k.text == "_time" for k in arguments.keys):
        return
    span = span_unit(word.text)
    if span is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span of time", word.span, help="write `1h`")
    time = number(scope.typed("_time"))
    if time.kind is not Kind.NULL:
        scope.derive([("_time", floor_to(time, span, scope.settings.zone))], word.span)


def filled(scope: Scope, arguments: StatisticsArguments) -> None:
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
            added.append((key.text, apply("coalesce", value, apply("list", literal(word.text)))))
        else:
            added.append((key.text, apply("coalesce", text(value), literal(word.text))))
    scope.derive(added, word.span)


@COMMANDS.define("mstats", shape="stats", generating=True)
def mstats(scope: Scope, stage: Stage) -> None:
    """Aggregates over metrics, which are events with a numeric field for each metric.

    Reference: reference/spl.md 14.1
    """
    arguments = statistics(stage)
    conditioned(scope, stage, arguments)
    keys = arguments.keys
    if option(arguments, "span") is not None:
        keys = (Word("_time", False, stage.span), *keys)
        arguments = StatisticsArguments(
            arguments.options, arguments.measures, arguments.dataset, arguments.where, arguments.over, keys
        )
        spanned(scope, arguments)
    without_missing(scope, keys)
    group(scope, keys, measures(scope, arguments), stage.span)


@COMMANDS.define("datamodel", generating=True)
def datamodel(scope: Scope, stage: Stage) -> None:
    """The events of a dataset, its fields under qualified names; under their own after `flat`.

    Reference: reference/spl.md 9
    """
    found = given(stage, "strict_fields", "allow_old_summaries", "summariesonly")
    words = [w.text for w in found.words]
    if len(words) < 3 or words[2].lower() not in ("search", "flat", "acceleration_search"):
        raise found.error("bad-argument", "`datamodel` needs a model, a dataset and `search`")
    root, child = dataset(f"{words[0]}.{words[1]}", found.words[0].span)
    view = plain if words[2].lower() == "flat" else qualified
    view(scope, root, child, stage.span)


@COMMANDS.define("from", generating=True)
def from_(scope: Scope, stage: Stage) -> None:
    """The events of a dataset, or the rows of a lookup table: `from datamodel:Web.Web`, `from lookup:assets`.

    Reference: reference/spl.md 7
    """
    found = given(stage, "*")
    words = [w.text.strip('"') for w in found.words]
    kind, _, name = words[0].partition(":") if words else ("", "", "")
    name = name.strip('"') or (words[1] if len(words) > 1 else "")
    if kind.lower() == "datamodel" and name:
        root, child = dataset(name, found.words[-1].span)
        plain(scope, root, child, stage.span)
        return
    if kind.lower() in ("inputlookup", "lookup") and name:
        node, columns = table_rows(scope, name, found.words[-1].span)
        scope.replace(node, columns, events=False)
        return
    raise scope.unsupported(f"`from {kind}`", stage.span, "datamodel and lookup are")
