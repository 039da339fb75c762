"""Where one event ends and the next begins: LINE_BREAKER, TRUNCATE, SHOULD_LINEMERGE.

Reference: props.conf.spec; captures linebreak-*, truncate-*
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from harness.record import record
from harness.telemetry.indexing.props import BoundedRegex, compile_setting_regex, parse_whole_setting, parse_yes_no

# props.conf.spec, as the 256 lines of MAX_EVENTS and the 10,000 bytes of TRUNCATE below.
DEFAULT_LINE_BREAKER = r"([\r\n]+)"
LONGEST_RAW_LINE = 16 << 20
"""Characters without a break that are held before they are cut."""
MOST_LINES = 256
LONGEST_LINE = 10_000


@record
class RawLine:
    """A piece of the text, and whether it was cut short."""

    text: str
    cut: bool = False


def break_lines(blocks: Iterable[str], settings: Mapping[str, str]) -> Iterator[RawLine]:
    """The text cut where the first group of LINE_BREAKER stands; an expression without a group breaks at line ends."""
    given = compile_setting_regex(settings.get("LINE_BREAKER") or DEFAULT_LINE_BREAKER)
    breaker = given if given.groups else compile_setting_regex(DEFAULT_LINE_BREAKER)
    most = parse_whole_setting(settings.get("TRUNCATE"), LONGEST_LINE)
    buffer = ""
    for block in blocks:
        buffer += block
        done = 0
        for found in breaks(breaker, buffer):
            # A match at the end of a block may be longer in the next: `([\r\n]+)` between \r and \n.
            if found.end() >= len(buffer):
                break
            yield from truncate_line(buffer[done : found.start(1)], most)
            done = found.end(1)
        buffer = buffer[done:]
        if len(buffer) > LONGEST_RAW_LINE:
            yield from truncate_line(buffer, most)
            buffer = ""
    done = 0
    for found in breaks(breaker, buffer):
        yield from truncate_line(buffer[done : found.start(1)], most)
        done = found.end(1)
    yield from truncate_line(buffer[done:], most)


def breaks(breaker: BoundedRegex, text: str) -> Iterator[Any]:
    """The matches whose first group took part."""
    return (m for m in breaker.every(text) if m.start(1) >= 0)


def truncate_line(text: str, most: int) -> Iterator[RawLine]:
    """The line, of at most so many bytes; an empty one is none."""
    if not text.strip("\r\n"):
        return
    # TRUNCATE counts bytes and is rounded down within a character (capture truncate-multibyte-boundary); four bytes are
    # the most that one has, so that short lines are not encoded.
    encoded = text.encode("utf-8", "replace") if most > 0 and len(text) * 4 > most else b""
    if len(encoded) > most > 0:
        yield RawLine(encoded[:most].decode("utf-8", "ignore"), cut=True)
    else:
        yield RawLine(text)


def merge_lines(
    found: Iterable[RawLine], settings: Mapping[str, str], dated: Callable[[str], bool]
) -> Iterator[RawLine]:
    """Lines put together to events; `dated` says whether a line has a time."""
    if not parse_yes_no(settings.get("SHOULD_LINEMERGE"), True):
        yield from found
        return
    rules = Rules(settings, dated)
    held: list[RawLine] = []
    for line in found:
        if held and rules.starts(line.text, len(held)):
            yield concat_lines(held)
            held = []
        held.append(line)
        rules.pass_over(line.text)
    if held:
        yield concat_lines(held)


def concat_lines(held: list[RawLine]) -> RawLine:
    """Lines as one event; cut if any of them was."""
    return RawLine("\n".join(line.text for line in held), any(line.cut for line in held))


class Rules:
    """When a line begins an event. MUST_NOT_BREAK_BEFORE changes nothing, as was observed."""

    def __init__(self, settings: Mapping[str, str], dated: Callable[[str], bool]) -> None:
        self.dated = dated if parse_yes_no(settings.get("BREAK_ONLY_BEFORE_DATE"), True) else None
        self.before = optional(settings.get("BREAK_ONLY_BEFORE"))
        self.after = optional(settings.get("MUST_BREAK_AFTER"))
        self.not_after = optional(settings.get("MUST_NOT_BREAK_AFTER"))
        self.most = parse_whole_setting(settings.get("MAX_EVENTS"), MOST_LINES)
        self.ended = self.held_on = False

    def starts(self, line: str, before: int) -> bool:
        """Whether a line begins an event when `before` lines stand in the present one."""
        # MUST_BREAK_AFTER and MAX_EVENTS come before all that holds lines together.
        if self.ended or before > self.most:
            return True
        if self.held_on:
            return False
        if self.before is None and self.dated is None:
            return True
        return (self.before is not None and self.before.search(line) is not None) or (
            self.dated is not None and self.dated(line)
        )

    def pass_over(self, line: str) -> None:
        """Keeps whether this line ends the event or holds the next one in it."""
        self.ended = self.after is not None and self.after.search(line) is not None
        if self.ended:
            self.held_on = False
        elif self.not_after is not None and self.not_after.search(line):
            self.held_on = True


def optional(pattern: str | None) -> BoundedRegex | None:
    """The compiled expression of an optional setting."""
    return compile_setting_regex(pattern) if pattern else None
