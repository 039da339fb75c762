r"""Texts from templates, a column at a time: `C:\Users\{user}\AppData\Local\Temp\{hex:8}.tmp`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.simulation.coded_column import RowCodes, TextColumn
from harness.telemetry.simulation.identity import (
    HEX_LOWER,
    HEX_UPPER,
    build_fixed_width_texts,
    hash_to_number,
    random_guids,
)

# A lower-case word, so that GUIDs in braces are text.
TEMPLATE_WORD = late_pattern(r"\{([a-z][a-z0-9_]*)(?::((?:[^{}]|\{[^{}]*\})*))?\}")
# Bars between the choices of `one`, which may be templates themselves.
BAR = late_pattern(r"\|(?![^{}]*\})")
LETTERS_AND_DIGITS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
DIGITS = np.frombuffer(b"0123456789", np.uint8)

# Everyday words: names of documents, projects and tasks are put together of two of them.
WORDS = tuple(Path(__file__).with_name("words.txt").read_text("ascii").split())

TextMaker = Callable[["TemplateScope", str, int], pa.Array]


@record(kw_only=True)
class TemplateScope:
    """What placeholders stand for on one host: fixed words, a number of the host's own (or one a row), and chance."""

    fixed: Mapping[str, str]
    own: int | RowCodes
    random: np.random.Generator


@cache
def cumulate_popularity(count: int, exponent: float = 1.0) -> npt.NDArray[np.float64]:
    """Zipf's law over so many things, cumulated."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    total: npt.NDArray[np.float64] = np.cumsum(weights / weights.sum())
    return total


def draw_ranks(random: np.random.Generator, pool: int, count: int, exponent: float = 1.0) -> RowCodes:
    """So many ranks from a pool in which a few are popular and most are hardly ever drawn."""
    drawn = np.searchsorted(cumulate_popularity(pool, exponent), random.random(count))
    ranks: RowCodes = np.minimum(drawn, pool - 1).astype(np.int64)
    return ranks


def personal_ranks(ranks: RowCodes, pool: int, common: int, own: int | RowCodes) -> RowCodes:
    """The ranks as one host has them: the first are everybody's, the others lie elsewhere on each host."""
    # An odd stride that is prime to most pools: neighbours on one host are strangers on another.
    elsewhere = common + (ranks * 7919 + own) % max(1, pool - common)
    found: RowCodes = np.where(ranks < common, ranks, elsewhere)
    return found


@cache
def document_names() -> pa.StringArray:
    """Names of documents without their suffix: two words, some with a number."""
    pairs = [(i, (i * 131 + 17) % len(WORDS)) for i in range(len(WORDS))]
    names = [f"{WORDS[a].capitalize()} {WORDS[b]}" for a, b in pairs]
    return pa.array([n if k == 0 else f"{n} {k}" for k in range(12) for n in names], pa.string())


def draw_letters(scope: TemplateScope, alphabet: npt.NDArray[np.uint8], width: int, count: int) -> pa.StringArray:
    """Random characters of an alphabet, `width` each."""
    return build_fixed_width_texts(alphabet[scope.random.integers(0, len(alphabet), (count, width))])


def draw_number(scope: TemplateScope, argument: str, count: int) -> pa.Array:
    """A whole number between two, both included; the small ones are the more frequent, as of handles and instances."""
    low, _, high = argument.partition("-")
    least, most = int(low), int(high or low)
    spread = np.exp(scope.random.random(count) * np.log(most - least + 1.0))
    return pa.array((least + np.minimum(spread.astype(np.int64) - 1, most - least)).astype(np.int64)).cast(pa.string())


def draw_one(scope: TemplateScope, argument: str, count: int) -> pa.Array:
    """One of some words with bars between, the first the most frequent."""
    pool = BAR.split(argument)
    ranks = draw_ranks(scope.random, len(pool), count)
    if "{" not in argument:
        return pa.array(pool, pa.string()).take(pa.array(ranks))
    mixture = draw_mixture(pool, ranks, scope)
    return pa.array(mixture.values, pa.string()).take(pa.array(mixture.codes))


def draw_word(scope: TemplateScope, argument: str, count: int) -> pa.Array:
    """An everyday word, some of which the host's people use more than others."""
    ranks = personal_ranks(draw_ranks(scope.random, len(WORDS), count), len(WORDS), 0, scope.own)
    return pa.array(WORDS, pa.string()).take(pa.array(ranks))


def draw_document(scope: TemplateScope, argument: str, count: int) -> pa.Array:
    """The name of a document; people come back to their own."""
    pool = document_names()
    ranks = personal_ranks(draw_ranks(scope.random, len(pool), count), len(pool), 0, scope.own)
    return pool.take(pa.array(ranks))


