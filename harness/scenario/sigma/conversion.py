"""pySigma's Splunk and LogScale back ends, each with the pipelines that its users choose for a rule's log source."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from sigma.backends.crowdstrike import LogScaleBackend
from sigma.backends.splunk import SplunkBackend
from sigma.backends.splunk.splunk import SplunkDeferredORRegularExpression
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.pipelines.crowdstrike import crowdstrike_falcon_pipeline, crowdstrike_fdr_pipeline
from sigma.pipelines.splunk import (
    splunk_cim_data_model,
    splunk_windows_pipeline,
    splunk_windows_sysmon_acceleration_keywords,
)
from sigma.pipelines.sysmon import sysmon_pipeline
from sigma.pipelines.windows import windows_audit_pipeline, windows_logsource_pipeline
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import ValueListPlaceholderTransformation
from sigma.rule import SigmaRule as PipelineRule

from harness.diagnostics import HarnessError, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import cut_span_to_line
from harness.scenario.sigma.choice import SigmaChoice
from harness.scenario.sigma.collection import SigmaSubject
from harness.scenario.sigma.detection import walk_items
from harness.scenario.sigma.rule import SigmaRule
from harness.scenario.sigma.values import DASHES, MOST_SPELLINGS, TextPattern, Wildcard


@record(kw_only=True)
class SigmaBackend:
    """A back end of pySigma: its class, its name in pipelines, and what its users choose for Windows events."""

    make: Callable[..., Any]
    name: str
    windows: tuple[str, ...]


BACKENDS: Mapping[str, SigmaBackend] = {
    "spl": SigmaBackend(make=SplunkBackend, name="splunk", windows=("sysmon", "splunk_windows")),
    "cql": SigmaBackend(make=LogScaleBackend, name="logscale", windows=("sysmon", "windows_logsources")),
}
"""How pySigma makes a query of each language.

The languages are named here because pySigma names them: each back end is a package of its own with its own class, and
which pipelines go with it is its users' custom. A language that is not here has no converted rules.
"""

# Pipelines say which back ends they are for; LogScale's say nothing, although their fields are Falcon's.
FALCON = frozenset({"logscale"})
PIPELINES: Mapping[str, tuple[Callable[[], Any], frozenset[str]]] = {
    "sysmon": (sysmon_pipeline, frozenset()),
    "windows_logsources": (windows_logsource_pipeline, frozenset()),
    "windows_audit": (windows_audit_pipeline, frozenset()),
    "splunk_windows": (splunk_windows_pipeline, frozenset({"splunk"})),
    "splunk_sysmon_acceleration": (splunk_windows_sysmon_acceleration_keywords, frozenset({"splunk"})),
    "splunk_cim": (splunk_cim_data_model, frozenset({"splunk"})),
    "crowdstrike_fdr": (crowdstrike_fdr_pipeline, FALCON),
    "crowdstrike_falcon": (crowdstrike_falcon_pipeline, FALCON),
}
"""pySigma's pipelines by their names on a command line, and the back ends that each is for; none is all."""

CONVERT_OPTIONS = ("output_format", "correlation_method")
"""Options that pySigma takes where it converts; all others are its back ends' own."""


@record(kw_only=True)
class Conversion:
    """A query, or why there is none; which pipelines made it, and the names that they gave to fields."""

    text: str = ""
    error: HarnessError | None = None
    pipelines: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]]


def convert_subject(subject: SigmaSubject, choice: SigmaChoice) -> dict[str, Conversion]:
    """The query of a rule or a correlation in each language; a language that has none says why."""
    return {language: convert_for(subject, choice, backend) for language, backend in BACKENDS.items()}


