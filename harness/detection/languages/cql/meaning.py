"""What the reading of one query knows, and what it collects on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.detection.language import Cut, Lookup, Settings, Step, Strictness
from harness.detection.languages.cql.switches import DEFAULTS
from harness.detection.languages.cql.syntax import FreeText, Pipeline, QueryParameter, Syntax, Word, walk_syntax
from harness.detection.plan.expressions import Expression, Schema
from harness.detection.plan.nodes import Node
from harness.diagnostics import Finding, Severity, Source, Span

if TYPE_CHECKING:
    from harness.detection.languages.cql.flow import RowScope, Scope

TEMPORARY = "@~"


@dataclass(slots=True, kw_only=True)
class Session:
    """What the reading of one query knows and collects."""

    source: Source
    dialect: Strictness
    settings: Settings
    schema: Schema
    switches: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    collected: list[tuple[Expression, int]] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    tables: dict[str, Scope] = field(default_factory=dict)
    defaults: dict[str, str] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    searches: bool = False
    textual: frozenset[str] = frozenset()
    run: Callable[[Scope, Pipeline], None]
    take: Callable[[RowScope, Syntax], None]
    step: Callable[[Scope, Syntax], None]
    plain: Callable[[Syntax], bool]
    events: Node | None = None
    merged: dict[int, tuple[Node, Node]] = field(default_factory=dict)
    made: int = 0
    grown: int = 0
    joined: int = 0
    interval: tuple[float | None, float | None] | None = None
    unnamed: bool = False
    arrays: frozenset[str] = frozenset()
    asked: bool = False
    questions: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)

    def switch(self, name: str) -> str:
        """The value of a switch, which the meaning then depends on."""
        default = DEFAULTS[name]
        value = self.switches[name] = self.settings.switches.get(name, default)
        return value

    def temporary(self) -> str:
        """A new column's name that is no field."""
        self.made += 1
        return f"{TEMPORARY}{self.made}"

    def tell(
        self,
        code: str,
        what: str,
        message: str,
        span: Span,
        help: str | None = None,
        severity: Severity = Severity.WARNING,
    ) -> None:
        """Notes something once for each `what`."""
        if (code, what) not in self.told:
            self.told.add((code, what))
            self.findings.append(Finding(code=code, span=span, message=message, help=help, severity=severity))

    def learn(self, pipeline: Pipeline) -> None:
        """What a query's text tells before it is read: fields it names, defaults it gives, whether it searches."""
        parts = walk_syntax(pipeline)
        defaults = {p.name: p.default.text for p in parts if isinstance(p, QueryParameter) and p.default is not None}
        self.defaults = {**defaults, **self.defaults}
        self.mentioned |= {p.text for p in parts if isinstance(p, Word)}
        self.searches = self.searches or any(isinstance(p, FreeText) for p in parts)

    def settled(self) -> tuple[Step, ...]:
        """The steps, each with the node that its assignments ended up in."""
        return tuple(replace(s, node=self.latest(s.node)) for s in self.steps)

    def latest(self, node: Node) -> Node:
        """The node that took this one's place."""
        passed = []
        while id(node) in self.merged:
            passed.append(node)
            node = self.merged[id(node)][1]
        for each in passed:
            self.merged[id(each)] = (each, node)
        return node

    def lookup(self, name: str) -> Lookup | None:
        """The table of that name, with or without its folder and suffix."""
        tables = self.settings.lookups
        short = name.rpartition("/")[2]
        for wanted in (name, short, short.removesuffix(".csv")):
            if wanted in tables:
                return tables[wanted]
        return None