VARYING: Mapping[str, TextMaker] = {
    "hex": lambda scope, argument, count: draw_letters(scope, HEX_LOWER, int(argument or 8), count),
    "upper_hex": lambda scope, argument, count: draw_letters(scope, HEX_UPPER, int(argument or 8), count),
    "digits": lambda scope, argument, count: draw_letters(scope, DIGITS, int(argument or 6), count),
    "letters": lambda scope, argument, count: draw_letters(scope, LETTERS_AND_DIGITS, int(argument or 8), count),
    "guid": lambda scope, argument, count: random_guids(scope.random, count),
    "upper_guid": lambda scope, argument, count: pc.utf8_upper(random_guids(scope.random, count)),
    "number": draw_number,
    "one": draw_one,
    "word": draw_word,
    "document": draw_document,
}
"""Placeholders whose text differs from row to row; they may have an argument after a colon."""

FIXED = (
    *(
        "user",
        "account",
        "sid",
        "profile",
        "local",
        "roaming",
        "temp",
        "windows",
        "program_data",
        "system32",
        "program_files",
        "program_files_x86",
    ),
    *("host", "domain", "netbios", "image", "site", "controller", "file_server"),
)
"""Placeholders that are the same on one host."""
FLEET = "fleet"
"""Placeholder of one of some words with bars between that a host keeps: the versions of a fleet."""


@cache
def template_parts(template: str) -> tuple[tuple[str, str | None, str], ...]:
    """The parts of a template: text before a placeholder, its name, its argument; the last has no name."""
    parts: list[tuple[str, str | None, str]] = []
    end = 0
    for match in TEMPLATE_WORD.finditer(template):
        name = match[1]
        if name not in VARYING and name not in FIXED and name != FLEET:
            known = (*VARYING, *FIXED, FLEET)
            hint = did_you_mean(name, known) or f"there are {', '.join(known)}"
            raise HarnessError("unknown-placeholder", f"`{template}` has no placeholder `{name}` to fill in", help=hint)
        parts.append((template[end : match.start()], name, match[2] or ""))
        end = match.end()
    return (*parts, (template[end:], None, ""))


def expand_fixed(template: str, fixed: Mapping[str, str]) -> str:
    """The template with the words that are the same on one host; the others stay placeholders."""
    found = ""
    for before, name, argument in template_parts(template):
        found += before
        if name in VARYING:
            found += f"{{{name}{argument and ':' + argument}}}"
        elif name is not None:
            found += choose_of_fleet(argument, fixed["host"]) if name == FLEET else fixed[name]
    return found


def choose_of_fleet(argument: str, host: str) -> str:
    """The word of a list that one host keeps; the first is that of half of the hosts."""
    words = argument.split("|")
    pick = hash_to_number("fleet", argument, host)
    return words[0] if pick % 2 else words[pick // 2 % len(words)]


def draw_texts(template: str, scope: TemplateScope, count: int) -> pa.Array:
    """So many texts of a template; a single one where none of its placeholders varies."""
    parts = template_parts(template)
    pieces: list[pa.Array | str] = []
    for before, name, argument in parts:
        pieces.append(before)
        if name is not None and name in VARYING:
            pieces.append(VARYING[name](scope, argument, count))
        elif name is not None:
            pieces.append(choose_of_fleet(argument, scope.fixed["host"]) if name == FLEET else scope.fixed[name])
    if all(isinstance(p, str) for p in pieces):
        return pa.array(["".join(map(str, pieces))], pa.string())
    return pc.binary_join_element_wise(*[pa.scalar(p) if isinstance(p, str) else p for p in pieces], "")


def draw_mixture(templates: Sequence[str], chosen: RowCodes, scope: TemplateScope) -> TextColumn:
    """For each row a text of the template that is chosen for it."""
    if len(templates) == 1:
        texts = draw_texts(templates[0], scope, len(chosen))
        alone = np.arange(len(chosen)) if len(texts) > 1 else np.zeros(len(chosen), np.int64)
        return TextColumn(values=texts, codes=alone)
    codes = np.zeros(len(chosen), np.int64)
    parts: list[pa.Array] = []
    held = 0
    # One sort for all templates; the rows of each lie together in it.
    order = np.argsort(chosen, kind="stable")
    ends = np.cumsum(np.bincount(chosen, minlength=len(templates)))
    for template, end, count in zip(templates, ends.tolist(), np.diff(ends, prepend=0).tolist(), strict=True):
        if count:
            texts = draw_texts(template, scope, count)
            codes[order[end - count : end]] = held + (np.arange(count) if len(texts) > 1 else 0)
            held += len(texts)
            parts.append(texts)
    return TextColumn(values=pa.concat_arrays(parts) if len(parts) > 1 else parts[0], codes=codes)
