"""Commands with a pipeline in brackets: join, append, appendcols, appendpipe, union, multisearch."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.coercion import text
from harness.detection.languages.spl.commands.lookup import aligned, joined
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import ORDER, Scope
from harness.detection.languages.spl.syntax import Pipeline, Stage
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Column, Expression
from harness.detection.plan.nodes import Frame, Join, JoinKind, Limit, Node, Select, Sort, Union, Unnest, Window

MOST_JOINED = 50_000
MOST_APPENDED = 50_000


def only(stage: Stage, pipelines: tuple[Pipeline, ...], scope: Scope) -> Pipeline:
    """The one pipeline in brackets that a command needs."""
    if len(pipelines) != 1:
        raise scope.unsupported(f"`{stage.name}` without a pipeline in brackets", stage.span)
    return pipelines[0]


@COMMANDS.define("join", "selfjoin")
def join(scope: Scope, stage: Stage) -> None:
    """Rows with the fields of the first row of a subsearch that agrees in the keys.

    Reference: reference/spl.md 7
    """
    found = given(stage, "type", "usetime", "earlier", "overwrite", "max", "keepsingle")
    inner = scope.subsearch(only(stage, found.pipelines, scope))
    names = [w.text for w in found.words] or [n for n in scope.columns if n in inner.columns and n[0] not in "_@"]
    overwrite = found.flag("overwrite", True)
    taken = [n for n in inner.columns if n not in names and n[0] not in "_@" and (overwrite or n not in scope.columns)]
    most = found.number("max", 1)
    kind = JoinKind.INNER if found.text("type", "inner").lower() == "inner" else JoinKind.LEFT
    rows, marks = keyed(scope, inner, names, taken)
    for name in taken:
        if scope.columns.get(name, Kind.NULL) not in (Kind.NULL, inner.columns[name]):
            inner_kind, own = inner.columns[name], scope.columns[name]
            if Kind.LIST in (inner_kind, own) or kind is JoinKind.INNER:
                scope.keep([n for n in scope.columns if n != name])
            else:
                scope.derive([(name, text(scope.typed(name)))])
    left = [text(scope.typed(n, stage.span)).expression for n in names]
    scope.node = Join(
        left=scope.node,
        right=rows,
        kind=kind,
        keys=tuple(zip(left, (Column(m) for m in marks), strict=True)),
        columns=tuple((n, Column(n)) for n in taken),
        most=most or None,
        span=stage.span,
    )
    for name in taken:
        scope.columns[name] = inner.columns[name]
        scope.defined.add(name)


def keyed(scope: Scope, inner: Scope, names: list[str], taken: list[str]) -> tuple[Node, list[str]]:
    """The rows of a subsearch with its keys as text under names of their own."""
    for name in names:
        for side in (scope, inner):
            if side.columns.get(name) is Kind.LIST:
                side.node = Unnest(source=side.node, column=name)
                side.columns[name] = Kind.TEXT
    marks = [scope.session.fresh("key") for _ in names]
    keys = [(m, text(inner.typed(n)).expression) for m, n in zip(marks, names, strict=True)]
    columns: list[tuple[str, Expression]] = [(n, Column(n)) for n in taken]
    return Select(source=Limit(source=inner.node, count=MOST_JOINED), columns=(*keys, *columns)), marks


@COMMANDS.define("append")
def append(scope: Scope, stage: Stage) -> None:
    """The rows of a subsearch after those there are.

    Reference: reference/spl.md 7
    """
    found = given(stage, "extendtimerange", "maxtime", "maxout", "timeout")
    inner = scope.subsearch(only(stage, found.pipelines, scope))
    inner.node = Limit(source=inner.node, count=found.number("maxout", MOST_APPENDED), span=stage.span)
    joined(scope, inner, stage)


@COMMANDS.define("appendpipe")
def appendpipe(scope: Scope, stage: Stage) -> None:
    """The rows that a pipeline makes of the current ones, after these.

    Reference: reference/spl.md 7
    """
    found = given(stage, "run_in_preview")
    inner = scope.branch()
    scope.session.run(only(stage, found.pipelines, scope), inner)
    joined(scope, inner, stage)


@COMMANDS.define("appendcols")
def appendcols(scope: Scope, stage: Stage) -> None:
    """The fields of the first row of a subsearch for the first row, of the second for the second, and so on.

    Reference: reference/spl.md 7
    """
    found = given(stage, "override", "extendtimerange", "maxtime", "maxout", "timeout")
    inner = scope.subsearch(only(stage, found.pipelines, scope))
    override = found.flag("override")
    taken = [n for n in inner.columns if n[0] not in "_@" and (override or n not in scope.columns)]
    place, other = scope.session.fresh("place"), scope.session.fresh("place")
    before = list(scope.columns)
    numbered(scope, place, stage)
    numbered(inner, other, stage)
    scope.node = Join(
        left=scope.node,
        right=inner.node,
        kind=JoinKind.LEFT,
        keys=((Column(place), Column(other)),),
        columns=tuple((n, Column(n)) for n in taken),
        span=stage.span,
    )
    for name in taken:
        scope.columns[name] = inner.columns[name]
        scope.defined.add(name)
    scope.keep(dict.fromkeys([*before, *taken]))


def numbered(scope: Scope, column: str, stage: Stage) -> None:
    """Adds the place of each row."""
    place = Aggregation("row_number", ())
    scope.node = Window(source=scope.node, measures=((column, place),), frame=Frame.RUNNING, span=stage.span)


@COMMANDS.define("union", "multisearch", generating=True)
def union(scope: Scope, stage: Stage) -> None:
    """The rows of several pipelines; those that are events in the order of time.

    Reference: reference/spl.md 7
    """
    found = given(stage, "maxtime", "maxout", "timeout")
    parts = [scope.subsearch(p) for p in found.pipelines]
    if not parts or found.words:
        raise scope.unsupported(f"`{stage.name}` of anything but pipelines in brackets", stage.span)
    first = scope if not scope.first else parts.pop(0)
    target = first if first is scope else scope
    if first is not scope:
        scope.replace(first.node, first.columns)
        scope.events, scope.defined = first.events, set(first.defined)
    for part in parts:
        left, right = aligned(target, part)
        target.node = Union(sources=(left, right), span=stage.span)
        target.events = target.events and part.events
    if stage.name == "multisearch" and "_time" in target.columns:
        target.node = Sort(source=target.node, keys=ORDER[:1], span=stage.span)


@COMMANDS.define("set", generating=True)
def set_(scope: Scope, stage: Stage) -> None:
    """The union, the difference or the intersection of two pipelines' rows.

    Reference: reference/spl.md 3.1
    """
    found = given(stage)
    word = found.words[0].text.lower() if found.words else ""
    if word not in ("union", "diff", "intersect") or len(found.pipelines) != 2:
        raise found.error("bad-argument", "`set` needs union, diff or intersect and two pipelines")
    left, right = (scope.subsearch(p) for p in found.pipelines)
    names = [n for n in left.columns if n in right.columns and n[0] not in "_@"]
    if word == "union":
        scope.replace(left.node, left.columns, events=False)
        joined(scope, right, stage)
        return
    rows, marks = keyed(left, right, names, [])
    keys = tuple((text(left.typed(n)).expression, Column(m)) for n, m in zip(names, marks, strict=True))
    if word == "intersect":
        scope.replace(Join(left=left.node, right=rows, kind=JoinKind.SEMI, keys=keys), left.columns, events=False)
        return
    backwards, other = keyed(right, left, names, [])
    mirrored = tuple((text(right.typed(n)).expression, Column(m)) for n, m in zip(names, other, strict=True))
    only_left = Join(left=left.node, right=rows, kind=JoinKind.ANTI, keys=keys)
    only_right = Join(left=right.node, right=backwards, kind=JoinKind.ANTI, keys=mirrored)
    right.node = only_right
    scope.replace(only_left, left.columns, events=False)
    joined(scope, right, stage)
