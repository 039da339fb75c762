"""Commands that write tables: outputlookup, outputcsv, outputtext."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.commands.lookup import append_rows
from harness.detection.languages.spl.lookup_tables import (
    SUFFIXES,
    build_lookup_rows,
    find_written_rows,
    resolve_table_file,
)
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Kind
from harness.detection.plan.nodes import Aggregate, Join, JoinKind, Limit, Select
from harness.detection.plan.operation import Typed

OUTPUTLOOKUP_OPTIONS = (
    "append", "create_empty", "override_if_empty", "max", "key_field", "allow_updates", "createinapp",
    "create_context", "output_format", "singlefile", "usexml", "dispatch", "start", "events", "format",
)  # fmt: skip
WITHOUT_EFFECT = ("allow_updates", "createinapp", "create_context", "output_format", "singlefile", "usexml", "dispatch")
# The key of rows in Splunk's KV store; unlike other internal fields it is written.
KEY = "_key"
INTERNAL = ("_time", "_raw", KEY)


@COMMANDS.define("outputlookup", "outputcsv", "outputtext", order="keeps", fields="keeps", raw="never")
def outputlookup(scope: Scope, stage: Stage) -> None:
    """Passes the rows through and writes them to a table of this search alone, never to disk.

    A later `lookup`, `inputlookup` or `inputcsv` of the search sees that table; subsearches run first, so that one in
    brackets does not, except in `appendpipe`. Other searches of a run see the tables they were given.

    Reference: Splunk Search Reference, outputlookup; reference/spl.md 7
    """
    found = bind_options(stage, *OUTPUTLOOKUP_OPTIONS)
    if not found.words and stage.name == "outputlookup":
        raise found.error("missing-lookup", f"`{stage.name}` needs the name of a table")
    message = f"`{stage.name}` writes a table on a real system; here only this search sees what is written"
    scope.session.note("not-written", message, stage.span)
    found.without_effect(scope, *WITHOUT_EFFECT)
    if found.words and stage.name != "outputtext":
        write_table(scope, found)


def write_table(scope: Scope, found: BoundOptions) -> None:
    """Puts the rows of the search, as a file holds them, into the place of the table or after its rows."""
    name = found.words[0].text
    rows = cast_rows_to_file_text(scope)
    if "max" in found.options:
        rows.node = Limit(source=rows.node, count=found.number("max", 0), span=found.stage.span)
    old = before(scope, found)
    key = found.word("key_field")
    if old is not None and key is not None and is_collection(scope, name):
        update_collection(old, rows, key.text, found.stage)
        rows = old
    elif old is not None and found.flag("append"):
        # Appending to a file keeps the columns that the file has.
        kept = [c for c in rows.columns if c in old.columns]
        rows.keep(kept)
        append_rows(old, rows, found.stage)
        rows = old
    elif old is not None and not found.flag("override_if_empty", True):
        unless_empty(rows, old, found.stage)
    scope.session.tables[resolve_table_file(scope, name)] = rows


def is_collection(scope: Scope, name: str) -> bool:
    """Whether a table is a collection rather than a file, whose rows have keys."""
    # A bare name is a definition, which may be one of a file.
    has_suffix = name.endswith(SUFFIXES)
    return not has_suffix and "filename" not in scope.settings.transforms.get(name, {})


def cast_rows_to_file_text(scope: Scope) -> Scope:
    """The rows as a file holds them: all as text, several values line by line, without internal fields."""
    rows = scope.branch()
    rows.events = False
    named: list[tuple[str, Typed]] = []
    for name, kind in scope.columns.items():
        if name[0] == "@" or (name[0] == "_" and name not in INTERNAL) or kind is Kind.NULL:
            continue
        value = rows.typed(name)
        shown = ops.list_join(value, literal("\n")) if kind is Kind.LIST else as_text(value)
        empty = ops.equal(shown, literal(""))
        # A file has no nulls: an empty cell is read back as none.
        named.append((name, ops.if_(empty, Typed(NULL, Kind.TEXT), shown) if kind is not Kind.NUMBER else shown))
    rows.select(named)
    rows.defined = set(rows.columns)
    return rows


def before(scope: Scope, found: BoundOptions) -> Scope | None:
    """The rows that the table has so far, if there is one."""
    word = found.words[0]
    tables = scope.settings.lookups
    known = any(
        n in tables
        for n in (word.text, resolve_table_file(scope, word.text), f"{resolve_table_file(scope, word.text)}.csv")
    )
    if not known and find_written_rows(scope, word.text) is None:
        return None
    node, columns = build_lookup_rows(scope, word.text, word.span)
    old = scope.branch()
    old.replace(node, columns, events=False)
    return old


def update_collection(old: Scope, rows: Scope, key: str, stage: Stage) -> None:
    """Adds new rows to those of a collection, in place of those whose key one of the new rows has."""
    own = KEY if KEY in old.columns else key
    if own not in old.columns or key not in rows.columns:
        append_rows(old, rows, stage)
        return
    if own == KEY != key:
        rows.derive([(KEY, rows.typed(key))])
    marks = Select(source=rows.node, columns=(("@key", Column(own)),))
    keys = ((Column(own), Column("@key")),)
    old.node = Join(left=old.node, right=marks, kind=JoinKind.ANTI, keys=keys, span=stage.span)
    append_rows(old, rows, stage)


def unless_empty(rows: Scope, old: Scope, stage: Stage) -> None:
    """Makes new rows the old ones if there are no new ones."""
    size = rows.session.fresh("size")
    counted = Aggregate(source=rows.node, keys=(), measures=((size, ops.count()),), span=stage.span)
    # One row with the number of new rows, beside each old one: only the events know whether there are any.
    old.node = Join(left=old.node, right=counted, kind=JoinKind.CROSS, columns=((size, Column(size)),))
    old.columns[size] = Kind.NUMBER
    old.filter(ops.equal(old.typed(size), literal(0.0)).expression)
    old.keep([n for n in old.columns if n != size])
    append_rows(rows, old, stage)
