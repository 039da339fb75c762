"""Texts of many templates and hosts that are drawn together: a placeholder once for all rows that have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.simulation.coded_column import PooledTexts, RowCodes, TextColumn
from harness.telemetry.simulation.text_template import (
    BAR,
    FLEET,
    VARYING,
    TemplateScope,
    choose_of_fleet,
    draw_ranks,
    expand_fixed,
    template_parts,
)

Placeholder: TypeAlias = "tuple[str, str]"
"""Its name and its argument."""


@record(kw_only=True)
class PooledScope(TemplateScope):
    """A scope whose texts are drawn with those of others."""

    pool: TextPool


@record
class SplitTemplate:
    """A template of one host: the texts around its placeholders, one more than there are of these."""

    literals: tuple[str, ...]
    placeholders: tuple[Placeholder, ...]


class TextPool:
    """Columns of texts that are wanted by and by and drawn all at once: on small batches calls cost more than rows."""

    def __init__(self, seed: int) -> None:
        """Without texts; chance of its own."""
        self.random = np.random.default_rng([seed, 1])
        self.begin()

    def begin(self) -> None:
        """Leaves what was drawn to its columns."""
        self.texts = PooledTexts()
        self.templates: list[tuple[str, Mapping[str, str]]] = []
        self.chosen: list[RowCodes] = []
        self.owns: list[RowCodes] = []
        self.size = 0

    def add(self, templates: Sequence[str], chosen: RowCodes, scope: TemplateScope) -> TextColumn:
        """For each row a text of the template that is chosen for it; its texts are there after `draw`."""
        self.chosen.append(chosen + len(self.templates))
        self.owns.append(np.full(len(chosen), scope.own, np.int64))
        fixed = scope.fixed
        self.templates.extend([(t, fixed) for t in templates])
        begin, self.size = self.size, self.size + len(chosen)
        return TextColumn(values=self.texts, codes=np.arange(begin, self.size))

    def draw(self) -> None:
        """Draws the texts of all columns so far."""
        if not self.size:
            return
        used, chosen = find_used(np.concatenate(self.chosen), len(self.templates))
        split = [split_template(*self.templates[i]) for i in used.tolist()]
        self.texts.values, self.texts.places = write_texts(split, chosen, np.concatenate(self.owns), self.random)
        self.begin()


def split_template(template: str, fixed: Mapping[str, str]) -> SplitTemplate:
    """The template with the words that are the same on one host filled in."""
    literals: list[str] = []
    placeholders: list[Placeholder] = []
    text = ""
    for before, name, argument in template_parts(template):
        text += before
        if name is not None and name in VARYING:
            literals.append(text)
            nested = "{" in argument
            # Of words with placeholders in them those of the host are settled here too.
            own = "|".join(expand_fixed(each, fixed) for each in BAR.split(argument)) if nested else argument
            placeholders.append((name, own))
            text = ""
        elif name is not None:
            text += choose_of_fleet(argument, fixed["host"]) if name == FLEET else fixed[name]
    return SplitTemplate((*literals, text), tuple(placeholders))


def find_used(codes: RowCodes, count: int) -> tuple[RowCodes, RowCodes]:
    """Which of so many codes there are, in rising order, and for each row which of these it has."""
    # By a table, for a tenth of what np.unique takes to sort.
    used = np.zeros(count, bool)
    used[codes] = True
    return np.flatnonzero(used), (np.cumsum(used) - 1)[codes]


def write_texts(
    templates: Sequence[SplitTemplate], chosen: RowCodes, owns: RowCodes, random: np.random.Generator
) -> tuple[pa.StringArray, RowCodes]:
    """Texts, and for each row which of them it has."""
    counts = np.array([len(t.placeholders) for t in templates], np.int64)[chosen]
    places = np.empty(len(chosen), np.int64)
    parts: list[pa.Array] = []
    held = 0
    for count in np.flatnonzero(np.bincount(counts)).tolist():
        rows = np.flatnonzero(counts == count)
        few, codes = find_used(chosen[rows], len(templates))
        own = [templates[i] for i in few.tolist()]
        if count:
            texts = join_pieces(own, codes, owns[rows], random, count)
            codes = np.arange(len(rows))
        else:
            texts = pa.array([t.literals[0] for t in own], pa.string())
        places[rows] = held + codes
        held += len(texts)
        parts.append(texts)
    return pa.concat_arrays(parts), places


def join_pieces(
    templates: Sequence[SplitTemplate], chosen: RowCodes, owns: RowCodes, random: np.random.Generator, count: int
) -> pa.StringArray:
    """A text for each row, of templates that have so many placeholders."""
    columns: list[pa.Array | pa.Scalar] = []
    for place in range(count + 1):
        literals = [t.literals[place] for t in templates]
        if any(literals):
            columns.append(pa.array(literals, pa.string()).take(pa.array(chosen)))
        if place < count:
            columns.append(draw_words([t.placeholders[place] for t in templates], chosen, owns, random))
    return pc.binary_join_element_wise(*columns, "") if len(columns) > 1 else columns[0]


def draw_words(
    placeholders: Sequence[Placeholder], chosen: RowCodes, owns: RowCodes, random: np.random.Generator
) -> pa.StringArray:
    """What the placeholder of each row stands for in it."""
    kinds: dict[Placeholder, int] = {}
    # Of 16 bits, which numpy sorts by counting; a piece has some dozens of kinds.
    size = np.uint16 if len(placeholders) < 1 << 16 else np.int64
    kind = np.array([kinds.setdefault(p, len(kinds)) for p in placeholders], size)[chosen]
    if len(kinds) == 1:
        return draw_placeholder(placeholders[0], owns, random)
    order = np.argsort(kind, kind="stable")
    groups = np.split(owns[order], np.cumsum(np.bincount(kind, minlength=len(kinds)))[:-1])
    parts = [draw_placeholder(p, own, random) for p, own in zip(kinds, groups, strict=True)]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(pa.array(back))


def draw_placeholder(placeholder: Placeholder, owns: RowCodes, random: np.random.Generator) -> pa.StringArray:
    """So many texts of one placeholder; `owns` are the numbers of the hosts."""
    name, argument = placeholder
    if name == "one" and "{" in argument:
        pool = [split_template(t, {}) for t in BAR.split(argument)]
        texts, places = write_texts(pool, draw_ranks(random, len(pool), len(owns)), owns, random)
        return texts.take(pa.array(places))
    return VARYING[name](TemplateScope(fixed={}, own=owns, random=random), argument, len(owns))
