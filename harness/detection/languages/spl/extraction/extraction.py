"""Search-time extraction as a whole: the relation of all stored events with the fields that their texts have."""

from __future__ import annotations

from harness.detection.languages.spl.asking import ask_rows
from harness.detection.languages.spl.extraction.automatic import extract_automatic_fields, field_name
from harness.detection.languages.spl.extraction.calculated import aliases, apply_automatic_lookups, calculations
from harness.detection.languages.spl.extraction.confs import SettingPlaces, confs, places_of
from harness.detection.languages.spl.extraction.indexed import apply_ingest_evals
from harness.detection.languages.spl.extraction.patterns import inline, report
from harness.detection.languages.spl.extraction.sequence import Sequence
from harness.detection.languages.spl.extraction.wanted import (
    WantedFields,
    collect_transform_sources,
    find_wanted_fields,
)
from harness.detection.languages.spl.scope import Scope, Session, fresh_scope
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate, Unnest
from harness.detection.plan.operation import Typed, apply

MOST_EXTRACTED_FIELDS = 1_000
NAMES_COLUMN = "@names"


def extract_scope(session: Session, pipeline: Pipeline) -> Scope | None:
    """All stored events with the fields that are extracted when they are searched; None where nothing says how."""
    settings = session.settings
    if not settings.props or "_raw" not in session.schema:
        return None
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
