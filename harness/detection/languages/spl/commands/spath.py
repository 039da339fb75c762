"""Commands that take fields out of text: rex, spath, xmlkv, kv, xpath, fromjson, iplocation."""

from __future__ import annotations

import json

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import as_multivalue, as_text, literal
from harness.detection.languages.spl.commands.rex import collect_document_names
from harness.detection.languages.spl.paths import extract_all, extract_first
from harness.detection.languages.spl.registry import COMMANDS, Unless
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.values.records import is_supported_xpath
from harness.diagnostics import SourceError


@COMMANDS.define("spath", order="keeps", fields="keeps", raw=Unless(("input",)))
def spath(scope: Scope, stage: Stage) -> None:
    """Values at a path of a JSON or XML text; without a path every field that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "input", "output", "path")
    document = scope.typed(found.text("input", "_raw"), stage.span)
    found.at_most(0 if "path" in found.options else 1)
    path = found.word("path") or (found.words[0] if found.words else None)
    if path is None and "output" in found.options:
        raise SourceError("missing-path", "`output` of `spath` needs a path", found.options["output"].span)
    if path is not None:
        target = found.text("output", path.text)
        old = scope.typed(target)
        if document.kind is Kind.NULL:
            return
        new = extract_all(as_text(document), path.text, path.span)
        scope.derive([(target, prefer_new(new, old))], stage.span)
        return
    if document.kind is Kind.NULL:
        return
    base = as_text(document)
    # Without a path Splunk makes all fields of the document; only those that the search names can matter.
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if n]
    scope.derive([(n, over_guess(scope, n, extract_all(base, n))) for n in names], stage.span)


def over_guess(scope: Scope, name: str, new: Typed) -> Typed:
    """A new value, or what extraction found of a name that it could only guess."""
    return prefer_new(new, scope.typed(name)) if name in scope.columns else new


def prefer_new(new: Typed, old: Typed) -> Typed:
    """A new value, or the old one where there is none."""
    if old.kind is Kind.NULL:
        return new
    if Kind.LIST in (old.kind, new.kind):
        return ops.coalesce(as_multivalue(new), as_multivalue(old))
    return ops.coalesce(new, as_text(old))


def reads_event_as_json(stage: Stage) -> bool:
    """Whether `fromjson` is not told which field to read."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return not any(isinstance(i, Word) for i in items)


@COMMANDS.define("fromjson", order="keeps", fields="keeps", raw=reads_event_as_json)
def fromjson(scope: Scope, stage: Stage) -> None:
    """The members of a JSON object that the query names, as fields.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "prefix")
    field = found.words[0].text if found.words else "_raw"
    document = as_text(scope.typed(field, stage.span))
    prefix = found.text("prefix", "")
    if document.kind is Kind.NULL:
        return
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if n.startswith(prefix) and n != prefix]
    made = ((n, extract_first(document, n.removeprefix(prefix))) for n in names if n)
    scope.derive([(n, over_guess(scope, n, v)) for n, v in made], stage.span)


@COMMANDS.define("tojson", order="keeps", fields="remakes", raw="never")
def tojson(scope: Scope, stage: Stage) -> None:
    """All fields as one JSON object in `_raw` or the field named.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "output_field", "default_type", "fill_null", "include_internal")
    names = [n for w in found.words for n in scope.matching(w.text)] or [n for n in scope.columns if n[0] not in "_@"]
    for option in ("default_type",):
        if option in found.options:
            found.choice(option, "auto", "auto", "bool", "json", "num", "str", "none")
    members = [build_object_member(scope, n, found.flag("fill_null")) for n in names]
    listed = apply(ops.list_, *members) if members else ops.list_(Typed(literal(None).expression, Kind.TEXT))
    inside = ops.coalesce(ops.list_join(listed, literal(",")), literal(""))
    scope.derive([(found.text("output_field", "_raw"), ops.concat(literal("{"), inside, literal("}")))], stage.span)


def build_object_member(scope: Scope, name: str, fill: bool) -> Typed:
    """One field as a member of a JSON object; a missing one has none, unless it is filled with null."""
    value = scope.typed(name)
    key = json.dumps(name) + ":"
    absent = literal(f"{key}null") if fill else Typed(literal(None).expression, Kind.TEXT)
    if value.kind is Kind.NULL:
        return absent
    shown = ops.to_json(value)
    if value.kind is Kind.LIST:
        # A list of one equals the value (reference/spl.md 2.3).
        shown = ops.if_(ops.equal(ops.list_length(value), literal(1.0)), ops.to_json(as_text(value)), shown)
    return ops.if_(ops.is_null(value), absent, ops.concat(literal(key), shown))


@COMMANDS.define("xpath", order="keeps", fields="keeps", raw=Unless(("field",)))
def xpath(scope: Scope, stage: Stage) -> None:
    """The texts that an XPath such as `//Data[@Name='Image']` reaches in an XML text.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "field", "outfield", "default")
    if not found.words:
        raise found.error("missing-path", "`xpath` needs a path in quotes")
    path = found.words[0]
    if not is_supported_xpath(path.text):
        raise scope.unsupported("an XPath with such conditions", path.span)
    document = as_text(scope.typed(found.text("field", "_raw"), stage.span))
    value = ops.xpath_text(document, literal(path.text))
    if "default" in found.options and value.kind is not Kind.NULL:
        value = ops.coalesce(value, ops.list_(literal(found.text("default", ""))))
    scope.derive([(found.text("outfield", "xpath"), value)], stage.span)
