"""From a parsed query to its plan; the stricter answer to which texts are numbers.

Reference: reference/spl.md 2.2, question Q11
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from harness.detection.language import Plan, Settings, Step
from harness.detection.languages.spl import commands, functions
from harness.detection.languages.spl.aggregation import heeds_order, list_heeded_orders
from harness.detection.languages.spl.extraction.extraction import extract_scope
from harness.detection.languages.spl.lexer import ExpandedText
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import (
    EQUAL_TIMES_SWITCH,
    FIELD_PATTERN,
    Scope,
    Session,
    compile_name_pattern,
    find_empty_name,
    fresh_scope,
)
from harness.detection.languages.spl.switches import SWITCH_BY_NAME
from harness.detection.languages.spl.syntax import Pipeline, Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Call, Expression, Literal, Schema, SortKey, rebuild_expression
from harness.detection.plan.nodes import Node, walk_nodes
from harness.detection.plan.passes.requirements import is_decided_by_order
from harness.diagnostics import SourceError

# The stricter answer to Q11 of the reference: digits with a fraction, nothing that only looks like a number.
PLAIN_NUMBER = Literal(r"^-?\d+(\.\d+)?$")


def plain_only(root: Node, steps: Iterable[Step]) -> tuple[Node, tuple[Step, ...]]:
    """A plan in which text such as `1e3`, `+5`, `.5` and `5.` is no number, and its steps."""
    known: dict[int, Node] = {}
    kept = list(steps)
    for top in (*(s.node for s in kept), root):
        for node in walk_nodes(top):
            # By identity: a plan shares nodes, and equal ones have to stay one.
            if id(node) not in known:
                known[id(node)] = rebuild_node(node, known)
    return known[id(root)], tuple(replace(s, node=known[id(s.node)]) for s in kept)


def rebuild_node(node: Node, known: dict[int, Node]) -> Node:
    """A node over what its sources became."""
    parts: dict[str, Any] = {f.name: rewrite_part(getattr(node, f.name), known) for f in fields(node)}
    return replace(node, **parts)


def rewrite_part(part: object, known: dict[int, Node]) -> object:
    """A part of a node: a source, an expression, or several."""
    match part:
        case Node():
            return known[id(part)]
        case Expression():
            return rebuild_expression(part, stricter)
        case SortKey(expression):
            return replace(part, expression=rebuild_expression(expression, stricter))
        case tuple():
            return tuple(rewrite_part(p, known) for p in part)
        case _:
            return part


def stricter(expression: Expression) -> Expression:
    """Reading a number asks first whether the text is plain digits."""
    if not isinstance(expression, Call) or expression.operation not in (ops.to_number, ops.is_number):
        return expression
    plain = ops.regex_found(expression.arguments[0], PLAIN_NUMBER, Literal(""))
    if expression.operation == ops.is_number:
        return ops.and_(expression, ops.coalesce(plain, Literal(False)), span=expression.span)
    return ops.if_(plain, expression, NULL, span=expression.span)


# Asked only if it is set: every plan that reads a number would otherwise depend on it.
LOOK_ALIKES_SWITCH = "number_look_alikes"
TABLES = (commands, functions)


def plan(pipeline: Pipeline, text: ExpandedText, names: frozenset[str], columns: Schema, settings: Settings) -> Plan:
    """The meaning of a query over a schema; raises SourceError for what is not supported."""
    session = Session(
        text=text,
        schema=columns,
        settings=settings,
        switches=SWITCH_BY_NAME,
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
    if is_decided_by_order(node):
        session.switch(EQUAL_TIMES_SWITCH)
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


def refuse_nameless_column(scope: Scope, stage: Stage) -> None:
    """Raises SourceError where a command has made a column of the name `""`, at that name if it stands there."""
    if "" in scope.columns:
        message = f"`{stage.name}` makes a column without a name"
        raise SourceError("empty-name", message, find_empty_name(stage.span))


def lower_pipeline(pipeline: Pipeline, scope: Scope) -> None:
    """Extends a relation by the stages of a pipeline."""
    around = scope.command, scope.order_matters, scope.subsearch_order_matters
    heeded = list_heeded_orders(pipeline.stages, scope.order_matters)
    for stage, matters in zip(pipeline.stages, heeded, strict=True):
        entry = COMMANDS[stage.name]
        scope.command, scope.order_matters = stage.name, matters
        scope.subsearch_order_matters = None if entry.subsearch is None else heeds_order(entry.subsearch, matters)
        scope.last = scope.main and stage is pipeline.stages[-1]
        entry.run(scope, stage)
        refuse_nameless_column(scope, stage)
        scope.first = False
        if scope.main:
            scope.session.steps.append(Step(stage.span, scope.node, stage.name))
    scope.command, scope.order_matters, scope.subsearch_order_matters = around
