"""Settings of props.conf as a plan sees them, and which fields a query can see.

Reference: props.conf.spec; captures precedence-*
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

from harness.detection.languages.spl.coercion import NO, YES, as_text, literal
from harness.detection.languages.spl.field_usage import walk_query
from harness.detection.languages.spl.regex import list_group_names
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, ask_rows
from harness.detection.languages.spl.syntax import Pipeline, Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.nodes import Aggregate
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.values.regex import compile_check
from harness.diagnostics import Source, SourceError, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.indexing.props import SOURCETYPE_PATTERN, STANZA_KINDS, Props, Stanza, order_stanzas

MANY = 50
"""Settings that are worth asking which of them can hold for any event."""
# Chosen, no source: combinations of source, host and sourcetype; a store with more is taken as it comes.
MOST_PLACES = 2_000

SettingPlaces = tuple[dict[str, str], ...]


@record(kw_only=True)
class Setting:
    """One setting of one stanza, and for which events it is the one that counts."""

    stanza: str
    name: str
    value: str
    guard: Typed

    @property
    def span(self) -> Span:
        """Its text, for messages."""
        return Source(f"props.conf [{self.stanza}] {self.name}", self.value).whole()

    def error(self, code: str, message: str, help: str | None = None) -> SourceError:
        """An error about it."""
        return SourceError(code, message, self.span, help=help)


@record
class Confs:
    """All stanzas, the one that counts first coming first, over the rows of a scope.

    `places` are the sources, hosts and sourcetypes that there are; without them every stanza may be about some event.
    """

    scope: Scope
    stanzas: tuple[Stanza, ...]
    places: SettingPlaces | None = None

    def of(self, name: str) -> Iterator[Setting]:
        """A setting in every stanza that has it; no event is in two."""
        others: Typed = YES
        for stanza in self.stanzas:
            if name in stanza.settings:
                here = self.condition(stanza)
                guard = build_and(others, here)
                if guard is not NO:
                    yield Setting(stanza=stanza.name, name=name, value=stanza.settings[name].strip(), guard=guard)
                # A setting of a stronger stanza hides those of weaker ones for its events.
                others = build_and(others, build_not(here))

    def classes(self, prefix: str) -> Iterator[Setting]:
        """All settings `<prefix>-<class>` by ASCII order of their classes; an empty one takes a setting away."""
        names = {n for s in self.stanzas for n in s.settings if n.startswith(f"{prefix}-")}
        for name in sorted(names):
            yield from (s for s in self.of(name) if s.value)

    def rest(self, name: str) -> Typed:
        """Events for which no stanza has a setting."""
        others: Typed = YES
        for stanza in self.stanzas:
            if name in stanza.settings:
                others = build_and(others, build_not(self.condition(stanza)))
        return others

    def condition(self, stanza: Stanza) -> Typed:
        """Whether an event is one that a stanza is about."""
        if stanza.field is None:
            return YES
        value = self.scope.typed(stanza.field)
        if value.kind is Kind.NULL:
            return NO
        if self.places is not None:
            held = {stanza.holds(place) for place in self.places}
            # All events fit or none does: the condition need not stand in the statement.
            if len(held) < 2:
                return YES if held == {True} else NO
        if stanza.literal:
            # Stanzas of hosts match whatever the case, those of sources and sourcetypes do not (props.conf.spec).
            return apply(ops.equal_ci if stanza.field == "host" else ops.equal, as_text(value), literal(stanza.pattern))
        return ops.regex_found(as_text(value), literal(rf"\A(?:{stanza.regex})\z"), literal("s"))


def confs(scope: Scope, props: Props, places: SettingPlaces | None = None) -> Confs:
    """The settings over the rows of a scope."""
    found = tuple(order_stanzas({**build_add_on_props(), **props}))
    for stanza in found:
        check_stanza_pattern(stanza)
    return Confs(scope, found, places)


def build_add_on_props() -> Props:
    """Stanzas of the sourcetypes whose events come with the fields that their add-on extracts."""
    # Imported by name: it is made of events as columns, which a rule that is only read has nothing to do with.
    inputs = import_module("harness.telemetry.splunk_inputs")
    words: Mapping[str, str] = inputs.WINDOWS_SOURCETYPES
    # Extracting key=value from these again would add fields that no add-on makes.
    windows = (*words.values(), *(f"{SOURCETYPE_PATTERN}{word}:*" for word in words))
    others = (each.sourcetype for each in inputs.map_splunk_inputs().values())
    return {name: {"KV_MODE": "none"} for name in (*windows, inputs.OTHER_SOURCETYPE, *others)}


def check_stanza_pattern(stanza: Stanza) -> None:
    """Raises SourceError where the pattern of a stanza's name is none."""
    if stanza.field is None or stanza.literal:
        return
    try:
        compile_check(rf"\A(?:{stanza.regex})\z", "s")
    except ValueError as error:
        place = Source("props.conf", f"[{stanza.name}]").whole()
        raise SourceError("bad-stanza", f"the name of a stanza is no pattern: {error}", place) from None


