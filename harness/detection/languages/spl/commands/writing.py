"""Commands that write tables: outputlookup, outputcsv, outputtext."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import Given, given
from harness.detection.languages.spl.coercion import Typed, apply, literal, text
from harness.detection.languages.spl.commands.lookup import joined
from harness.detection.languages.spl.lookups import SUFFIXES, filed, table_rows, written
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import NULL, Aggregation, Column
from harness.detection.plan.nodes import Aggregate, Join, JoinKind, Limit, Select

OPTIONS = (
    "append", "create_empty", "override_if_empty", "max", "key_field", "allow_updates", "createinapp",
    "create_context", "output_format", "singlefile", "usexml", "dispatch", "start", "events", "format",
)  # fmt: skip
WITHOUT_EFFECT = ("allow_updates", "createinapp", "create_context", "output_format", "singlefile", "usexml", "dispatch")
KEY = "_key"
INTERNAL = ("_time", "_raw", KEY)


@COMMANDS.define("outputlookup", "outputcsv", "outputtext")
def outputlookup(scope: Scope, stage: Stage) -> None:
    """Passes the rows through and writes them to a table of this search alone, never to disk.

    A later `lookup`, `inputlookup` or `inputcsv` of the search sees that table; subsearches run first, so that one in
    brackets does not, except in `appendpipe`. Other searches of a run see the tables they were given.

    Reference: Splunk Search Reference, outputlookup; reference/spl.md 7
    """
    found = given(stage, *OPTIONS)
    if not found.words and stage.name == "outputlookup":
        raise found.error("missing-lookup", f"`{stage.name}` needs the name of a table")
    message = f"`{stage.name}` writes a table on a real system; here only this search sees what is written"
    scope.session.note("not-written", message, stage.span)
    found.without_effect(scope, *WITHOUT_EFFECT)
    if found.words and stage.name != "outputtext":
        write(scope, found)


def write(scope: Scope, found: Given) -> None:
    """Puts the rows of the search, as a file holds them, into the place of the table or after its rows."""
    name = found.words[0].text
    rows = as_written(scope)
    if "max" in found.options:
        rows.node = Limit(source=rows.node, count=found.number("max", 0), span=found.stage.span)
    old = before(scope, found)
    key = found.word("key_field")
    if old is not None and key is not None and stored(scope, name):
        rows = updated(old, rows, key.text, found.stage)
    elif old is not None and found.flag("append"):
        kept = [c for c in rows.columns if c in old.columns]
        rows.keep(kept)
        joined(old, rows, found.stage)
        rows = old
    elif old is not None and not found.flag("override_if_empty", True):
        rows = unless_empty(rows, old, found.stage)
    scope.session.tables[filed(scope, name)] = rows


def stored(scope: Scope, name: str) -> bool:
    """Whether a table is a collection rather than a file, whose rows have keys."""
    has_suffix = name.endswith(SUFFIXES)
    return not has_suffix and "filename" not in scope.settings.transforms.get(name, {})


def as_written(scope: Scope) -> Scope:
    """The rows as a file holds them: all as text, several values line by line, without internal fields."""
    rows = scope.branch()
    rows.events = False
    named: list[tuple[str, Typed]] = []
    for name, kind in scope.columns.items():
        if name[0] == "@" or (name[0] == "_" and name not in INTERNAL) or kind is Kind.NULL:
            continue
        value = rows.typed(name)
        shown = apply("list_join", value, literal("\n")) if kind is Kind.LIST else text(value)
        empty = apply("equal", shown, literal(""))
        named.append((name, apply("if", empty, Typed(NULL, Kind.TEXT), shown) if kind is not Kind.NUMBER else shown))
    rows.select(named)
    rows.defined = set(rows.columns)
    return rows


def before(scope: Scope, found: Given) -> Scope | None:
    """The rows that the table has so far, if there is one."""
    word = found.words[0]
    tables = scope.settings.lookups
    known = any(n in tables for n in (word.text, filed(scope, word.text), f"{filed(scope, word.text)}.csv"))
    if not known and written(scope, word.text) is None:
        return None
    node, columns = table_rows(scope, word.text, word.span)
    old = scope.branch()
    old.replace(node, columns, events=False)
    return old


def updated(old: Scope, rows: Scope, key: str, stage: Stage) -> Scope:
    """The rows of a collection, those replaced whose key one of the new rows has."""
    own = KEY if KEY in old.columns else key
    if own not in old.columns or key not in rows.columns:
        joined(old, rows, stage)
        return old
    if own == KEY != key:
        rows.derive([(KEY, rows.typed(key))])
    marks = Select(source=rows.node, columns=(("@key", Column(own)),))
    keys = ((Column(own), Column("@key")),)
    old.node = Join(left=old.node, right=marks, kind=JoinKind.ANTI, keys=keys, span=stage.span)
    joined(old, rows, stage)
    return old


def unless_empty(rows: Scope, old: Scope, stage: Stage) -> Scope:
    """The new rows, or the old ones if there are no new ones."""
    size = rows.session.fresh("size")
    counted = Aggregate(source=rows.node, keys=(), measures=((size, Aggregation("count")),), span=stage.span)
    old.node = Join(left=old.node, right=counted, kind=JoinKind.CROSS, columns=((size, Column(size)),))
    old.columns[size] = Kind.NUMBER
    old.filter(apply("equal", old.typed(size), literal(0.0)).expression)
    old.keep([n for n in old.columns if n != size])
    joined(rows, old, stage)
    return rows
