"""One rule against one store: its alerts, what they hang on, and why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.detection.engine import Engine
from harness.detection.language import Plan, Query, Settings, language
from harness.detection.plan.passes.provenance import trace_events
from harness.scenario.rule import Rule
from harness.verdict.absent import collect_expected_fields
from harness.verdict.alerts import Alert, alerts_of
from harness.verdict.explain import Explanation, Labels, events_behind
from harness.verdict.loss import explain
from harness.verdict.store import TelemetryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A rule, the events it is run on, and under which conditions."""

    rule: Rule
    query: Query
    store: TelemetryStore
    conditions: Mapping[str, str]
    settings: Settings

    @property
    def engine(self) -> Engine:
        """The engine that holds the events."""
        return self.store.engine

    def plan(self, settings: Settings | None = None) -> Plan:
        """What the rule means over these events, which are loaded for it; its "now" is when they end."""
        columns = self.store.load(language(self.rule.language).platform, self.conditions, raw=self.query.raw)
        chosen = settings or self.settings
        # A search over recorded events is run when they end; the day of the test would give other answers tomorrow.
        now = chosen.now or self.store.end(self.conditions)
        return self.query.plan(columns, replace(chosen, now=now, ask=self.store.ask))

    def alerts(self, plan: Plan) -> tuple[Alert, ...]:
        """The rows of the rule and who caused them."""
        return alerts_of(self.engine.run(trace_events(plan.node)), self.store.truth)

    def explanation(self, plan: Plan) -> Explanation:
        """What became of the attack's events at each step."""
        truth = self.store.truth
        return explain(plan, self.engine, Labels(malicious=truth.malicious, total=len(truth.by_event)))

    def absent(self, plan: Plan, alerts: tuple[Alert, ...]) -> tuple[str, ...]:
        """Fields that the rule reads but none of the events has that it looks at.

        Those are the events behind its alerts, or where there are none the attack's that pass its first step.
        """
        # Events of a world are gone after a query; its schema says what no kind has.
        if self.store.streamed:
            return self.store.absent(collect_expected_fields(plan), ())
        events = {e for a in alerts for e in a.events}
        if not events and plan.steps:
            first = set().union(*events_behind([plan.steps[0].node], self.engine)[0])
            events = first & self.store.truth.malicious or first
        return self.store.absent(collect_expected_fields(plan), events)
