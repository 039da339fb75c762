"""Commands that run what was saved: savedsearch and loadjob from the content of the run, inputcsv from its tables."""

from __future__ import annotations

import re

from harness.detection.languages.spl.argument_grammar import lookup_item
from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.commands.lookup import inputlookup
from harness.detection.languages.spl.macros import expand_macros
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Pipeline, Stage, Word
from harness.detection.languages.spl.text import ExpandedText
from harness.diagnostics import Source, SourceError, Span, did_you_mean

DEEPEST_SAVED_SEARCH = 8


def names_saved_search(stage: Stage) -> bool:
    """Whether a stage takes rows of a saved search, which may read the text of events."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return any(isinstance(i, Word) and i.text.lower().startswith("savedsearch") for i in items)


@COMMANDS.define("savedsearch", order="forgets", fields="keeps", raw="always", subsearch="keeps", generating=True)
def savedsearch(scope: Scope, stage: Stage) -> None:
    """The rows of a saved search of the content given, `$name$` in it replaced by the options.

    Reference: Splunk Search Reference, savedsearch
    """
    found = bind_options(stage, "*")
    if not found.words:
        raise found.error("missing-search", "`savedsearch` needs the name of a saved search")
    values = {o.name: o.value.text for o in found.options.values() if isinstance(o.value, Word)}
    if values.pop("nosubstitution", "f").lower() in ("t", "true", "1"):
        values = {}
    name = " ".join(w.text for w in found.words)
    run_saved(scope, name, found.words[0].span, values)


@COMMANDS.define("loadjob", order="forgets", fields="keeps", raw="always", subsearch="keeps", generating=True)
def loadjob(scope: Scope, stage: Stage) -> None:
    """The rows that a saved search of the content given has now: `loadjob savedsearch="user:app:name"`.

    Reference: Splunk Search Reference, loadjob
    """
    found = bind_options(stage, "savedsearch", "events", "job_delegate", "artifact_offset", "ignore_running")
    word = found.word("savedsearch")
    if word is None:
        raise scope.unsupported("`loadjob` of a job by its number, which only the search head has,", stage.span)
    run_saved(scope, word.text.split(":")[-1], word.span, {})


def run_saved(scope: Scope, name: str, span: Span, values: dict[str, str]) -> None:
    """Runs a saved search in the place of the command."""
    saved = scope.settings.saved
    if name not in saved:
        hint = did_you_mean(name, saved) or "give it in the content of the run"
        raise SourceError("unknown-saved-search", f"no saved search is called `{name[:60]}`", span, help=hint)
    scope.session.searches += 1
    if scope.session.searches > DEEPEST_SAVED_SEARCH:
        raise SourceError("too-deep", f"more than {DEEPEST_SAVED_SEARCH} saved searches inside one another", span)
    text = re.sub(r"\$([\w.-]+)\$", lambda m: values.get(m[1], m[0]), saved[name])
    inner = scope.subsearch(parse_saved_text(scope, text, span))
    scope.session.searches -= 1
    scope.replace(inner.node, inner.columns)
    scope.events, scope.defined, scope.open = inner.events, set(inner.defined), inner.open


def parse_saved_text(scope: Scope, text: str, span: Span) -> Pipeline:
    """A text of its own as a pipeline that stands at a place of the search."""
    own = expand_macros(Source(span.source.name, text), scope.settings)
    place = ExpandedText(span.source, own.text, [(0, span.start, span.end)], strict=scope.session.text.strict)
    return PipelineGrammar(place).whole()


def resolve_from_dataset(scope: Scope, word: Word) -> Scope:
    """The rows of a dataset: `savedsearch:x`, `inputlookup:t`, `datamodel:m.d`; a bare name is a table."""
    kind, colon, name = word.text.partition(":")
    if not colon:
        kind, name = "inputlookup", word.text
    name = name.replace('"', "")
    forms = {"savedsearch": f'| savedsearch "{name}"', "inputlookup": f'| inputlookup "{name}"'}
    forms |= {"lookup": forms["inputlookup"], "datamodel": f'| from datamodel:"{name}"'}
    if kind.lower() not in forms:
        help = did_you_mean(kind, forms) or f"a dataset is {', '.join(forms)}"
        raise SourceError("unknown-dataset", f"no kind of dataset is called `{kind[:40]}`", word.span, help=help)
    return scope.subsearch(parse_saved_text(scope, forms[kind.lower()], word.span))


@COMMANDS.define("inputcsv", order="keeps", fields="keeps", raw="never", item=lookup_item, generating=True)
def inputcsv(scope: Scope, stage: Stage) -> None:
    """The rows of a table of the content given, as inputlookup; files of the search head are not read.

    Reference: Splunk Search Reference, inputcsv
    """
    inputlookup(scope, stage)
