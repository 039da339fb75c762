"""The command that counts how often items go together: cofilter."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import as_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.statistics import without_missing
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Join, JoinKind, Select, Window


@COMMANDS.define("cofilter", order="forgets", fields="keeps", raw="never")
def cofilter(scope: Scope, stage: Stage) -> None:
    """For each two items how many users have the one, the other, and both: `cofilter user item`.

    Reference: Splunk Search Reference, cofilter
    """
    found = bind_options(stage)
    if len(found.words) != 2:
        raise found.error("bad-argument", "`cofilter` needs a field of users and a field of items")
    found.at_most(2)
    without_missing(scope, found.words)
    user, item = (as_text(scope.typed(w.text, w.span)).expression for w in found.words)
    pairs = Aggregate(source=scope.node, keys=(("@user", user), ("@one", item)), measures=(), span=stage.span)
    alone = (("@users", ops.count()),)
    counted = Window(source=pairs, partition=(Column("@one"),), measures=alone, span=stage.span)
    columns = (("@whose", Column("@user")), ("@other", Column("@one")), ("@others", Column("@users")))
    both = Join(
        left=counted,
        right=Select(source=counted, columns=columns),
        kind=JoinKind.INNER,
        keys=((Column("@user"), Column("@whose")),),
        condition=ops.less(Column("@one"), Column("@other")),
        columns=(("@other", Column("@other")), ("@others", Column("@others"))),
        span=stage.span,
    )
    shown = {"Item 1": "@one", "Item 1 user count": "@users", "Item 2": "@other", "Item 2 user count": "@others"}
    node = Aggregate(
        source=both,
        keys=tuple((name, Column(column)) for name, column in shown.items()),
        measures=(("Pair count", ops.count()),),
        span=stage.span,
    )
    kinds = dict.fromkeys((*shown, "Pair count"), Kind.NUMBER) | {"Item 1": Kind.TEXT, "Item 2": Kind.TEXT}
    scope.replace(node, kinds, events=False)
