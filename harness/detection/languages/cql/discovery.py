"""What only the events can tell: names of fields that stand in texts, names of columns.

A query asks through `Settings.ask`; without it the plan is what can be told of the query's text alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RegistryEntry
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import ARRAY_MEMBER
from harness.detection.languages.cql.syntax import (
    Argument,
    Array,
    Assign,
    FunctionCall,
    Pipeline,
    Syntax,
    Word,
    walk_syntax,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Limit, Node, Unnest
from harness.detection.plan.values.json import print_json_path
from harness.detection.plan.values.records import CEF_HEADER, LEEF_HEADER
from harness.diagnostics import Severity, SourceError, Span
from harness.late_pattern import late_pattern

if TYPE_CHECKING:
    from harness.detection.languages.cql.scope import Session


# Chosen, no source: parsers that people chain ask once a step, and queries have tens of steps at most.
MOST_QUESTIONS = 60
"""How often one plan may ask; each answer is a run of the query up to there."""


def ask_rows(meaning: Session, node: Node, most: int, span: Span) -> list[Mapping[str, object]] | None:
    """The first rows of a relation; None where nobody can be asked."""
    meaning.asked = True
    ask = meaning.settings.ask
    if ask is None:
        return None
    meaning.questions += 1
    if meaning.questions > MOST_QUESTIONS:
        message = f"the query has to be run more than {MOST_QUESTIONS} times to be planned"
        raise SourceError("too-many-questions", message, span, help="name the fields with `select`")
    return list(ask(Limit(source=node, count=most)).records())


def reads_unnamed_fields(pipeline: Pipeline) -> bool:
    """Whether fields that the query does not name can matter to it: no step leaves only named ones."""
    parts = walk_syntax(pipeline)
    if any(isinstance(p, FunctionCall) and reads_any_field(p) for p in parts):
        return True
    return not any(closes_fields(s) for s in pipeline.steps)


def reads_any_field(part: FunctionCall) -> bool:
    """Whether a call looks at fields whatever their names."""
    function = FUNCTIONS[part.name]
    return function.reads_all or (function.wildcards and any("*" in w for w in collect_argument_words(part)))


def collect_argument_words(part: FunctionCall) -> list[str]:
    """The words in a call's arguments."""
    return [
        w.text for a in part.arguments if isinstance(a, Argument) for w in walk_syntax(a.value) if isinstance(w, Word)
    ]


def closes_fields(step: Syntax) -> bool:
    """Whether a step leaves only fields that it names."""
    match step:
        case FunctionCall(name=name) | Assign(value=FunctionCall(name=name)):
            return FUNCTIONS[name].fields is FieldEffect.CLOSES
        # A list of functions as a step is stats(), whose rows hold their outputs only.
        case Array():
            return True
        case _:
            return False


def arrays(pipeline: Pipeline) -> frozenset[str]:
    """Names that functions of arrays are given."""
    calls = [p for p in walk_syntax(pipeline) if isinstance(p, FunctionCall)]
    given = (a.value for c in calls for a in c.arguments if names_array(FUNCTIONS[c.name], a))
    return frozenset(v.text.replace("`", "") for v in given if isinstance(v, Word))


def names_array(function: RegistryEntry, argument: Argument) -> bool:
    """Whether an argument can be the name of an array."""
    if argument.name is None:
        return not function.arrays.isdisjoint(function.positional)
    return argument.name in function.arrays


# Chosen, no source: each becomes a column of the statement.
MOST_NAMES = 1_000
# A backslash and a quote would have to be escaped in JSON paths, and `*` is never part of a name.
FIELD = late_pattern(r"[^\x00-\x1f\"\\*]+")
ARRAY_ELEMENT_NAME = late_pattern(r"(.*)\[\d+\]", re.S)


def flatten_text_fields(row: RowScope, text: Expression, reader: str, options: Mapping[str, object]) -> Expression:
    """The fields of a text as a flat object."""
    # Sorted, so that the same options are the same expression and are computed once.
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
    # Only arrays that the query uses are lists: without a mention their elements are fields like any others.
    if known is not None:
        arrays = [n for n in known if n.endswith("[]") and n in named]
        named = [*arrays, *(n for n in known if not n.endswith("[]"))]
    names = list(dict.fromkeys((*always, *named)))
    whole = {n.removesuffix("[]") for n in names if n.endswith("[]")}
    for name in names:
        found = ARRAY_ELEMENT_NAME.fullmatch(name) or (ARRAY_MEMBER.fullmatch(name) if known is None else None)
        if found and found[1] in whole:
            continue
        way = print_json_path([name])
        if name.endswith("[]"):
            yield start + name, ops.json_list(flat, Literal(way + "[*]"))
        else:
            yield start + name, ops.json_text(flat, Literal(way))


def collect_names_with_prefix(row: RowScope, start: str) -> list[str]:
    """Names that the query mentions and that begin so; what nobody reads need not be taken out."""
    every = row.meaning.mentioned | {f"{n.removesuffix('[]')}[]" for n in row.meaning.arrays}
    names = (n.replace("`", "") for n in every if n.startswith(start) and n != start)
    # Words that are numbers stand in `mentioned` too, since the grammar cannot tell `5` from a field called so.
    return sorted(n for n in names if FIELD.fullmatch(n) and not n.replace(".", "").isdigit())


def ask_flat_names(row: RowScope, flat: Expression, numbered: bool) -> list[str] | None:
    """The names in the flat objects of the events at hand; None where nobody can tell, or nobody wants to know."""
    meaning, flow = row.meaning, row.flow
    # Inside the functions of arrays there is no relation that could be asked.
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
    # A part of the names would change from run to run; none at all can be told.
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
