"""What plain text is written on: a width, colours or none, tables, and no control characters of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from harness.late_pattern import late_pattern
from harness.record import record

# Wide enough for a table of two rules, and what most terminals have; chosen, no source.
WIDTH = 100
PAPER_STYLES = {"good": "32", "bad": "31", "warn": "33", "strong": "1", "dim": "2"}
# Terminals obey C0 and C1 controls; bidirectional marks make text read as what it is not (Trojan Source,
# CVE-2021-42574); half surrogates cannot be encoded.
UNSAFE_CHARACTERS = late_pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Chosen, no source: a value stays on three lines of 100 columns.
MOST_TELLING_PARTS = 4
AROUND_PART = 12
OMISSION = " .. "
PAINT = late_pattern(r"\x1b\[[0-9;]*m")


def escape_controls(text: str) -> str:
    """The text with control characters, bidirectional marks and surrogates spelled out; tabs and newlines stay."""
    return UNSAFE_CHARACTERS.sub(lambda m: f"\\u{ord(m[0]):04x}" if ord(m[0]) > 0xFF else f"\\x{ord(m[0]):02x}", text)


def one_line(text: str) -> str:
    """The text on one line, runs of white space made one space."""
    return escape_controls(" ".join(text.split()))


def shorten_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters, its middle part left out where it is longer."""
    line = one_line(text)
    if len(line) <= width:
        return line
    if width < 12:
        return line[: max(0, width - 2)] + ".."
    # A quarter from the end: paths and command lines end with what tells them apart.
    end = width // 4
    return f"{line[: width - end - 4].rstrip()} .. {line[len(line) - end :].lstrip()}"


def excerpt_line(text: str, width: int, telling: Sequence[str]) -> str:
    """The text on one line, shortened to `width` and more: what is around its telling parts is never left out."""
    line = one_line(text)
    if len(line) <= width:
        return line
    kept = [(0, width - width // 4 - len(OMISSION)), (len(line) - width // 4, len(line))]
    for part in telling[:MOST_TELLING_PARTS]:
        at = line.find(part)
        if part and at >= 0:
            kept.append((max(0, at - AROUND_PART), min(len(line), at + len(part) + AROUND_PART)))
    pieces: list[tuple[int, int]] = []
    for begin, end in sorted(kept):
        # What the sign of an omission would take is no omission.
        if pieces and begin <= pieces[-1][1] + len(OMISSION):
            pieces[-1] = (pieces[-1][0], max(end, pieces[-1][1]))
        else:
            pieces.append((begin, end))
    return OMISSION.join(line[begin:end].strip() for begin, end in pieces)


def clip_line(text: str, width: int) -> str:
    """The text on one line of at most `width` characters, its end left out where it is longer."""
    line = one_line(text)
    return line if len(line) <= width else line[: max(0, width - 2)].rstrip() + ".."


def clip_indented_line(text: str, width: int) -> str:
    """The text cut to `width`, its own indentation kept."""
    blank = len(text) - len(text.lstrip())
    return " " * blank + clip_line(text, width - blank)


def printed_width(text: str) -> int:
    """How many characters a painted text takes on a line."""
    return len(PAINT.sub("", text))


def format_count(number: int, one: str, many: str | None = None) -> str:
    """A number and its noun: `1 event`, `1,204 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@record(kw_only=True)
class Paper:
    """How wide lines may be and whether colours are understood."""

    width: int = WIDTH
    colour: bool = False

    def paint(self, text: str, style: str) -> str:
        """The text in a style of `PAPER_STYLES`, where colours are understood."""
        return f"\x1b[{PAPER_STYLES[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def pad(self, text: str, width: int, *, right: bool = False) -> str:
        """The painted text filled up with spaces."""
        fill = " " * max(0, width - printed_width(text))
        return fill + text if right else text + fill

    def paragraph(self, text: str, *, indent: int = 0, first: str = "") -> list[str]:
        """The text on as many lines as it needs; `first` stands in the indentation of the first."""
        # Not at hyphens: options and file names would be torn.
        lines = wrap(one_line(text), max(20, self.width - indent), break_on_hyphens=False) or [""]
        return [(first.ljust(indent) if i == 0 else " " * indent) + line for i, line in enumerate(lines)]

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: frozenset[int] = frozenset(),
        indent: int = 0,
    ) -> list[str]:
        """Columns two spaces apart under a dim head; while the table is too wide its widest column gives way."""
        every = [[one_line(c) for c in row] for row in (head, *rows)]
        widths = [max((len(row[i]) for row in every), default=0) for i in range(len(head))]
        # One column at a time, so that narrow columns stay whole.
        while sum(widths) + 2 * (len(widths) - 1) + indent > self.width and max(widths) > 8:
            widths[widths.index(max(widths))] -= 1
        lines = []
        for number, row in enumerate(every):
            cells = [
                self.pad(clip_line(c, w), w, right=i in right) for i, (c, w) in enumerate(zip(row, widths, strict=True))
            ]
            line = (" " * indent + "  ".join(cells)).rstrip()
            lines.append(line if number else self.paint(line, "dim"))
        return lines
