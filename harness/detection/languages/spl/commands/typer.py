"""Commands that write event types and tags into fields: typer and tags."""

from __future__ import annotations

from urllib.parse import unquote

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.cim.events import compare_tag_field, list_enabled_tags, of_type
from harness.detection.languages.spl.coercion import as_multivalue, literal
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Kind
from harness.detection.plan.operation import Typed, apply

MISSING = Typed(NULL, Kind.TEXT)


@COMMANDS.define("typer", order="keeps", fields="keeps", raw="never")
def typer(scope: Scope, stage: Stage) -> None:
    """The names of the event types of the content given that an event is of, as the field `eventtype`.

    Reference: Splunk Search Reference, typer
    """
    found = bind_options(stage, "eventtypes", "maxlen")
    found.at_most(0)
    found.without_effect(scope, "eventtypes", "maxlen")
    named = []
    for name in scope.settings.eventtypes:
        conditions = of_type(scope, name, stage.span)
        named += [ops.if_(condition, literal(name), MISSING) for condition in conditions[:1]]
    if not named:
        message = "`typer` adds nothing: the content of the run has no event types"
        scope.session.note("no-effect", message, stage.span)
        return
    scope.derive([("eventtype", with_old(scope, "eventtype", named))], stage.span)


@COMMANDS.define("tags", order="keeps", fields="keeps", raw="never")
def tags(scope: Scope, stage: Stage) -> None:
    """The tags that the content given has for values of fields: `tag::field` for each, and all of them as `tag`.

    Reference: Splunk Search Reference, tags
    """
    found = bind_options(stage, "outputfield", "inclname", "inclvalue", "allowed_tags")
    wanted = {w.text for w in found.words}
    allowed = set(found.text("allowed_tags", "").replace(",", " ").split())
    name_too, value_too = found.flag("inclname"), found.flag("inclvalue")
    by_field: dict[str, list[Typed]] = {}
    for stanza, entries in scope.settings.tags.items():
        name, _, value = (part.strip() for part in stanza.partition("="))
        if wanted and name not in wanted:
            continue
        value = unquote(value)
        several = (
            of_type(scope, value, stage.span)
            if name == "eventtype"
            else [compare_tag_field(scope, name, value, stage.span)]
        )
        for tag in list_enabled_tags(entries):
            if allowed and tag not in allowed:
                continue
            shown = "::".join((*([name] if name_too else []), *([value] if value_too else []), tag))
            made = (ops.if_(condition, literal(shown), MISSING) for condition in several)
            by_field.setdefault(name, []).extend(made)
    every = [each for several in by_field.values() for each in several]
    if not every:
        scope.session.note("no-effect", "`tags` adds nothing: the content of the run has no such tags", stage.span)
        return
    if "outputfield" in found.options:
        scope.derive([(found.text("outputfield", "tag"), collect_distinct_tags(every))], stage.span)
        return
    fields = [(f"tag::{name}", collect_distinct_tags(several)) for name, several in by_field.items()]
    scope.derive([*fields, ("tag", with_old(scope, "tag", every))], stage.span)


def collect_distinct_tags(values: list[Typed]) -> Typed:
    """Those of the values that are there, each once."""
    return ops.list_distinct(apply(ops.list_, *values))


def with_old(scope: Scope, name: str, values: list[Typed]) -> Typed:
    """The same behind what the field has already."""
    old = scope.typed(name)
    if old.kind is Kind.NULL:
        return collect_distinct_tags(values)
    return ops.list_distinct(ops.list_concat(as_multivalue(old), collect_distinct_tags(values)))
