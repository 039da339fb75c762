"""Fields that stand in texts: those that the query names, and those that only the events can name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from harness.detection.languages.cql.asking import ask_rows
from harness.detection.languages.cql.flow import ARRAY_MEMBER, RowScope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Node, Unnest
from harness.detection.plan.values.records import CEF_HEADER, LEEF_HEADER
from harness.diagnostics import Severity

MOST_NAMES = 1_000
FIELD = re.compile(r"[^\x00-\x1f\"\\*]+")
ARRAY_ELEMENT_NAME = re.compile(r"(.*)\[\d+\]", re.S)


def flatten_text_fields(row: RowScope, text: Expression, reader: str, options: Mapping[str, object]) -> Expression:
    """The fields of a text as a flat object."""
    given = json.dumps(options, sort_keys=True)
    return row.keep(ops.record_fields(text, Literal(reader), Literal(given)))


def take_out(
    row: RowScope, flat: Expression, start: str, *, always: Sequence[str] = (), numbered: bool = False
) -> Iterator[tuple[str, Expression]]:
    """The fields of a flat object with their names, which begin with `start`.

    Where repeated fields are `numbered`, the first one has a name without number too, for queries that mention it.
    """
    named = [n.removeprefix(start) for n in collect_names_with_prefix(row, start)]
    known = ask_flat_names(row, flat, numbered)
    if known is not None:
        arrays = [n for n in known if n.endswith("[]") and n in named]
        named = [*arrays, *(n for n in known if not n.endswith("[]"))]
    names = list(dict.fromkeys((*always, *named)))
    whole = {n.removesuffix("[]") for n in names if n.endswith("[]")}
    for name in names:
        found = ARRAY_ELEMENT_NAME.fullmatch(name) or (ARRAY_MEMBER.fullmatch(name) if known is None else None)
        if found and found[1] in whole:
            continue
        way = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if name.endswith("[]"):
            yield start + name, ops.json_list(flat, Literal(way + "[*]"))
        else:
            yield start + name, ops.json_text(flat, Literal(way))


def collect_names_with_prefix(row: RowScope, start: str) -> list[str]:
    """Names that the query mentions and that begin so; what nobody reads need not be taken out."""
    every = row.meaning.mentioned | {f"{n.removesuffix('[]')}[]" for n in row.meaning.arrays}
    names = (n.replace("`", "") for n in every if n.startswith(start) and n != start)
    return sorted(n for n in names if FIELD.fullmatch(n) and not n.replace(".", "").isdigit())


def ask_flat_names(row: RowScope, flat: Expression, numbered: bool) -> list[str] | None:
    """The names in the flat objects of the events at hand; None where nobody can tell, or nobody wants to know."""
    meaning, flow = row.meaning, row.flow
    if row.local or not meaning.unnamed:
        return None
    name = meaning.temporary()
    node = Unnest(source=Derive(source=flow.node, columns=((name, ops.json_keys(flat)),)), column=name)
    names = ask_field_names(row, node, name)
    twice = {n.replace("[0]", "") for n in names if "[0]" in n} if numbered and names else set()
    return None if names is None else [n for n in names if n not in twice or n in meaning.mentioned]


def named_by(row: RowScope, name: Expression) -> list[str]:
    """The fields that a text can name: those that the query names, and those that the events at hand do."""
    meaning, known = row.meaning, set(row.meaning.mentioned)
    if not row.local and meaning.unnamed:
        column = meaning.temporary()
        known.update(ask_field_names(row, Derive(source=row.flow.node, columns=((column, name),)), column) or ())
    return sorted(known)


def ask_field_names(row: RowScope, node: Node, name: str) -> list[str] | None:
    """The values of a column that names fields; None where nobody can tell."""
    meaning, span = row.meaning, row.flow.span or row.meaning.source.whole()
    node = Aggregate(source=node, keys=((name, Column(name)),), measures=())
    rows = ask_rows(meaning, node, MOST_NAMES, span)
    if rows is None:
        message = "of the fields in texts those that the query does not name are known only with events"
        meaning.tell("unnamed-fields", "", message, span, severity=Severity.NOTE)
        return None
    if len(rows) >= MOST_NAMES:
        message = f"texts hold {MOST_NAMES} fields or more; those that the query does not name are left out"
        meaning.tell("unnamed-fields", "", message, span)
        return None
    return [str(r[name]) for r in rows if r[name] not in (None, "")]


def list_record_header_fields(kind: str, prefix: str) -> list[str]:
    """The fields of a record's header, which each record has."""
    return [prefix + n for n in (CEF_HEADER if kind == "cef" else LEEF_HEADER)]


def mark_errors(row: RowScope, condition: Expression, message: str) -> None:
    """Marks events with `@error` and what went wrong."""
    for name, value in (("@error", "true"), ("@error_msg", message)):
        row.assign(name, ops.if_(condition, Literal(value), NULL))
