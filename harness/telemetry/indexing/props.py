"""props.conf: stanzas and which counts, how values are written, regular expressions within a bound of time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.late_pattern import late_pattern
from harness.record import record

regex = LateModule("regex")

STANZA_KINDS = ("sourcetype", "host", "source")
"""Weakest first: what a source says counts before what a host says, and that before a sourcetype's."""
PATTERN = late_pattern(r"\*|(?<!\\)\.\.\.|[|()\[\]?+^$]")
# The usual trick for a pattern of sourcetypes: an empty repetition makes Splunk take the name for one.
SOURCETYPE_PATTERN = "(?::){0}"
# Priorities of props.conf.spec: a literal name before a pattern; they order stanzas of one kind only (capture
# precedence-priority-cannot-cross-kinds).
EXACT, WILD = 100, 0
ALTERNATIVES = late_pattern(r"(\.\.\.)|(\*)|(\.)|(\\.)", re.S)

Props = Mapping[str, Mapping[str, str]]


@record(kw_only=True)
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


GROUP_REFERENCE = late_pattern(r"\$(\d+)")
# A name may hold single colons; two of them end it.
TEMPLATE = late_pattern(r"(\"[^\"]*\"|[^\s\":]+(?::[^\s\":]+)*)::(\"[^\"]*\"|\S+)")
FORMAT_STRING = late_pattern(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,\s][^,]*))\s*(?:,|$)', re.S)
BACKSLASH_ESCAPE = late_pattern(r"\\(.)", re.S)
ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
YES, NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def parse_yes_no(written: str | None, default: bool) -> bool:
    """A boolean setting in any of Splunk's spellings; the default for another word."""
    word = (written or "").strip().lower()
    return True if word in YES else False if word in NO else default


def parse_whole_setting(written: str | None, default: int) -> int:
    """A whole-number setting of at most ten digits; the default for another text."""
    word = (written or "").strip()
    # The largest default is 2000000000, that of max_offset_secs (transforms.conf.spec).
    return int(word) if re.fullmatch(r"-?\d{1,10}", word) else default


def strings(written: str) -> list[str]:
    r"""A list of texts in quotes or bare; `\t` is a tab."""
    found = []
    for quoted, bare in FORMAT_STRING.findall(written.strip()):
        found.append(BACKSLASH_ESCAPE.sub(lambda m: ESCAPES.get(m[1], m[1]), quoted or bare.strip()))
    return [f for f in found if f]


def parse_format_pairs(written: str) -> list[tuple[str, str]]:
    """The pairs of a FORMAT: `name::value name::value`."""
    return [(key.strip('"'), value.strip('"')) for key, value in TEMPLATE.findall(written)]


# Settings come from anybody's app: Splunk bounds the steps of a match (MATCH_LIMIT), here time is bounded.
LONGEST_MATCH = 2.0
"""Seconds that one text may take."""
LONGEST_PATTERN = 16_384


@lru_cache(512)
def compile_setting_regex(pattern: str) -> BoundedRegex:
    """The expression of a setting; raises HarnessError where it cannot be read."""
    try:
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"it is longer than {LONGEST_PATTERN:,} characters")
        # The package `regex`, since `re` has neither recursion, as PCRE has, nor a time limit.
        return BoundedRegex(regex.compile(pattern, regex.VERSION0))
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        reason = str(error).lower()[:120] or "nested too deep"
        message = f"the regular expression `{pattern[:60]}` cannot be read: {reason}"
        raise HarnessError("bad-regex", message) from error


class BoundedRegex:
    """A regular expression whose searches end in time."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.groups = int(compiled.groups)

    def search(self, text: str, start: int = 0) -> Any:
        """The first match from `start` on. Raises HarnessError after LONGEST_MATCH seconds."""
        try:
            return self.compiled.search(text, start, timeout=LONGEST_MATCH)
        except TimeoutError:
            raise self.slow() from None

    def every(self, text: str) -> list[Any]:
        """All matches. Raises HarnessError after LONGEST_MATCH seconds."""
        try:
            return list(self.compiled.finditer(text, timeout=LONGEST_MATCH))
        except TimeoutError:
            raise self.slow() from None

    def slow(self) -> HarnessError:
        """The error of an expression that takes too long."""
        message = f"the regular expression `{self.compiled.pattern[:60]}` took longer than {LONGEST_MATCH:g} s"
        return HarnessError("regex-timeout", message, help="rewrite nested repetitions such as `(a+)+`")
