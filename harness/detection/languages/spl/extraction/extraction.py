"""Search-time extraction as a whole: FIELDALIAS, EVAL, LOOKUP, INGEST_EVAL.

Here they are made first when the events are searched, which comes to the same but for transforms that come after.

Reference: transforms.conf.spec INGEST_EVAL; capture ingest-eval

Reference: props.conf.spec; captures fieldalias-*, eval-*
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from functools import lru_cache, partial

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import NO, YES
from harness.detection.languages.spl.commands.lookup import build_output_value, parse_lookup
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.expression_parser import EvalGrammar
from harness.detection.languages.spl.extraction.field_extractions import (
    extract_automatic_fields,
    field_name,
    inline,
    report,
)
from harness.detection.languages.spl.extraction.props import (
    ALIAS,
    Setting,
    SettingPlaces,
    WantedFields,
    collect_transform_sources,
    confs,
    find_wanted_fields,
    places_of,
)
from harness.detection.languages.spl.extraction.sequence import Sequence, align_kinds, prefer_old
from harness.detection.languages.spl.lexer import ExpandedText, StageCursor
from harness.detection.languages.spl.lookup_tables import add_matched_columns, match_lookup
from harness.detection.languages.spl.parser import PipelineGrammar
from harness.detection.languages.spl.scope import Scope, Session, ask_rows, fresh_scope
from harness.detection.languages.spl.syntax import Assignment, EvalExpression, Pipeline, Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Unnest
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import Source
from harness.late_pattern import late_pattern
from harness.telemetry.indexing.props import parse_yes_no

# eval's grammar would take `x :=` for two words.
REPLACING = late_pattern(r"(\w)\s+:=")
# `queue` says where an event goes; the others are the store's own.
NAMED_APART = ("queue", "_time", "@event", "@cause")


def apply_ingest_evals(sequence: Sequence) -> None:
    """The fields of all INGEST_EVALs, by ASCII order of the classes that name them."""
    for setting in sequence.confs.classes("TRANSFORMS"):
        for name in (n.strip() for n in setting.value.split(",")):
            given = sequence.transforms.get(name, {})
            if given.get("INGEST_EVAL") and not parse_yes_no(given.get("disabled"), False):
                sequence.attempt(name, partial(apply_ingest_eval, sequence, setting, name, given["INGEST_EVAL"]))


def apply_ingest_eval(sequence: Sequence, setting: Setting, transform: str, written: str) -> None:
    """The fields of one INGEST_EVAL, from left to right; `:=` takes the place of a field, `=` adds to it."""
    scope = sequence.scope
    for assignment in assignments(transform, written):
        name = assignment.target.text.rstrip(":").strip()
        value = EvalContext(scope).value(assignment.value)
        if name in NAMED_APART or value.kind is Kind.NULL:
            continue
        if value.kind is Kind.BOOLEAN:
            raise setting.error("boolean-field", "a field cannot hold true or false", "write `if(..., 1, 0)`")
        # The text of an event has one value.
        if name == "_raw" or assignment.target.text.endswith(":") or name not in scope.columns:
            scope.derive([(name, sequence.replaced(name, value, setting.guard))])
        else:
            sequence.add(name, value, setting.guard)


@lru_cache(1024)
def assignments(transform: str, written: str) -> tuple[Assignment, ...]:
    """The assignments as eval reads them."""
    written = REPLACING.sub(r"\1:=", written)
    source = Source(f"transforms.conf [{transform}] INGEST_EVAL", written)
    return EvalGrammar(StageCursor(ExpandedText(source, written), 0, len(written))).assignments()


Ways = dict[str, list[tuple[Typed, Typed]]]
"""For each field values, each with the condition under which it has it; the last that holds counts."""


def aliases(sequence: Sequence) -> None:
    """`FIELDALIAS-class = field AS name`: all at once; with ASNEW a field of that name stays as it is."""
    made: Ways = {}
    for setting in sequence.confs.classes("FIELDALIAS"):
        for old, how, new in ALIAS.findall(setting.value):
            name = new.strip('"')
            if name in sequence.wanted:
                value = sequence.scope.typed(old.strip('"'))
                # Without ASNEW an alias overwrites an existing field (capture fieldalias-target-exists).
                if how.upper() == "ASNEW":
                    value = prefer_old(sequence.scope.typed(name), value)
                made.setdefault(name, []).append((setting.guard, value))
    # All at once: aliases and EVALs of a stanza see the fields from before them (reference/spl.md 11.2).
    set_calculated_fields(sequence, made)


def calculations(sequence: Sequence) -> None:
    """`EVAL-field = expression`: all at once, so that none reads what another makes."""
    made: Ways = {}
    for setting in sequence.confs.classes("EVAL"):
        name = setting.name.removeprefix("EVAL-")
        if name in sequence.wanted:
            sequence.attempt(name, partial(calculate, sequence, setting, name, made))
    set_calculated_fields(sequence, made)


def calculate(sequence: Sequence, setting: Setting, name: str, made: Ways) -> None:
    """What one EVAL gives."""
    if "{" in name:
        raise setting.error("unsupported", "a field named by another one is not supported in props.conf")
    value = EvalContext(sequence.scope).value(expression_of(setting.stanza, setting.name, setting.value))
    if value.kind is Kind.BOOLEAN:
        raise setting.error("boolean-field", "a field cannot hold true or false", "write `if(..., 1, 0)`")
    made.setdefault(name, []).append((setting.guard, value))


@lru_cache(4096)
def expression_of(stanza: str, name: str, written: str) -> EvalExpression:
    """An expression as eval reads it."""
    source = Source(f"props.conf [{stanza}] {name}", written)
    return EvalGrammar(StageCursor(ExpandedText(source, written), 0, len(written))).whole()


def set_calculated_fields(sequence: Sequence, made: Ways) -> None:
    """Sets all fields at once, each to what it was where no condition holds."""
    values = []
    for name, ways in made.items():
        old = sequence.scope.typed(name)
        found = old
        for guard, value in ways:
            found = choose_where(guard, value, found)
        if found is not old:
            values.append((name, found))
    sequence.scope.derive(values)


def choose_where(guard: Typed, value: Typed, otherwise: Typed) -> Typed:
    """A value where a condition holds, another elsewhere."""
    if guard is NO or (value.kind is Kind.NULL and otherwise.kind is Kind.NULL):
        return otherwise
    if guard is YES:
        # An EVAL without a value takes the field away.
        return value if value.kind is not Kind.NULL else Typed(TYPED_NULL.expression, otherwise.kind)
    return ops.if_(guard, *align_kinds(value, otherwise))


def apply_automatic_lookups(sequence: Sequence) -> None:
    """`LOOKUP-class = table key AS field OUTPUT column AS field`: each in its turn."""
    for setting in sequence.confs.classes("LOOKUP"):
        stage = stage_of(setting.stanza, setting.name, setting.value)
        sequence.attempt(setting.name, partial(look_up, sequence, setting, stage))


def look_up(sequence: Sequence, setting: Setting, stage: Stage) -> None:
    """What one LOOKUP gives."""
    scope = sequence.scope
    if not any(name in sequence.wanted for name in named_outputs(stage) or [""]) and named_outputs(stage):
        return
    asked = parse_lookup(scope, bind_options(stage))
    match = match_lookup(scope, asked, stage)
    add_matched_columns(scope, match)
    values = []
    for column, target in asked.outputs:
        if target in sequence.wanted:
            value = build_output_value(scope, asked, target, match.values[column])
            values.append((target, choose_where(setting.guard, value, scope.typed(target))))
    scope.derive(values, stage.span)


def named_outputs(stage: Stage) -> Several[str]:
    """The fields that a LOOKUP says it makes; none where it makes all of the table's columns."""
    words = [w.text for w in bind_options(stage).words]
    at = next((i for i, w in enumerate(words) if w.lower() in ("output", "outputnew")), None)
    return words[at + 1 :] if at is not None else []