def convert_for(subject: SigmaSubject, choice: SigmaChoice, backend: SigmaBackend) -> Conversion:
    """The query in one language."""
    names = choose_pipelines(subject, choice, backend)
    try:
        refuse_placeholders(subject, choice)
        refuse_many_dashes(subject)
        pipeline = build_pipeline(names, subject)
        options, late = split_options(choice, backend)
        # A back end that failed leaves numbers behind that go into the next rule's names.
        SplunkDeferredORRegularExpression.reset()
        # Copied: pySigma changes what it is given.
        collection = SigmaCollection.from_dicts(deepcopy(list(subject.written)))
        made = backend.make(pipeline, **options)
        queries = list_queries(made.convert(collection, **late))
        fields = find_field_names(backend.make(build_pipeline(names, subject)), subject)
        # Of a correlation over others the inner ones come first.
        query = queries[subject.condition] if isinstance(subject.rule, SigmaRule) else queries[-1]
        return Conversion(text=str(query), pipelines=names, fields=fields)
    except HarnessError as error:
        return Conversion(error=error, pipelines=names, fields={})
    # Anything: a back end's own defect must not take the other language with it.
    except Exception as error:
        return Conversion(error=build_refusal(subject, backend, error), pipelines=names, fields={})


def find_field_names(made: Any, subject: SigmaSubject) -> dict[str, tuple[str, ...]]:
    """The names that pipelines gave to fields of the rules; of a correlation pySigma keeps those of no rule."""
    found: dict[str, tuple[str, ...]] = {}
    collection = SigmaCollection.from_dicts(deepcopy(list(subject.written)))
    made.init_processing_pipeline()
    for rule in collection.rules:
        if isinstance(rule, PipelineRule):
            made.last_processing_pipeline.apply(rule)
            names = made.last_processing_pipeline.field_mappings.items()
            found |= {name: tuple(sorted(given)) for name, given in names if name}
    return found


def list_queries(converted: Any) -> Sequence[Any]:
    """The queries of a conversion; some formats give one text for all."""
    return converted if isinstance(converted, list) else [converted]


def choose_pipelines(subject: SigmaSubject, choice: SigmaChoice, backend: SigmaBackend) -> tuple[str, ...]:
    """The pipelines that were chosen for this back end, else those of Windows where a rule is of Windows."""
    chosen = tuple(name for name in choice.pipelines if is_for(name, backend))
    if chosen:
        return chosen
    # Their items ask for the product themselves, so a correlation may hold rules of other products too.
    return backend.windows if any(rule.source.product == "windows" for rule in subject.rules) else ()


def is_for(name: str, backend: SigmaBackend) -> bool:
    """Whether a pipeline is for a back end; one in a file is for all."""
    allowed = PIPELINES[name][1] if name in PIPELINES else frozenset()
    return not allowed or backend.name in allowed


def build_pipeline(names: Sequence[str], subject: SigmaSubject) -> Any:
    """The pipelines as one; placeholders get their values first."""
    values = {name: list(values) for name, values in subject.vars.items()}
    item = ProcessingItem(ValueListPlaceholderTransformation(include=list(values)))
    found = ProcessingPipeline(items=[item] if values else [], vars=values)
    for name in names:
        found = found + (PIPELINES[name][0]() if name in PIPELINES else read_pipeline(Path(name)))
    return found


def read_pipeline(path: Path) -> Any:
    """A pipeline of a YAML file, as pySigma writes them."""
    if not path.is_file():
        hint = did_you_mean(str(path), PIPELINES) or f"one of {', '.join(PIPELINES)}, or a file"
        raise HarnessError("sigma-pipeline", f"no pipeline is called `{path}`", help=hint)
    try:
        return ProcessingPipeline.from_yaml(path.read_text("utf-8-sig"))
    except (SigmaError, ValueError, TypeError, KeyError) as error:
        raise HarnessError("sigma-pipeline", f"{path} is no pipeline of pySigma: {error}") from error


def split_options(choice: SigmaChoice, backend: SigmaBackend) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of a back end's class, and those of its conversion; names that it does not have are not for it."""
    known = inspect.signature(backend.make).parameters
    own = {name: value for name, value in choice.options if name in known}
    late = {name: value for name, value in choice.options if name in CONVERT_OPTIONS}
    if late.get("output_format") not in (None, *backend.make.formats):  # type: ignore[attr-defined]
        del late["output_format"]
    return own, late


