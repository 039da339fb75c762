"""extract (kv), xmlkv, multikv."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import bind_options, split_clauses
from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.commands.lookup import append_rows
from harness.detection.languages.spl.commands.rex import collect_document_names
from harness.detection.languages.spl.commands.spath import over_guess
from harness.detection.languages.spl.paths import translate_spath
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Unnest
from harness.detection.plan.operation import Typed
from harness.diagnostics import Span

MULTIKV_OPTIONS = ("conf", "copyattrs", "forceheader", "multitable", "noheader", "rmorig")


@COMMANDS.define("multikv", order="keeps", fields="keeps", raw="always")
def multikv(scope: Scope, stage: Stage) -> None:
    """A row for each line of the tables in `_raw`, with a field for each column that the search names.

    The line of names is that of `forceheader`, or the first one of words that lines of as many cells follow.

    Reference: Splunk Search Reference, multikv
    """
    found = bind_options(stage, *MULTIKV_OPTIONS)
    if "conf" in found.options:
        raise scope.unsupported("a stanza of `multikv.conf`", found.options["conf"].span, "write `forceheader=1`")
    found.without_effect(scope, "multitable")
    parts = split_clauses(found.words, "fields", "filter")
    if parts[""]:
        raise found.error("surplus-argument", f"`multikv` has no place for `{parts[''][0].text[:40]}`")
    document = scope.typed("_raw", stage.span)
    if document.kind is Kind.NULL:
        return
    before = scope.branch()
    # table_rows takes the line of the header: 0 looks for it, a negative one says that there is none.
    header = -1.0 if found.flag("noheader") else float(found.number("forceheader", 0))
    terms = "\n".join(w.text for w in parts.get("filter", []))
    row = scope.session.fresh("line")
    scope.derive([(row, ops.table_rows(as_text(document), literal(header), literal(terms)))], stage.span)
    scope.node = Unnest(source=scope.node, column=row, span=stage.span)
    scope.columns[row] = Kind.TEXT
    # The words of the command itself stand in the search too, and are no columns of a table.
    own = {*MULTIKV_OPTIONS, stage.name, "fields", "filter"}
    chosen = [w.text for w in parts.get("fields", [])] or [n for n in collect_document_names(scope) if n not in own]
    line = Typed(Column(row), Kind.TEXT)
    # The row's `_raw` is the line of the table.
    names = [n for n in dict.fromkeys(("_raw", *chosen)) if n]
    scope.derive([(n, ops.json_text(line, literal(translate_spath(n)))) for n in names], stage.span)
    copied = [n for n in scope.columns if n[0] != "@" and (found.flag("copyattrs", True) or n in (*names, "_time"))]
    scope.keep(copied)
    if not found.flag("rmorig", True):
        append_rows(before, scope, stage)
        scope.node, scope.columns = before.node, before.columns


@COMMANDS.define("xmlkv", order="keeps", fields="keeps", raw="always")
def xmlkv(scope: Scope, stage: Stage) -> None:
    """`<name>value</name>` in the text of the event as fields that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "maxinputs")
    field = found.words[0].text if found.words else "_raw"
    add_xml_elements(scope, as_text(scope.typed(field, stage.span)), stage.span)


def add_xml_elements(scope: Scope, document: Typed, span: Span) -> None:
    """Adds the texts of elements by their names."""
    if document.kind is Kind.NULL:
        return
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if re.fullmatch(r"[\w.-]+", n)]
    made = []
    for name in names:
        # xmlkv takes elements without children, and entities stay as they are (reference/spl.md 1.10).
        pattern = literal(rf"<{re.escape(name)}(?:\s[^>]*)?>([^<]*)</{re.escape(name)}>")
        value = ops.regex_extract(document, pattern, literal(""), literal(1.0))
        made.append((name, over_guess(scope, name, value)))
    scope.derive(made, span)


@COMMANDS.define("extract", "kv", order="keeps", fields="keeps", raw="always")
def extract(scope: Scope, stage: Stage) -> None:
    """`name=value` in the text of the event as fields that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(
        stage, "pairdelim", "kvdelim", "limit", "maxchars", "mv_add", "clean_keys", "reload", "auto", "segment"
    )
    if found.words:
        message = f"the transform `{found.words[0].text[:40]}` of `transforms.conf`"
        raise scope.unsupported(message, found.words[0].span, "use `rex` or the options `pairdelim` and `kvdelim`")
    document = as_text(scope.typed("_raw", stage.span))
    if document.kind is Kind.NULL:
        return
    # What automatic extraction takes for the ends of pairs.
    texts = {name: found.text(name, usual) for name, usual in (("kvdelim", "="), ("pairdelim", " \n\t,;|&"))}
    for name, given in texts.items():
        if not given:
            raise found.error("bad-option", f"`{name}` is at least one character")
    pair, delimiters = literal(texts["kvdelim"]), literal(texts["pairdelim"])
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if re.fullmatch(r"\w+", n)]
    made = ((n, ops.key_value(document, literal(n), pair, delimiters)) for n in names)
    scope.derive([(n, over_guess(scope, n, v)) for n, v in made], stage.span)
