"""A function of CQL in a file of its own."""

from __future__ import annotations

from harness.detection.languages.cql.arguments import Name
from harness.detection.languages.cql.functions.group_by import head
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder, WrittenText
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Expression, Literal


@FUNCTIONS.value("text:shout", into="_shout", written=WrittenText.WORDS)
def shout(row: RowScope, string: Expression, *, mark: str = "!") -> Expression:
    """The text in capitals with a mark behind it.

        a := "hey" | text:shout(a) -> _shout=HEY!

    Reference: none
    """
    return ops.concat(ops.upper(row.text(string)), Literal(mark))


@FUNCTIONS.step("echo", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.NEEDS)
def echo(flow: Scope, field: Name) -> None:
    """The field of the first row.

    Reference: none
    """
    head(flow, 1)
    flow.select([(field, RowScope(flow).read(field))], flow.span)
