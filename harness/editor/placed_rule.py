"""The rules of a document, each with the place of every character of its query: whole files, and scalars of YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from harness.detection.language import list_languages
from harness.diagnostics import Source
from harness.record import record
from harness.scenario.document import Document
from harness.scenario.foreign_rule import Published
from harness.scenario.scalar_places import find_scalars, locate_in_scalar, map_scalar

YAML_SUFFIXES = (".yaml", ".yml")
# What editors call files of these languages where nobody has told them otherwise.
LANGUAGE_WORDS = {"splunk": "spl", "splunk_search": "spl", "logscale": "cql", "humio": "cql"}


@record(kw_only=True)
class PlacedRule:
    """A query as it stands in a document from `start` to `end`; `places` are those of its characters and of its end.

    Without `places` characters stand as they are from `start` on.
    """

    name: str
    language: str
    source: Source
    start: int
    end: int
    places: Sequence[int] = field(default=(), repr=False)

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the query stands in the document."""
        if not self.places:
            return self.start + start, self.start + max(start, end)
        first, behind = locate_in_scalar(self.places, start, end)
        return self.start + first, self.start + behind

    def find_offset(self, at: int) -> int | None:
        """The character of the query at a place of the document, if it is one of the query."""
        if not self.start <= at <= self.end:
            return None
        if not self.places:
            return at - self.start
        return next((i for i, place in enumerate(self.places) if self.start + place >= at), None)

    def is_verbatim(self, start: int, end: int) -> bool:
        """Whether a stretch is written in the document as it is in the query, so that an edit can be made there."""
        if not self.places:
            return True
        last = len(self.places) - 1
        return end <= last and all(self.places[i] - self.places[start] == i - start for i in range(start, end))


def find_language(path: Path, language_id: str) -> str | None:
    """The query language of a whole file: by its suffix, else by what the editor calls it."""
    known = list_languages()
    suffix = path.suffix.lstrip(".").lower()
    if suffix in known:
        return suffix
    word = language_id.lower()
    # A suffix says more than a word that somebody chose for a file of another kind.
    return (word if word in known else LANGUAGE_WORDS.get(word)) if path.suffix not in YAML_SUFFIXES else None


def place_whole(path: Path, text: str, language: str) -> PlacedRule:
    """The rule of a file that is nothing else; a byte order mark is no part of it."""
    query = text.removeprefix("\ufeff")
    start = len(text) - len(query)
    return PlacedRule(name=path.name, language=language, source=Source(str(path), query), start=start, end=len(text))


def place_published(documents: Sequence[Document], published: Sequence[Published]) -> Iterator[PlacedRule]:
    """The rules of a YAML text that stand there as scalars, in the order of the text."""
    for rule, node in zip(published, find_scalars(documents, [r.text for r in published]), strict=True):
        if node is None:
            continue
        raw, span = node.span.text, node.span
        places = map_scalar(raw, rule.text)
        yield PlacedRule(
            name=rule.name,
            language=rule.language,
            source=Source(span.source.name, rule.text),
            start=span.start,
            end=span.end,
            # Of a scalar that cannot be followed every finding is told of the whole.
            places=tuple(places) if places else (0,) * len(rule.text) + (len(raw),),
        )
