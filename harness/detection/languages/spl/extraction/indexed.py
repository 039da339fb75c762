"""INGEST_EVAL: fields that an expression makes when events are indexed, out of what there is at that time.

Here they are made first when the events are searched, which comes to the same but for transforms that come after.

Reference: transforms.conf.spec INGEST_EVAL; capture ingest-eval
"""

from __future__ import annotations

import re
from functools import lru_cache, partial

from harness.detection.languages.spl.eval_grammar import EvalGrammar
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.extraction.confs import Setting
from harness.detection.languages.spl.extraction.sequence import Sequence
from harness.detection.languages.spl.reader import StageCursor
from harness.detection.languages.spl.syntax import Assignment
from harness.detection.languages.spl.text import ExpandedText
from harness.detection.plan.expressions import Kind
from harness.diagnostics import Source
from harness.telemetry.indexing.props import parse_yes_no

REPLACING = re.compile(r"(\w)\s+:=")
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
