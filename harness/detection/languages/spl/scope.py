"""What the pipelines of a query share, the relation built so far, and what only the events can tell.

A search asks through `Settings.ask`; without it the plan is what can be told of the text alone, and a note says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from harness.detection.language import Settings, Step, Switch
from harness.detection.languages.spl.lexer import ExpandedText
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.plan.expressions import (
    EVENT_COLUMN,
    ROW,
    Column,
    Expression,
    Kind,
    Literal,
    Schema,
    SortKey,
    is_hidden,
)
from harness.detection.plan.nodes import Derive, Filter, Limit, Node, Scan, Select, walk_nodes
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed
from harness.diagnostics import Finding, HarnessError, Severity, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern

# Events reach the first command newest first (reference/spl.md 1.15); those of one time in the order of the store.
EQUAL_TIMES_SWITCH = "equal_times"
NEWEST_FIRST = (SortKey(Column("_time"), descending=True), SortKey(Column("@event")))
# Two letters at least: `*` and `a*` would have every field of the store read.
# Chosen, no source: who mistypes more names than that reads none of the hints.
MOST_SUGGESTIONS = 10
FIELD_PATTERN = late_pattern(r"\w{2,}\*|\*\w{2,}|\w+\*\w+")


@dataclass(slots=True, kw_only=True)
class Session:
    """What all pipelines of one query share while it is planned.

    `tables` are those that the pipelines at work wrote by now, `early` those of subsearches, which run first;
    `assigned` are the targets of the eval at work, up to the assignment at hand.
    """

    text: ExpandedText
    schema: Schema
    settings: Settings
    switches: Mapping[str, Switch]
    run: Callable[[Pipeline, Scope], None]
    used: dict[str, str] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    scan: Scan | None = None
    events: Scope | None = None
    guessed: frozenset[str] = frozenset()
    counter: int = 0
    told: set[str] = field(default_factory=set)
    assigned: frozenset[str] = frozenset()
    asked: bool = False
    questions: int = 0
    searches: int = 0
    delimiters: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    tables: dict[str, Scope] = field(default_factory=dict)
    early: dict[str, Scope] = field(default_factory=dict)

    def switch(self, name: str) -> str:
        """The value of a switch, which the query's meaning then depends on."""
        value = self.settings.switches.get(name, self.switches[name].default)
        # What a plan depends on is what was asked, not what was set.
        self.used[name] = value
        return value

    def note(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        """A remark that goes with the plan."""
        finding = Finding(code=code, span=span, message=message, help=help, severity=Severity.NOTE)
        if finding not in self.findings:
            self.findings.append(finding)

    def warn(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        """A warning that goes with the plan."""
        finding = Finding(code=code, span=span, message=message, help=help, severity=Severity.WARNING)
        if finding not in self.findings:
            self.findings.append(finding)

    def fresh(self, stem: str) -> str:
        """A column name that no field has."""
        self.counter += 1
        return f"@{stem}{self.counter}"

    def mentions(self, name: str) -> bool:
        """Whether the query's text names a field anywhere, so that it is worth having."""
        return name in self.words or any(p.fullmatch(name) for p in self.patterns)


def matches_name_pattern(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern with `*`."""
    return compile_name_pattern(pattern).fullmatch(name) is not None if "*" in pattern else pattern == name


@lru_cache(4096)
def compile_name_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern with `*` as a regular expression over names."""
    return re.compile(".*".join(re.escape(p) for p in pattern.split("*")), re.S)


@dataclass(slots=True, kw_only=True)
class Scope:
    """One pipeline under construction: its relation, the columns of it, and whether its rows still are events.

    `defined` are the columns that the query itself made; all others are fields of recorded events. `open` says that
    there may be more columns, which only the data can name. `range` is what the search says of its time, by the
    operation that compares it. `command` is the one at work, `order_matters` says whether anything behind it depends
    on the order of its rows, `subsearch_order_matters` whether it or anything behind it does on the order of a
    subsearch's; that is None for a command that has none.
    """

    session: Session
    node: Node
    columns: dict[str, Kind]
    events: bool = True
    main: bool = True
    defined: set[str] = field(default_factory=set)
    first: bool = True
    last: bool = False
    command: str = ""
    order_matters: bool = False
    subsearch_order_matters: bool | None = None
    range: dict[Operation, Typed] = field(default_factory=dict)
    groups: frozenset[float] = frozenset()
    open: bool = False

    @property
    def settings(self) -> Settings:
        """Settings of the run."""
        return self.session.settings

    def typed(self, name: str, span: Span | None = None) -> Typed:
        """A field of the current rows; null if they have none of that name."""
        if not name:
            raise SourceError(
                "empty-name", "a field has a name", span or find_empty_name(self.session.text.source.whole())
            )
        # Only what comes from the store is read; what the search made itself is at hand.
        if self.events and name not in self.defined:
            self.session.reads.add(name)
        kind = self.columns.get(name)
        if kind is None:
            self.absent(name, span)
            return TYPED_NULL if span is None else Typed(Literal(None, span), Kind.NULL)
        return Typed(Column(name, span), kind)

    def suggest(self, name: str) -> str | None:
        """The field that was meant, perhaps, or where there is one of this name."""
        # Looked for only for the first few, since each is compared with every field of the store.
        few = len(self.session.told) < MOST_SUGGESTIONS
        near = did_you_mean(name, [c for c in self.columns if c not in (ROW, EVENT_COLUMN)]) if few else None
        find_hint = self.session.settings.find_hint
        return near or (find_hint(name) if find_hint else None)

    def mistyped(self, name: str, span: Span) -> None:
        """Tells of a field of a condition that no event has, where another is spelled much like it."""
        # Searches of many products name fields that events of one lack, so that alone is nothing to tell.
        if name not in self.columns and name not in self.session.told and self.suggest(name):
            self.absent(name, span)

    def absent(self, name: str, span: Span | None) -> None:
        """Tells of a field that no row has."""
        session = self.session
        if span is None or name in session.told or name in self.defined or name in session.assigned:
            return
        near = self.suggest(name)
        session.told.add(name)
        # Columns that nobody could name may be there after all.
        if self.open:
            return
        if self.events:
            session.note("no-such-field", f"no event has a field `{name}`", span, near)
        else:
            session.warn("field-is-gone", f"no row has a field `{name}` at this point", span, near)

    def matching(self, pattern: str) -> list[str]:
        """Columns that a name or a pattern with `*` means; internal ones only if it begins with `_`."""
        if "*" not in pattern:
            return [pattern] if pattern in self.columns else []
        return [
            n
            for n in self.columns
            if matches_name_pattern(pattern, n) and (n[0] != "_" or pattern[0] == "_") and not n.startswith("@")
        ]

    def filter(self, condition: Expression, span: Span | None = None) -> None:
        """Keeps the rows for which a condition is true."""
        if isinstance(condition, Literal) and condition.value is True:
            return
        self.node = Filter(source=self.node, condition=condition, span=span)

    def derive(self, named: Iterable[tuple[str, Typed]], span: Span | None = None) -> None:
        """Adds or replaces columns; a column of a null literal is one that no row has."""
        columns = list(named)
        if not columns:
            return
        self.node = Derive(source=self.node, columns=tuple((n, v.expression) for n, v in columns), span=span)
        for name, value in columns:
            self.columns[name] = value.kind
            self.defined.add(name)

    def select(self, named: Iterable[tuple[str, Typed]], span: Span | None = None) -> None:
        """Keeps exactly these columns."""
        columns = dict(named)
        self.node = Select(source=self.node, columns=tuple((n, v.expression) for n, v in columns.items()), span=span)
        self.columns = {n: v.kind for n, v in columns.items()}

    def keep(self, names: Iterable[str], span: Span | None = None) -> None:
        """Keeps the columns of these names, in this order."""
        self.select([(n, Typed(Column(n), self.columns[n])) for n in names if n in self.columns], span)

    def replace(self, node: Node, columns: Schema, *, events: bool | None = None) -> None:
        """Takes another relation as the current one."""
        self.node = node
        self.columns = {n: k for n, k in columns.items() if not is_hidden(n)}
        if events is not None:
            self.events = events
        if not self.events:
            self.defined = set(self.columns)

    def branch(self) -> Scope:
        """A scope over the same rows, to go another way from here."""
        return Scope(
            session=self.session,
            node=self.node,
            columns=dict(self.columns),
            events=self.events,
            main=False,
            defined=set(self.defined),
            first=False,
            open=self.open,
            range=dict(self.range),
            command=self.command,
            order_matters=self.order_matters,
            subsearch_order_matters=self.subsearch_order_matters,
        )

    def subsearch(self, pipeline: Pipeline, *, order_matters: bool | None = None) -> Scope:
        """The relation of a pipeline in brackets, which starts from the stored events anew.

        It runs before the pipeline around it does, so it sees no table that this one writes, and this one sees its.
        Whether the order of its rows matters is what the command at work says of its subsearches, unless it is given.
        """
        matters = self.subsearch_order_matters if order_matters is None else order_matters
        if matters is None:
            what = "what it does with the order of its rows"
            message = f"command `{self.command}` runs a subsearch and does not say `subsearch`, {what}"
            raise HarnessError("registration", message)
        scope = fresh_scope(self.session, main=False)
        scope.order_matters = matters
        # Subsearches run before the search around them, so they see tables of earlier subsearches only.
        around, self.session.tables = self.session.tables, self.session.early
        self.session.run(pipeline, scope)
        self.session.tables = {**self.session.early, **around}
        return scope

    def unsupported(self, what: str, span: Span, help: str | None = None) -> SourceError:
        """The error about a construct that cannot be run."""
        return SourceError("unsupported", f"{what} is not supported", span, help=help)


def find_empty_name(within: Span) -> Span:
    """Where `""` stands in a stretch of the search, else all of it."""
    at = within.text.find('""')
    return within if at < 0 else within.source.span(within.start + at, within.start + at + 2)


def fresh_scope(session: Session, *, main: bool = True) -> Scope:
    """A scope over all stored events, with the fields that are extracted when they are searched."""
    if session.events is not None:
        made, known = session.events, session.events.defined
        return Scope(session=session, node=made.node, columns=dict(made.columns), main=main, defined=set(known))
    if session.scan is None:
        # Not asked: only a plan whose values hang on the order of events depends on the switch.
        reverse = session.settings.switches.get(EQUAL_TIMES_SWITCH) == "reversed"
        order = (NEWEST_FIRST[0], replace(NEWEST_FIRST[1], descending=reverse))
        session.scan = Scan(columns=session.schema, order=order)
    columns = {n: k for n, k in session.schema.items() if n[:1] != "@"}
    return Scope(session=session, node=session.scan, columns=columns, main=main)


# Chosen, no source.
MOST_STEPS = 4_000
"""Nodes that all questions of one plan may have together: each is a run of the search up to there."""

AnsweredRow = Mapping[str, object]


def ask_rows(scope: Scope, node: Node, most: int, span: Span) -> list[AnsweredRow] | None:
    """The first rows of a relation, null fields left out; None where nobody can be asked."""
    session = scope.session
    session.asked = True
    ask = session.settings.ask
    if ask is None:
        return None
    session.questions += sum(1 for _ in walk_nodes(node))
    if session.questions > MOST_STEPS:
        message = "parts of the search have to be run too often to tell its columns"
        raise SourceError("too-many-questions", message, span, help="name the columns with `stats` and `eval`")
    return list(ask(Limit(source=node, count=most)).records())


def note_unnamed_columns(scope: Scope, what: str, span: Span) -> None:
    """Tells of columns that nobody could name; later commands may mean them."""
    scope.session.note(
        "unnamed-columns", f"columns named by {what} are known only with events; here they are rows", span
    )
    scope.open = True
