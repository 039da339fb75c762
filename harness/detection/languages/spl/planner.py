"""From a parsed query to its plan over one schema."""

from __future__ import annotations

from harness.detection.language import Plan, Settings, Step
from harness.detection.languages.spl import commands, functions
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import WORDS, Scope, Session, fresh_scope
from harness.detection.languages.spl.switches import SWITCHES
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.languages.spl.text import Text
from harness.detection.plan.columns import Columns

TABLES = (commands, functions)


def plan(pipeline: Pipeline, text: Text, columns: Columns, settings: Settings) -> Plan:
    """The meaning of a query over a schema; raises SourceError for what is not supported."""
    session = Session(
        text=text,
        schema=columns,
        settings=settings,
        switches=SWITCHES,
        run=run,
        words=frozenset(WORDS.findall(text.text)),
    )
    scope = fresh_scope(session)
    run(pipeline, scope)
    return Plan(
        node=scope.node,
        steps=tuple(session.steps),
        switches=dict(session.used),
        reads=frozenset(n for n in session.reads if not n.startswith("@")),
        findings=tuple(session.findings),
    )


def run(pipeline: Pipeline, scope: Scope) -> None:
    """Extends a relation by the stages of a pipeline."""
    for i, stage in enumerate(pipeline.stages):
        entry = COMMANDS[stage.name]
        if entry.generating and (i > 0 or not scope.first) and stage.name != "search":
            entry = COMMANDS[stage.name]
        entry.define(scope, stage)
        scope.first = False
        if scope.main:
            scope.session.steps.append(Step(stage.span, scope.node, stage.name))
