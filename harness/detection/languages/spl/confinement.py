"""A search as it is sent to a Splunk on which the events of a trial lie in indexes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from harness.detection.enclosure import Enclosure, TextEdit, edit_text, refuse_to_enclose
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.syntax import (
    Comparison,
    OneOf,
    Pipeline,
    SearchArguments,
    SearchCondition,
    Stage,
    StatisticsArguments,
    Subsearch,
    Word,
)

INDEX_FIELD = "index"
# They make rows of their own and read no event.
EVENTLESS_COMMANDS = frozenset({"makeresults", "inputlookup", "inputcsv", "gentimes"})
# Their brackets hold searches of their own, the first stage of which reads no events either.
COMBINING = frozenset({"union", "multisearch", "append", "join"})
# What stands in their brackets continues the rows at hand.
CONTINUING = frozenset({"appendpipe", "foreach"})
# They run a search that their text does not hold.
FROM_ELSEWHERE = frozenset({"map", "savedsearch", "loadjob"})


def confine_search(text: str, pipeline: Pipeline, enclosure: Enclosure, until: int | None = None) -> str:
    """The text up to a place, reading the enclosure's events only; spans of the pipeline are places in the text.

    `index=x` becomes the enclosure's index for it, and behind each search the events have their own index again.
    Raises CannotEncloseError for what chooses events in another way.
    """
    end = len(text) if until is None else until
    edits = [edit for edit in confine_pipeline(pipeline, enclosure) if edit[1] <= end]
    return edit_text(text[:end], edits).strip()


def confine_pipeline(pipeline: Pipeline, enclosure: Enclosure, *, continuing: bool = False) -> Iterator[TextEdit]:
    """The edits of one pipeline and of those inside it."""
    for number, stage in enumerate(pipeline.stages):
        if stage.name in FROM_ELSEWHERE:
            raise refuse_to_enclose(f"`{stage.name}`", stage.span)
        if number == 0 and not continuing:
            yield from confine_first_stage(stage, enclosure)
        for inner in list_inner_pipelines(stage.arguments):
            yield from confine_pipeline(inner, enclosure, continuing=stage.name in CONTINUING)


def confine_first_stage(stage: Stage, enclosure: Enclosure) -> Iterator[TextEdit]:
    """The edits of a stage that fetches events."""
    restored = f' | eval {INDEX_FIELD}=replace({INDEX_FIELD}, "{enclosure.index_pattern}", "")'
    everything = f"{INDEX_FIELD}={enclosure.index_of('*')} "
    match stage.arguments:
        case SearchArguments(condition=condition):
            # OR binds closer than a blank (reference/spl.md 4), so no parentheses are needed.
            start = condition.span.start
            yield start, start, everything
            yield from rename_indexes(condition, enclosure)
            yield stage.span.end, stage.span.end, restored
        case StatisticsArguments(where=where, dataset=None) if stage.name == "tstats" and where is not None:
            yield where.span.start, where.span.start, everything
            yield from rename_indexes(where, enclosure)
            yield stage.span.end, stage.span.end, restored
        case _ if stage.name in EVENTLESS_COMMANDS | COMBINING or not COMMANDS[stage.name].generating:
            return
        case _:
            raise refuse_to_enclose(f"`{stage.name}`", stage.span)


def rename_indexes(condition: SearchCondition, enclosure: Enclosure) -> Iterator[TextEdit]:
    """The edits that make an index of the events the enclosure's own."""
    match condition:
        case Comparison(field=Word(text=name), value=Word() as value) if name.lower() == INDEX_FIELD:
            yield rename_index(value, enclosure)
        case OneOf(field=Word(text=name), values=values) if name.lower() == INDEX_FIELD:
            yield from (rename_index(value, enclosure) for value in values)
        case Subsearch():
            return
        case _:
            for inner in list_inner_conditions(condition):
                yield from rename_indexes(inner, enclosure)


def rename_index(value: Word, enclosure: Enclosure) -> TextEdit:
    """The edit of one index's name or pattern."""
    return value.span.start, value.span.end, f'"{enclosure.index_of(value.text)}"'


def list_inner_conditions(condition: SearchCondition) -> tuple[SearchCondition, ...]:
    """The conditions that one is made of."""
    several = getattr(condition, "operands", None)
    single = getattr(condition, "operand", None)
    return several or ((single,) if single is not None else ())


def list_inner_pipelines(part: object) -> Iterator[Pipeline]:
    """The pipelines in brackets inside a part of a search, outermost only."""
    if isinstance(part, Pipeline):
        yield part
    elif isinstance(part, tuple):
        for each in part:
            yield from list_inner_pipelines(each)
    elif is_dataclass(part):
        for attribute in fields(part):
            if attribute.name != "span":
                yield from list_inner_pipelines(getattr(part, attribute.name))
