"""Commands that put fields of other rows beside a row's own: join, selfjoin, appendcols."""

from __future__ import annotations

from harness.detection.languages.spl.aggregation import build_key_conditions
from harness.detection.languages.spl.arguments import BoundOptions, bind_options, find_unnamed_effect
from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.commands.map import names_saved_search, resolve_from_dataset
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Pipeline, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, merge_kinds
from harness.detection.plan.nodes import Frame, Join, JoinKind, Limit, Node, Select, Unnest, Window
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError
from harness.record import record

# The limit of a subsearch of join (reference/spl.md 1.9).
MOST_JOINED = 50_000
JOIN_OPTIONS = ("type", "usetime", "earlier", "overwrite", "max", "keepsingle", "left", "right")


@record(kw_only=True)
class Partners:
    """The rows to join made ready: their relation, their keys under names of their own, the columns to take."""

    rows: Node
    marks: list[str]
    taken: list[str]
    time: str = ""


def require_one_subsearch(stage: Stage, pipelines: tuple[Pipeline, ...], scope: Scope) -> Pipeline:
    """The one pipeline in brackets that a command needs."""
    if len(pipelines) != 1:
        how_many = "several pipelines" if pipelines else "no pipeline"
        raise scope.unsupported(f"`{stage.name}` with {how_many} in brackets", stage.span)
    return pipelines[0]


def describe_subsearch_limit(stage: Stage) -> tuple[str, str | None]:
    """What lint tells of the rows that a command takes of its subsearch."""
    return f"the subsearch of `{stage.name}` stops at {MOST_JOINED:,} rows and 60 seconds", None


@COMMANDS.define(
    "join",
    order="keeps",
    fields=find_unnamed_effect,
    raw=names_saved_search,
    subsearch="reads",
    limit=describe_subsearch_limit,
)
def join(scope: Scope, stage: Stage) -> None:
    """Rows with the fields of the first row of a subsearch that agrees in the keys.

    Reference: Splunk Search Reference, join; reference/spl.md 7
    """
    found = bind_options(stage, *JOIN_OPTIONS, *(o for o in collect_alias_arguments(stage)))
    words, inner = other_side(scope, stage, found)
    kind = JoinKind.INNER if found.choice("type", "inner", "inner", "left", "outer") == "inner" else JoinKind.LEFT
    equal = apply_side_aliases(scope, inner, found)
    # `where` between the aliases and the conditions is a word to the grammar of commands.
    words = [w for w in words if not (equal and w.text.lower() == "where")]
    # Without a field list all common fields are keys (reference/spl.md 7).
    names = [w.text for w in words] or [n for n in scope.columns if n in inner.columns and n[0] not in "_@"]
    pairs = equal or [(n, n) for n in names]
    overwrite = found.flag("overwrite", True)
    # Keys of one name are the same on both sides; with aliases each side keeps its own.
    own = {b for _, b in pairs} if not equal else set()
    taken = [n for n in inner.columns if n not in own and n[0] not in "_@" and (overwrite or n not in scope.columns)]
    partners = build_partner_keys(scope, inner, pairs, taken, kind, timed=found.flag("usetime"))
    if kind is JoinKind.INNER:
        # The partner's value stands in every row that stays, so the row's own is not needed.
        scope.keep([n for n in scope.columns if n not in taken])
    # `max=1`: the first matching row (reference/spl.md 1.9); 0 is without limit.
    most = found.number("max", 1)
    left = [as_text(scope.typed(a, stage.span)).expression for a, _ in pairs]
    scope.node = Join(
        left=scope.node,
        right=partners.rows,
        kind=kind,
        keys=tuple(zip(left, (Column(m) for m in partners.marks), strict=True)),
        condition=build_partner_time_test(scope, partners, found),
        columns=tuple((n, Column(n)) for n in taken),
        most=most or None,
        span=stage.span,
    )
    for name in taken:
        # A row without a partner keeps its own value, so the column has to hold both kinds.
        scope.columns[name] = merge_kinds(scope.columns.get(name, Kind.NULL), inner.columns[name])
        scope.defined.add(name)


def collect_alias_arguments(stage: Stage) -> list[str]:
    """Names of the arguments `L.a=R.b` after WHERE, which look like options."""
    items = getattr(stage.arguments, "items", ())
    return [i.name.lower() for i in items if hasattr(i, "operator") and "." in i.name]


