"""Commands about stretches of time: concurrency and localize."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.commands.sessions import parse_time_limit
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import NEWEST_FIRST, Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Frame, Sort, Union, Window
from harness.detection.plan.operation import TYPED_NULL, Typed


@COMMANDS.define("concurrency", order="keeps", fields="keeps", raw="never")
def concurrency(scope: Scope, stage: Stage) -> None:
    """How many rows last at the time at which each row begins, itself included, in `concurrency`.

    Reference: Splunk Search Reference, concurrency
    """
    found = bind_options(stage, "duration", "start", "output")
    if "duration" not in found.options:
        raise found.error("missing-option", "`concurrency` needs `duration=` and a field")
    target = found.text("output", "concurrency")
    length = as_number(scope.typed(found.text("duration", ""), found.options["duration"].span))
    begin = as_number(scope.typed(found.text("start", "_time")))
    if Kind.NULL in (length.kind, begin.kind):
        return
    length = ops.coalesce(length, literal(0.0))
    kept, session = list(scope.columns), scope.session
    place, moment, phase, step, total = (session.fresh(n) for n in ("place", "moment", "phase", "step", "total"))
    numbered = Window(source=scope.node, measures=((place, ops.row_number()),), frame=Frame.RUNNING)
    whole = scope.branch()
    whole.node = numbered
    lasting = ops.if_(ops.greater(length, literal(0.0)), literal(0.0), literal(2.0))
    ends, starts = whole.branch(), whole.branch()
    ends.derive([(moment, ops.add(begin, length)), (phase, lasting), (step, literal(-1.0))])
    starts.derive([(moment, begin), (phase, literal(1.0)), (step, literal(1.0))])
    both = Union(sources=(starts.node, ends.node), span=stage.span)
    known = ops.not_(ops.is_null(Column(moment)))
    timed = Sort(source=Filter(source=both, condition=known), keys=(SortKey(Column(moment)), SortKey(Column(phase))))
    running = ((total, ops.sum(Column(step))),)
    summed = Window(source=timed, measures=running, frame=Frame.RUNNING, span=stage.span)
    first = Filter(source=summed, condition=ops.equal(Column(step), literal(1.0).expression))
    peak = ((target, ops.maximum(Column(total))),)
    scope.node = Window(source=first, partition=(Column(moment),), measures=peak, span=stage.span)
    scope.node = Sort(source=scope.node, keys=(SortKey(Column(place)),))
    scope.columns[target] = Kind.NUMBER
    scope.defined.add(target)
    scope.keep(list(dict.fromkeys([*kept, target])))


@COMMANDS.define("localize", order="reads", fields="keeps", raw="never")
def localize(scope: Scope, stage: Stage) -> None:
    """Stretches of time in which events follow one another without a longer pause, the newest first.

    Reference: Splunk Search Reference, localize
    """
    found = bind_options(stage, "maxpause", "timeafter", "timebefore")
    time = as_number(scope.typed("_time"))
    region = scope.session.fresh("region")
    pause = parse_time_limit(found, "maxpause") if "maxpause" in found.options else 60.0
    limits = (TYPED_NULL, literal(pause), TYPED_NULL, literal(True), literal(True), literal(False))
    arguments = (*limits, time, TYPED_NULL, TYPED_NULL)
    measure = ops.session_of(*tuple(a.expression for a in arguments))
    ordered = Sort(source=scope.node, keys=(SortKey(Column("_time"), descending=True),))
    windowed = Window(source=ordered, measures=((region, measure),), frame=Frame.RUNNING, span=stage.span)
    bounds = {
        "_time": ops.minimum(time.expression),
        "endtime": ops.maximum(time.expression),
        "count": ops.count(),
    }
    node = Aggregate(source=windowed, keys=((region, Column(region)),), measures=tuple(bounds.items()), span=stage.span)
    scope.replace(node, dict.fromkeys(bounds, Kind.NUMBER), events=False)
    first, last = scope.typed("_time"), scope.typed("endtime")
    range_of = ops.subtract(last, first)
    before, after = parse_region_edge(found, "timebefore"), parse_region_edge(found, "timeafter")
    scope.derive(
        [
            ("starttime", ops.subtract(first, before)),
            ("endtime", ops.add(last, after)),
            ("duration", range_of),
            ("density", ops.divide(scope.typed("count"), range_of)),
        ]
    )
    scope.keep([n for n in scope.columns if not n.startswith("@")])
    scope.node = Sort(source=scope.node, keys=NEWEST_FIRST[:1], span=stage.span)


def parse_region_edge(found: BoundOptions, name: str) -> Typed:
    """The seconds by which a stretch grows at one end."""
    return literal(parse_time_limit(found, name) or 0.0 if name in found.options else 30.0)
