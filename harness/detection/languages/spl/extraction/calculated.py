"""FIELDALIAS, EVAL and LOOKUP: fields made of fields.

Reference: props.conf.spec; captures fieldalias-*, eval-*
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from functools import lru_cache, partial

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import NO, YES
from harness.detection.languages.spl.commands.lookup import build_output_value, parse_lookup
from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.extraction.confs import Setting
from harness.detection.languages.spl.extraction.sequence import Sequence, align_kinds, prefer_old
from harness.detection.languages.spl.extraction.wanted import ALIAS
from harness.detection.languages.spl.matching import add_matched_columns, match_lookup
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.reader import StageCursor
from harness.detection.languages.spl.syntax import EvalExpression, Stage
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed
from harness.diagnostics import Source

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
                if how.upper() == "ASNEW":
                    value = prefer_old(sequence.scope.typed(name), value)
                made.setdefault(name, []).append((setting.guard, value))
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