def other_side(scope: Scope, stage: Stage, found: BoundOptions) -> tuple[list[Word], Scope]:
    """The key words, and the rows of the pipeline or of the dataset that is named."""
    named = [w for w in found.words if ":" in w.text and not w.quoted]
    if named and not found.pipelines:
        return [w for w in found.words if w is not named[-1]], resolve_from_dataset(scope, named[-1])
    return list(found.words), scope.subsearch(require_one_subsearch(stage, found.pipelines, scope))


def apply_side_aliases(scope: Scope, inner: Scope, found: BoundOptions) -> list[tuple[str, str]]:
    """The pairs of `left=L right=R where L.a=R.b`; the fields of both sides are then named by their side."""
    left, right = found.text("left", ""), found.text("right", "")
    written = [o for o in found.options.values() if "." in o.name and isinstance(o.value, Word)]
    if not written:
        return []
    if not (left and right):
        help = "write `join left=L right=R where L.f=R.g [...]`"
        raise SourceError("bad-argument", "a condition of `join` needs `left` and `right`", written[0].span, help=help)
    for side, alias in ((scope, left), (inner, right)):
        side.select([(n if n[0] == "_" else f"{alias}.{n}", side.typed(n)) for n in side.columns if n[0] != "@"])
    pairs = []
    for option in written:
        sides = (option.name, option.value.text if isinstance(option.value, Word) else "")
        pair = sides if sides[0].startswith(left + ".") else sides[::-1]
        if not (pair[0].startswith(left + ".") and pair[1].startswith(right + ".")):
            raise SourceError("bad-argument", "each side of the condition names one alias", option.span)
        pairs.append((pair[0], pair[1]))
    return pairs


def build_partner_keys(
    scope: Scope,
    inner: Scope,
    pairs: list[tuple[str, str]],
    taken: list[str],
    kind: JoinKind = JoinKind.INNER,
    *,
    timed: bool = False,
) -> Partners:
    """The rows of a subsearch, keys as text under names of their own; a key of several values counts by each.

    Rows without a key have no partner; they stay where the join keeps such rows.
    """
    for side, names in ((scope, [a for a, _ in pairs]), (inner, [b for _, b in pairs])):
        for name in names:
            if side.columns.get(name) is Kind.LIST:
                stays = side is scope and kind is not JoinKind.INNER
                side.node = Unnest(source=side.node, column=name, keep_empty=stays)
                side.columns[name] = Kind.TEXT
    marks = [scope.session.fresh("key") for _ in pairs]
    keys = [(m, as_text(inner.typed(n)).expression) for m, (_, n) in zip(marks, pairs, strict=True)]
    time = scope.session.fresh("when") if timed else ""
    when = [(time, as_number(inner.typed("_time")).expression)] if timed else []
    columns: list[tuple[str, Expression]] = [(n, Column(n)) for n in taken]
    # Keys compare as text, exactly and with case (reference/spl.md 7).
    rows = Select(source=Limit(source=inner.node, count=MOST_JOINED), columns=(*keys, *when, *columns))
    return Partners(rows=rows, marks=marks, taken=taken, time=time)


def build_partner_time_test(scope: Scope, partners: Partners, found: BoundOptions) -> Expression | None:
    """The condition that a partner is not later, or not earlier, than the row."""
    if not partners.time:
        return None
    before = found.flag("earlier", True)
    own, other = as_number(scope.typed("_time")), Typed(Column(partners.time), Kind.NUMBER)
    whole = [ops.floor(v) for v in (other, own)]
    return apply(ops.less_equal if before else ops.greater_equal, *whole).expression