@lru_cache(1024)
def stage_of(stanza: str, name: str, written: str) -> Stage:
    """A lookup as the command of that name."""
    source = Source(f"props.conf [{stanza}] {name}", f"| lookup {written}")
    return PipelineGrammar(ExpandedText(source, source.text)).whole().stages[0]


# Chosen, no source: each is a column of the statement.
MOST_EXTRACTED_FIELDS = 1_000
NAMES_COLUMN = "@names"


def extract_scope(session: Session, pipeline: Pipeline) -> Scope | None:
    """All stored events with the fields that are extracted when they are searched; None where nothing says how."""
    settings = session.settings
    if not settings.props or "_raw" not in session.schema:
        return None
    # Extraction asks for many fields that a search does not name; neither are they read nor is anything to be told.
    reads, told, findings = set(session.reads), set(session.told), len(session.findings)
    scope = fresh_scope(session)
    places = places_of(scope, settings.props)
    known = confs(scope, settings.props, places)
    sees = find_wanted_fields(pipeline, session.words, session.patterns, known, settings.transforms)
    sequence = Sequence(
        scope=scope,
        confs=known,
        transforms=settings.transforms,
        wanted=sees,
        told=names_told(session, places) if sees.names is None or session.patterns else None,
    )
    extract_text_fields(sequence)
    if sequence.told is None:
        session.guessed = frozenset(sees.guesses()).difference(session.schema)
    aliases(sequence)
    calculations(sequence)
    apply_automatic_lookups(sequence)
    visible = [n for n in scope.columns if n[:1] != "@"]
    if len(visible) < len(scope.columns):
        scope.keep(visible)
    scope.defined.difference_update(session.schema)
    session.reads, session.told = reads, told
    session.findings[findings:] = [f for f in session.findings[findings:] if f.code not in ("no-such-field",)]
    return scope


