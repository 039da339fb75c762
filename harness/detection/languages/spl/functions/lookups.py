"""The eval function that looks values up in a table."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.commands.lookup import build_output_value
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.jsontext import concat_json_parts, encode_as_json, quote_json_string
from harness.detection.languages.spl.lookups import find_written_rows, resolve_lookup
from harness.detection.languages.spl.matching import LookupRequest, add_matched_columns, match_lookup
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalArguments, EvalExpression, FunctionCall, Stage, String, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import SourceError

FORM = 'it is called as `lookup("table.csv", json_object("column", field, ...), json_array("column", ...))`'


@FUNCTIONS.define(shape="written")
def lookup(context: EvalContext, name: EvalExpression, inputs: EvalExpression, outputs: EvalExpression) -> Typed:
    r"""The columns of the row of a table whose keys agree, as an object; null without such a row.

        lookup("cim_corporate_web_domain_lookup", json_object("domain", "a.b"), json_array("domain")) -> null
        lookup("interesting_ports_lookup.csv", json_object("port", 22), json_array("is_prohibited"))  -> null

    Reference: Splunk Search Reference, Comparison and conditional functions
    """
    if not isinstance(name, String) or context.bound:
        raise SourceError("unsupported", "`lookup` needs the name of a table as text, outside mvmap", name.span)
    scope = context.scope
    given, wanted_columns = match_call(inputs, "json_object"), match_call(outputs, "json_array")
    if len(given) % 2:
        raise SourceError("bad-argument", "`json_object` takes columns and fields in turn", inputs.span, help=FORM)
    chosen = resolve_lookup(scope, name.value, name.span)
    columns = [find_column_name(c) for c in wanted_columns]
    keys: list[tuple[str, Word]] = []
    for key, field in zip(given[::2], given[1::2], strict=True):
        check_table_column(chosen.columns, find_column_name(key), key)
        mark = scope.session.fresh("given")
        scope.derive([(mark, as_text(context.value(field)))], field.span)
        keys.append((find_column_name(key), Word(mark, False, field.span)))
    for column, place in zip(columns, wanted_columns, strict=True):
        check_table_column(chosen.columns, column, place)
    targets = tuple((c, scope.session.fresh("taken")) for c in columns)
    rows = find_written_rows(scope, name.value)
    wanted = LookupRequest(table=chosen, rows=rows, keys=tuple(keys), outputs=targets, only_new=False)
    found = match_lookup(scope, wanted, Stage("lookup", EvalArguments(()), inputs.span))
    add_matched_columns(scope, found)
    values = [(c, build_output_value(scope, wanted, target, found.values[c])) for c, target in targets]
    return build_lookup_object(values)


def build_lookup_object(values: list[tuple[str, Typed]]) -> Typed:
    """An object of the values found; null if there are none."""
    there = [v for _, v in values if v.kind is not Kind.NULL]
    if not there:
        return TYPED_NULL
    pairs = [ops.concat(quote_json_string(literal(c)), literal(":"), encode_as_json(v)) for c, v in values]
    present = [ops.not_(ops.is_null(v)) for v in there]
    any_found = present[0] if len(present) == 1 else apply(ops.or_, *present)
    return ops.if_(any_found, concat_json_parts("{", pairs, "}"), Typed(TYPED_NULL.expression, Kind.TEXT))


def match_call(expression: EvalExpression, name: str) -> tuple[EvalExpression, ...]:
    """The arguments of a call of `name`."""
    if not isinstance(expression, FunctionCall) or expression.name != name:
        raise SourceError("bad-argument", f"`{name}(...)` is needed here", expression.span, help=FORM)
    return expression.arguments


def find_column_name(expression: EvalExpression) -> str:
    """The name of a column, which is written as text."""
    if not isinstance(expression, String):
        raise SourceError("bad-argument", "the name of a column is needed, as text", expression.span, help=FORM)
    return expression.value


def check_table_column(columns: tuple[str, ...], name: str, written: EvalExpression) -> None:
    """Refuses a column that the table lacks."""
    if columns and name not in columns:
        raise SourceError("unknown-column", f"the lookup table has no column `{name}`", written.span)