@COMMANDS.define("selfjoin", order="reads", fields="keeps", raw="never")
def selfjoin(scope: Scope, stage: Stage) -> None:
    """Each row with the next one that agrees in the fields, or the next `max`; the values of the next one win.

    Reference: Splunk Search Reference, selfjoin
    """
    found = bind_options(stage, "max", "overwrite", "keepsingle")
    if not found.words:
        raise found.error("missing-field", "`selfjoin` needs a field")
    if found.number("max", 1) != 1:
        several_others(scope, stage, found)
        return
    place = found.words[0].span.to(found.words[-1].span)
    # Rows with a null key match nothing.
    scope.filter(all_of(tuple(build_key_conditions(scope, found.words)), place), place)
    kept = [n for n in scope.columns if n[0] != "@"]
    keys = {w.text for w in found.words}
    partition = tuple(Column(w.text) for w in found.words)
    marks = {n: scope.session.fresh("next") for n in kept if n not in keys and scope.columns[n] is not Kind.NULL}
    after, size = scope.session.fresh("after"), scope.session.fresh("size")
    one = literal(1.0).expression
    leads = [(m, ops.lead(Column(n), one)) for n, m in marks.items()]
    follows = (after, ops.lead(Column(size), one))
    counted = Window(source=scope.node, partition=partition, measures=((size, ops.count()),), span=stage.span)
    scope.node = Window(
        source=counted, partition=partition, measures=(*leads, follows), frame=Frame.RUNNING, span=stage.span
    )
    # `keepsingle=t` keeps rows that agree with no other, not the last one of several.
    alone = ops.equal(Typed(Column(size), Kind.NUMBER), literal(1.0)).expression
    has_next = ops.not_(ops.is_null(Column(after)))
    scope.filter(ops.or_(has_next, alone) if found.flag("keepsingle") else has_next, stage.span)
    made = []
    for name, mark in marks.items():
        both = [Typed(Column(mark), scope.columns[name]), scope.typed(name)]
        made.append((name, apply(ops.coalesce, *(both if found.flag("overwrite", True) else both[::-1]))))
    scope.derive(made, stage.span)
    scope.keep(kept)


def several_others(scope: Scope, stage: Stage, found: BoundOptions) -> None:
    """Each row with each of the next rows that agree, so many at most; 0 is without limit."""
    scope.filter(all_of(tuple(build_key_conditions(scope, found.words)), stage.span), stage.span)
    kept = [n for n in scope.columns if n[0] != "@" and scope.columns[n] is not Kind.NULL]
    keys = [w.text for w in found.words]
    # No row agrees in a column that none has: the filter has left nothing.
    if any(k not in kept for k in keys):
        return
    place, size = scope.session.fresh("place"), scope.session.fresh("size")
    add_row_number(scope, place, stage)
    by_keys = tuple(Column(k) for k in keys)
    counted = ((size, ops.count()),)
    scope.node = Window(source=scope.node, partition=by_keys, measures=counted, span=stage.span)
    marks = {n: scope.session.fresh("next") for n in (*kept, place)}
    right = Select(source=scope.node, columns=tuple((m, Column(n)) for n, m in marks.items()))
    alone = found.flag("keepsingle")
    scope.node = Join(
        left=scope.node,
        right=right,
        kind=JoinKind.LEFT if alone else JoinKind.INNER,
        keys=tuple((Column(k), Column(marks[k])) for k in keys),
        # Only later rows: each pair once, and no row with itself.
        condition=ops.less(Column(place), Column(marks[place])),
        columns=tuple((m, Column(m)) for m in marks.values()),
        most=found.number("max", 1) or None,
        span=stage.span,
    )
    single = ops.equal(Typed(Column(size), Kind.NUMBER), literal(1.0)).expression
    if alone:
        joined = ops.not_(ops.is_null(Column(marks[place])))
        scope.filter(ops.or_(joined, single), stage.span)
    made = []
    for name in kept:
        both = [Typed(Column(marks[name]), scope.columns[name]), scope.typed(name)]
        made.append((name, apply(ops.coalesce, *(both if found.flag("overwrite", True) else both[::-1]))))
    scope.derive(made, stage.span)
    scope.keep(kept)


@COMMANDS.define(
    "appendcols", order="reads", fields="keeps", raw="never", subsearch="reads", limit=describe_subsearch_limit
)
def appendcols(scope: Scope, stage: Stage) -> None:
    """The fields of the first row of a subsearch for the first row, of the second for the second, and so on.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "override", "extendtimerange", "maxtime", "maxout", "timeout")
    found.at_most(0)
    found.without_effect(scope, "maxtime", "timeout", "extendtimerange")
    inner = scope.subsearch(require_one_subsearch(stage, found.pipelines, scope))
    inner.node = Limit(source=inner.node, count=found.number("maxout", MOST_JOINED), span=stage.span)
    override = found.flag("override")
    # Fields that begin with `_` are not copied (reference/spl.md 7).
    taken = [n for n in inner.columns if n[0] not in "_@" and (override or n not in scope.columns)]
    place, other = scope.session.fresh("place"), scope.session.fresh("place")
    before = list(scope.columns)
    add_row_number(scope, place, stage)
    add_row_number(inner, other, stage)
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


def add_row_number(scope: Scope, column: str, stage: Stage) -> None:
    """Adds the place of each row."""
    place = ops.row_number()
    scope.node = Window(source=scope.node, measures=((column, place),), frame=Frame.RUNNING, span=stage.span)
