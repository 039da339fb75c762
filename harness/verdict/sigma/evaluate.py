"""Which events a Sigma detection fits, by the specification alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np

from harness.diagnostics import HarnessError
from harness.scenario.sigma.detection import (
    DetectionGroup,
    DetectionItem,
    DetectionNegation,
    DetectionNode,
    NamedSelection,
)
from harness.scenario.sigma.values import (
    FieldReference,
    NoValue,
    Placeholder,
    Presence,
    RegularExpression,
    SigmaMatcher,
    TextPattern,
    TimePart,
    Wildcard,
    build_text_test,
)
from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.sigma.event_texts import EventTable, FieldTexts


def evaluate_detection(node: DetectionNode, table: EventTable) -> BooleanArray:
    """Which events fit a tree of items. Raises HarnessError for a placeholder without values."""
    match node:
        case DetectionItem():
            return evaluate_item(node, table)
        case NamedSelection():
            return evaluate_detection(node.member, table)
        case DetectionNegation():
            return ~evaluate_detection(node.member, table)
        case DetectionGroup():
            return combine_masks([evaluate_detection(m, table) for m in node.members], table.rows, every=node.every)


def combine_masks(masks: list[BooleanArray], rows: int, *, every: bool) -> BooleanArray:
    """Which events all of the masks have, or any."""
    found = np.full(rows, every)
    for mask in masks:
        found = found & mask if every else found | mask
    return found


def evaluate_item(item: DetectionItem, table: EventTable) -> BooleanArray:
    """Which events fit one item."""
    test = find_keyword if not item.field else fits_field
    masks = [test(item, matcher, table) for matcher in item.values.matchers]
    found = combine_masks(masks, table.rows, every=item.values.every)
    return ~found if item.values.negated else found


def fits_field(item: DetectionItem, matcher: SigmaMatcher, table: EventTable) -> BooleanArray:
    """Which events have a field that one value fits."""
    columns = table.find(item.field)
    present = combine_masks([texts.present() for texts in columns], table.rows, every=False)
    match matcher:
        case Placeholder(name):
            raise HarnessError("sigma-placeholder", f"the placeholder %{name}% has no values")
        case NoValue():
            return ~present
        case Presence(wanted):
            return present if wanted else ~present
        case FieldReference():
            return compare_fields(columns, table.find(matcher.name), matcher, table.rows)
        case TimePart():
            return combine_masks([t.where(build_time_test(matcher)) for t in columns], table.rows, every=False)
        case _:
            return combine_masks([t.where(build_text_test(matcher)) for t in columns], table.rows, every=False)


def find_keyword(item: DetectionItem, matcher: SigmaMatcher, table: EventTable) -> BooleanArray:
    """Which events hold a keyword anywhere: in any of their fields, the event's own text included where it is one."""
    anywhere = matcher
    if isinstance(matcher, TextPattern):
        anywhere = TextPattern((Wildcard.RUN, *matcher.parts, Wildcard.RUN), cased=matcher.cased)
    elif not isinstance(matcher, RegularExpression):
        raise HarnessError("sigma-keyword", f"`{item}` has no field, and its value is no text")
    test = build_text_test(anywhere)
    return combine_masks([t.where(test) for n in table.names() for t in table.find(n)], table.rows, every=False)


def compare_fields(
    ones: tuple[FieldTexts, ...], others: tuple[FieldTexts, ...], reference: FieldReference, rows: int
) -> BooleanArray:
    """Which events have the text of one field in another, whatever its case."""
    found = np.zeros(rows, dtype=bool)
    for one in ones:
        for other in others:
            for row in np.flatnonzero(one.present() & other.present()).tolist():
                text, wanted = one.text(row) or "", other.text(row) or ""
                found[row] |= holds_text(text.lower(), wanted.lower(), reference)
    return found


def holds_text(text: str, wanted: str, reference: FieldReference) -> bool:
    """Whether a text is another one, or begins or ends with it, or holds it."""
    if reference.begins and reference.ends:
        return wanted in text
    if reference.begins or reference.ends:
        return text.startswith(wanted) if reference.begins else text.endswith(wanted)
    return text == wanted


def build_time_test(wanted: TimePart) -> Callable[[str], bool]:
    """Whether a text is a time with this minute, hour, day, week, month or year."""

    def test(text: str) -> bool:
        micros = parse_microseconds(text.replace(" ", "T", 1))
        if micros is None:
            return False
        # As it is written: the specification converts no zones.
        moment = datetime.fromisoformat(text) if text[4:5] == "-" else datetime.fromtimestamp(micros / 1e6)
        part = moment.isocalendar().week if wanted.part == "week" else getattr(moment, wanted.part)
        return bool(part == wanted.number)

    return test
