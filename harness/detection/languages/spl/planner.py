"""From a parsed query to its plan over one schema."""

from __future__ import annotations

from harness.detection.language import Plan, Settings, Step
from harness.detection.languages.spl import commands, functions
from harness.detection.languages.spl.extraction.extraction import extract_scope
from harness.detection.languages.spl.look_alikes import plain_only
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import FIELD_PATTERN, Scope, Session, compile_name_pattern, fresh_scope
from harness.detection.languages.spl.statistics import heeds_order, list_heeded_orders
from harness.detection.languages.spl.switches import SWITCHES
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan.expressions import Schema

LOOK_ALIKES_SWITCH = "number_look_alikes"
TABLES = (commands, functions)


def plan(pipeline: Pipeline, text: ExpandedText, names: frozenset[str], columns: Schema, settings: Settings) -> Plan:
    """The meaning of a query over a schema; raises SourceError for what is not supported."""
    session = Session(
        text=text,
        schema=columns,
        settings=settings,
        switches=SWITCHES,
        run=lower_pipeline,
        words=names,
        patterns=tuple(compile_name_pattern(w) for w in names if "*" in w and FIELD_PATTERN.fullmatch(w)),
    )
    session.events = extract_scope(session, pipeline)
    scope = fresh_scope(session)
    lower_pipeline(pipeline, scope)
    visible = [n for n in scope.columns if not n.startswith("@")]
    if len(visible) < len(scope.columns):
        scope.keep(visible)
        last = session.steps[-1]
        session.steps[-1] = Step(last.span, scope.node, last.name)
    node, steps = scope.node, tuple(session.steps)
    if (
        settings.switches.get(LOOK_ALIKES_SWITCH, "decimal") != "decimal"
        and session.switch(LOOK_ALIKES_SWITCH) == "plain"
    ):
        node, steps = plain_only(node, steps)
    reads = frozenset(n for n in session.reads if not n.startswith("@"))
    return Plan(
        node=node,
        steps=steps,
        switches=dict(session.used),
        reads=reads,
        implied=frozenset(n for n in reads if not session.mentions(n)),
        findings=tuple(session.findings),
        asked=session.asked,
    )


def lower_pipeline(pipeline: Pipeline, scope: Scope) -> None:
    """Extends a relation by the stages of a pipeline."""
    around = scope.command, scope.order_matters, scope.subsearch_order_matters
    heeded = list_heeded_orders(pipeline.stages, scope.order_matters)
    for stage, matters in zip(pipeline.stages, heeded, strict=True):
        entry = COMMANDS[stage.name]
        scope.command, scope.order_matters = stage.name, matters
        scope.subsearch_order_matters = None if entry.subsearch is None else heeds_order(entry.subsearch, matters)
        scope.last = scope.main and stage is pipeline.stages[-1]
        entry.define(scope, stage)
        scope.first = False
        if scope.main:
            scope.session.steps.append(Step(stage.span, scope.node, stage.name))
    scope.command, scope.order_matters, scope.subsearch_order_matters = around