def places_of(scope: Scope, props: Props) -> SettingPlaces | None:
    """The sources, hosts and sourcetypes of all events, where stanzas are many and somebody can be asked."""
    session = scope.session
    named = [n for n in STANZA_KINDS if n in scope.columns]
    if session.settings.ask is None or not named or sum(len(given) for given in props.values()) < MANY:
        return None
    keys = tuple((name, Column(name)) for name in named)
    distinct = Aggregate(source=scope.node, keys=keys, measures=())
    records = ask_rows(scope, distinct, MOST_PLACES + 1, session.text.source.whole())
    if records is None or len(records) > MOST_PLACES:
        return None
    return tuple({name: str(r.get(name) or "") for name in named} for r in records)


def build_and(x: Typed, y: Typed) -> Typed:
    """Both conditions."""
    if NO in (x, y):
        return NO
    return y if x is YES else x if y is YES else ops.and_(x, y)


def build_or(x: Typed, y: Typed) -> Typed:
    """One of two conditions."""
    if YES in (x, y):
        return YES
    return y if x is NO else x if y is NO else ops.or_(x, y)


def build_not(x: Typed) -> Typed:
    """Where a condition does not hold; unknown is not held."""
    return NO if x is YES else YES if x is NO else ops.not_(ops.is_true(x))


def build_value_where(guard: Typed, value: Typed) -> Typed:
    """A value in the events that a condition holds for, nothing in the others."""
    if value.kind is Kind.NULL or guard is NO:
        return TYPED_NULL
    return value if guard is YES else ops.if_(guard, value, TYPED_NULL)


NAMES_IN_TEXT = late_pattern(r"[\w.{}:@-]+")
EXTRACTABLE_NAME = late_pattern(r"(?:\{\}\.)?[A-Za-z][\w.{}@:-]*")
ALIAS = late_pattern(r"(\"[^\"]*\"|\S+)\s+(ASNEW|AS)\s+(\"[^\"]*\"|\S+)", re.I)
# Chosen, no source: without events every word of the search may be a field.
MOST_GUESSES = 300


@record
class WantedFields:
    """Names of fields and patterns over them; every field there is where `names` is None."""

    names: frozenset[str] | None
    patterns: tuple[re.Pattern[str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return self.names is None or name in self.names or any(p.fullmatch(name) for p in self.patterns)

    def guesses(self) -> list[str]:
        """Names that events may have fields of."""
        found = sorted(n for n in self.names or () if EXTRACTABLE_NAME.fullmatch(n))
        return found[:MOST_GUESSES]


def is_closed(pipeline: Pipeline) -> bool:
    """Whether the query itself says which fields its rows have."""
    every = (part for part in walk_query(pipeline) if isinstance(part, Stage))
    # transpose and the like show fields whose names the search does not have.
    if any(COMMANDS[s.name].find_field_effect(s) == "remakes" for s in every):
        return False
    return any(COMMANDS[s.name].find_field_effect(s) == "closes" for s in pipeline.stages)


def find_wanted_fields(
    pipeline: Pipeline,
    words: frozenset[str],
    patterns: tuple[re.Pattern[str], ...],
    confs: Confs,
    transforms: Props,
) -> WantedFields:
    """The fields that a query can see, and those that they are made of."""
    if not is_closed(pipeline) or "*" in words:
        return WantedFields(None)
    named = WantedFields(words, patterns)
    found = set(words)
    for setting in confs.classes("LOOKUP"):
        said = NAMES_IN_TEXT.findall(setting.value)
        outputs = next((said[i + 1 :] for i, w in enumerate(said) if w.lower() in ("output", "outputnew")), None)
        if outputs is None or mentions(named, outputs):
            found.update(said)
    # From the last step of Splunk's order to the first: what a later one reads an earlier one has to make.
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("EVAL"):
        if setting.name.removeprefix("EVAL-") in named:
            found.update(NAMES_IN_TEXT.findall(setting.value) + re.findall(r"\w+", setting.value))
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("FIELDALIAS"):
        found.update(old.strip('"') for old, _, new in ALIAS.findall(setting.value) if new.strip('"') in named)
    named = WantedFields(frozenset(found), patterns)
    for setting in confs.classes("EXTRACT"):
        regex, field = inline_parts(setting.value)
        if mentions(named, list_group_names(regex)):
            found.add(field)
    return WantedFields(frozenset(found) | collect_transform_sources(transforms), patterns)


def inline_parts(written: str) -> tuple[str, str]:
    """An EXTRACT's regular expression, and the field that it looks at: `regex in field`, else the event's text."""
    before, blank, field = written.rstrip().rpartition(" ")
    # A regular expression may end in ` in x` too; then the word before it is part of it.
    regex = before.rstrip().removesuffix("in")
    if blank and regex != before.rstrip() and regex[-1:].isspace() and re.fullmatch(r"\w+", field):
        return regex.rstrip(), field
    return written, "_raw"


def collect_transform_sources(transforms: Props) -> frozenset[str]:
    """Fields that transforms read."""
    return frozenset(t["SOURCE_KEY"] for t in transforms.values() if "REGEX" in t and "SOURCE_KEY" in t)


def mentions(named: WantedFields, names: Iterable[str]) -> bool:
    """Whether one of the names is wanted."""
    return any(name in named for name in names)