def check_choice(choice: SigmaChoice) -> None:
    """Raises HarnessError for a pipeline or an option that no back end has."""
    for name in choice.pipelines:
        if name not in PIPELINES:
            read_pipeline(Path(name))
    known = {*CONVERT_OPTIONS, *(n for b in BACKENDS.values() for n in inspect.signature(b.make).parameters)}
    known -= {"processing_pipeline", "kwargs", "backend_options", "query_settings", "output_settings"}
    for name, _ in choice.options:
        if name not in known:
            hint = did_you_mean(name, known) or f"one of {', '.join(sorted(known))}"
            raise HarnessError("sigma-option", f"no back end has an option `{name}`", help=hint)


def refuse_placeholders(subject: SigmaSubject, choice: SigmaChoice) -> None:
    """Raises SourceError for a placeholder without values; pipelines that were chosen may have a way of their own."""
    if choice.pipelines:
        return
    for rule in subject.rules:
        for written, span in rule.detection.placeholders.items():
            names = [part for part in written.split("%")[1::2] if part]
            missing = next((n for n in names if n not in subject.vars), None)
            if missing is not None:
                hint = f"--placeholders FILE with `{missing}: [...]`"
                raise SourceError("sigma-placeholder", f"the placeholder %{missing}% has no values", span, help=hint)


def refuse_many_dashes(subject: SigmaSubject) -> None:
    """Raises SourceError for a `windash` that would become too many texts: five to the power of its dashes."""
    for rule in subject.rules:
        for item in (i for s in rule.detection.selections.values() for i in walk_items(s)):
            texts = (m for m in item.values.matchers if isinstance(m, TextPattern))
            number = sum(len(DASHES) ** m.parts.count(Wildcard.DASH) for m in texts)
            if number > MOST_SPELLINGS:
                message = f"pySigma would write {number:,} texts for this `windash`"
                raise SourceError("sigma", message, cut_span_to_line(item.span), help="use a regular expression")


def build_refusal(subject: SigmaSubject, backend: SigmaBackend, error: Exception) -> SourceError:
    """Why a back end gives no query, at the place that it speaks of or else the rule's title."""
    reason = str(error) or type(error).__name__
    product = {"splunk": "SPL", "logscale": "CQL"}[backend.name]
    if isinstance(error, SigmaError):
        message = f"pySigma gives no {product} for this rule: {reason}"
    elif isinstance(error, NotImplementedError):
        message = f"pySigma's {product} back end lacks: {reason}"
    else:
        message = f"pySigma's {product} back end fails: {type(error).__name__}: {reason}"
    # pySigma ends some of its reasons with the file that it read, which it was not given.
    message = message.replace(" (while converting rule None)", "")
    return SourceError("sigma", message, find_key(subject, error) or find_place(subject, reason))


# pySigma's errors of single keys are classes named for them, of the identifier alone otherwise.
KEY_OF_ERROR = late_pattern(r"Sigma(?:Related)?(\w+)Error")


def find_key(subject: SigmaSubject, error: Exception) -> Span | None:
    """The key of a rule that an error of pySigma is about by its class: `SigmaLevelError` is about the level."""
    named = KEY_OF_ERROR.fullmatch(type(error).__name__)
    name = named[1].lower() if named else ""
    for rule in (subject.rule, *subject.members.values()):
        for key in ({"identifier": "id"}.get(name, name), f"{name}s"):
            if key in rule.document.value:
                return cut_span_to_line(rule.document.span([key]))
    return None


def find_place(subject: SigmaSubject, reason: str) -> Span:
    """The item whose modifier a reason names, else the rule's title."""
    words = {"cidr": "cidr", "fieldref": "fieldref", "regular expression": "re", "regex": "re", "wide": "wide"}
    wanted = next((modifier for word, modifier in words.items() if word in reason.lower()), None)
    for rule in subject.rules if wanted else ():
        for span, modifiers in list_item_places(rule):
            if wanted in modifiers:
                return cut_span_to_line(span)
    return subject.rule.span


def list_item_places(rule: SigmaRule) -> list[tuple[Span, tuple[str, ...]]]:
    """The places of a rule's items with their modifiers."""
    return [(i.span, i.modifiers) for s in rule.detection.selections.values() for i in walk_items(s)]
