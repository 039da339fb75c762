"""The eval function that looks values up in a table."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, literal, text
from harness.detection.languages.spl.commands.lookup import output
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.jsontext import as_json, joined, quoted
from harness.detection.languages.spl.lookups import table, written
from harness.detection.languages.spl.matching import Wanted, matched
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalArguments, Expression, Invocation, Stage, String, Word
from harness.detection.plan.columns import Kind
from harness.diagnostics import SourceError

FORM = 'it is called as `lookup("table.csv", json_object("column", field, ...), json_array("column", ...))`'


@FUNCTIONS.define(shape="written")
def lookup(context: Context, name: Expression, inputs: Expression, outputs: Expression) -> Typed:
    r"""The columns of the row of a table whose keys agree, as an object; null without such a row.

        lookup("cim_corporate_web_domain_lookup", json_object("domain", "a.b"), json_array("domain")) -> null
        lookup("interesting_ports_lookup.csv", json_object("port", 22), json_array("is_prohibited"))  -> null

    Reference: Splunk Search Reference, Comparison and conditional functions
    """
    if not isinstance(name, String) or context.bound:
        raise SourceError("unsupported", "`lookup` needs the name of a table as text, outside mvmap", name.span)
    scope = context.scope
    given, wanted_columns = called(inputs, "json_object"), called(outputs, "json_array")
    if len(given) % 2:
        raise SourceError("bad-argument", "`json_object` takes columns and fields in turn", inputs.span, help=FORM)
    chosen = table(scope, name.value, name.span)
    columns = [text_of(c) for c in wanted_columns]
    keys: list[tuple[str, Word]] = []
    for key, field in zip(given[::2], given[1::2], strict=True):
        known(chosen.columns, text_of(key), key)
        mark = scope.session.fresh("given")
        scope.derive([(mark, text(context.value(field)))], field.span)
        keys.append((text_of(key), Word(mark, False, field.span)))
    for column, place in zip(columns, wanted_columns, strict=True):
        known(chosen.columns, column, place)
    targets = tuple((c, scope.session.fresh("taken")) for c in columns)
    rows = written(scope, name.value)
    wanted = Wanted(table=chosen, rows=rows, keys=tuple(keys), outputs=targets, only_new=False)
    found = matched(scope, wanted, Stage("lookup", EvalArguments(()), inputs.span))
    values = [(c, output(scope, wanted, target, found[c])) for c, target in targets]
    return shown(values)


def shown(values: list[tuple[str, Typed]]) -> Typed:
    """An object of the values found; null if there are none."""
    there = [v for _, v in values if v.kind is not Kind.NULL]
    if not there:
        return NOTHING
    pairs = [apply("concat", quoted(literal(c)), literal(":"), as_json(v)) for c, v in values]
    present = [apply("not", apply("is_null", v)) for v in there]
    any_found = present[0] if len(present) == 1 else apply("or", *present)
    return apply("if", any_found, joined("{", pairs, "}"), Typed(NOTHING.expression, Kind.TEXT))


def called(expression: Expression, name: str) -> tuple[Expression, ...]:
    """The arguments of a call of `name`."""
    if not isinstance(expression, Invocation) or expression.name != name:
        raise SourceError("bad-argument", f"`{name}(...)` is needed here", expression.span, help=FORM)
    return expression.arguments


def text_of(expression: Expression) -> str:
    """The name of a column, which is written as text."""
    if not isinstance(expression, String):
        raise SourceError("bad-argument", "the name of a column is needed, as text", expression.span, help=FORM)
    return expression.value


def known(columns: tuple[str, ...], name: str, written: Expression) -> None:
    """Refuses a column that the table lacks."""
    if columns and name not in columns:
        raise SourceError("unknown-column", f"the lookup table has no column `{name}`", written.span)
