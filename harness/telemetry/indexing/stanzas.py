"""Stanzas of props.conf: for which events each holds, and which counts where several do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

STANZA_KINDS = ("sourcetype", "host", "source")
"""Weakest first: what a source says counts before what a host says, and that before a sourcetype's."""
PATTERN = re.compile(r"\*|(?<!\\)\.\.\.|[|()\[\]?+^$]")
# The usual trick for a pattern of sourcetypes: an empty repetition makes Splunk take the name for one.
SOURCETYPE_PATTERN = "(?::){0}"
# Priorities of props.conf.spec: a literal name before a pattern; they order stanzas of one kind only (capture
# precedence-priority-cannot-cross-kinds).
EXACT, WILD = 100, 0
ALTERNATIVES = re.compile(r"(\.\.\.)|(\*)|(\.)|(\\.)", re.S)

Props = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    """One stanza: the metadata field that it looks at (none of `default`), what fits there, and its settings."""

    name: str
    field: str | None
    pattern: str
    literal: bool
    settings: Mapping[str, str]

    @property
    def rank(self) -> tuple[int, int]:
        """How early it counts: the kind of field first, then its priority."""
        if self.field is None:
            return (-1, 0)
        given = self.settings.get("priority", "").strip()
        default = EXACT if self.literal else WILD
        return (STANZA_KINDS.index(self.field), int(given) if given.lstrip("-").isdecimal() else default)

    @property
    def regex(self) -> str:
        """What the whole value has to fit, as a regular expression; hosts are written in any case."""
        written = re.escape(self.pattern) if self.literal else translate_stanza_pattern(self.pattern)
        return f"(?i){written}" if self.field == "host" else written

    def holds(self, metadata: Mapping[str, str]) -> bool:
        """Whether it is about an event with this source, host and sourcetype."""
        return (
            self.field is None
            or compile_stanza_pattern(self.regex).fullmatch(metadata.get(self.field) or "") is not None
        )


@lru_cache(4096)
def compile_stanza_pattern(pattern: str) -> re.Pattern[str]:
    """A stanza's pattern; one that cannot be read fits nothing."""
    try:
        return re.compile(pattern, re.S)
    except (re.error, RecursionError, OverflowError):
        return re.compile(r"(?!)")


def translate_stanza_pattern(pattern: str) -> str:
    """A stanza's pattern as a regular expression: `...` is anything, `*` anything within one folder."""

    def spelled(found: re.Match[str]) -> str:
        return ".*" if found[1] else r"[^/\\]*" if found[2] else r"\." if found[3] else str(found[4])

    return f"(?:{ALTERNATIVES.sub(spelled, pattern)})"


def stanza(name: str, settings: Mapping[str, str]) -> Stanza | None:
    """The stanza of a name; None of those that say how a sourcetype is guessed."""
    if name == "default":
        return Stanza(name=name, field=None, pattern="", literal=True, settings=settings)
    kind, separator, rest = name.partition("::")
    if name.startswith(SOURCETYPE_PATTERN):
        rest = name.removeprefix(SOURCETYPE_PATTERN)
        return Stanza(name=name, field="sourcetype", pattern=rest, literal=False, settings=settings)
    if separator and kind in ("source", "host"):
        literal = PATTERN.search(rest) is None
        return Stanza(name=name, field=kind, pattern=rest, literal=literal, settings=settings)
    if separator and kind in ("rule", "delayedrule"):
        return None
    return Stanza(name=name, field="sourcetype", pattern=name, literal=True, settings=settings)


def order_stanzas(props: Props) -> list[Stanza]:
    """All stanzas, the one that counts first coming first; of equals the first by ASCII."""
    found = [made for name, given in props.items() if (made := stanza(name, given)) is not None]
    return sorted(found, key=lambda s: (-s.rank[0], -s.rank[1], s.name))


def effective(props: Props, metadata: Mapping[str, str]) -> dict[str, str]:
    """The settings that hold for one input, those of all its stanzas put together."""
    made: dict[str, str] = {}
    # Merged setting by setting, not replaced (capture precedence-merged-not-replaced): the strongest writes last.
    for each in reversed(order_stanzas(props)):
        if each.holds(metadata):
            made |= each.settings
    return made


def classes(settings: Iterable[str], prefix: str) -> Iterator[tuple[str, str]]:
    """The settings `<prefix>-<class>` with their classes, in the order in which Splunk takes them."""
    # ASCII order, so that A stands before a (captures precedence-ascii-order, sedcmd-ordering).
    for name in sorted(settings):
        if name.startswith(f"{prefix}-"):
            yield name, name.removeprefix(f"{prefix}-")