def extract_text_fields(sequence: Sequence) -> None:
    """The fields that are taken out of texts."""
    apply_ingest_evals(sequence)
    for setting in sequence.confs.classes("EXTRACT"):
        inline(sequence, setting)
    for setting in sequence.confs.classes("REPORT"):
        report(sequence, setting)
    extract_automatic_fields(sequence)


def names_told(session: Session, places: SettingPlaces | None) -> frozenset[str] | None:
    """The names that the events themselves give fields; None where nobody can be asked."""
    settings = session.settings
    scope = fresh_scope(session)
    # Only names are asked for, and what transforms read to find them.
    only = WantedFields(collect_transform_sources(settings.transforms))
    sequence = Sequence(
        scope=scope,
        confs=confs(scope, settings.props, places),
        transforms=settings.transforms,
        wanted=only,
        told=frozenset(),
        asking=True,
    )
    extract_text_fields(sequence)
    if not sequence.names:
        return frozenset()
    every = sequence.names[0] if len(sequence.names) == 1 else apply(ops.list_concat, *sequence.names)
    if every.kind is Kind.NULL:
        return frozenset()
    scope.derive([(NAMES_COLUMN, Typed(ops.list_distinct(every).expression, Kind.LIST))])
    rows = Unnest(source=scope.node, column=NAMES_COLUMN)
    distinct = Aggregate(source=rows, keys=(("name", Column(NAMES_COLUMN)),), measures=())
    records = ask_rows(scope, distinct, MOST_EXTRACTED_FIELDS + 1, session.text.source.whole())
    if records is None:
        return None
    found = sorted(str(r["name"]) for r in records if "name" in r)
    if len(found) > MOST_EXTRACTED_FIELDS:
        message = f"events name more than {MOST_EXTRACTED_FIELDS:,} fields; the others are not extracted"
        session.warn("too-many-fields", message, session.text.source.whole(), "name fields with `table` or `fields`")
    return frozenset(field_name(n) for n in found[:MOST_EXTRACTED_FIELDS])
