"""Places in text, and what went wrong there: one class of error for queries and for YAML."""

from __future__ import annotations

import errno
import os
import traceback
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import field
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from harness.record import record


class Placement(Protocol):
    """Where a text stands inside a document, or what of the document it was made of."""

    @property
    def document(self) -> Source:
        """The document, a file."""

    @property
    def verbatim(self) -> bool:
        """Whether the text is written there, however quoted or folded; a converted one is not."""

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of the text stands in the document."""

    def holds(self, start: int, end: int) -> bool:
        """Whether a stretch stands there character by character, so that it can be edited there."""


@record
class Source:
    """A text and the name people know it by, usually a path; `placement` is where a rule inside a document stands."""

    name: str
    text: str
    placement: Placement | None = field(default=None, compare=False, repr=False)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1."""
        # Line feeds only: editors count so, while str.splitlines would also break at form feeds and U+2028.
        starts = [0] + [i + 1 for i, c in enumerate(self.text) if c == "\n"]
        line = bisect_right(starts, max(0, min(offset, len(self.text)))) - 1
        return line + 1, max(0, min(offset, len(self.text))) - starts[line] + 1

    def line(self, number: int) -> str:
        """The text of one line, without its end."""
        return self.text.split("\n")[number - 1].rstrip("\r")

    def span(self, start: int, end: int) -> Span:
        """The characters from `start` up to `end`, which is not included."""
        return Span(self, start, max(start, end))

    def whole(self) -> Span:
        """The span of the whole text."""
        return Span(self, 0, len(self.text))


@record
class Span:
    """A stretch of a source: characters `start` up to and without `end`."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        """The characters of the span."""
        return self.source.text[self.start : self.end]

    @property
    def written(self) -> Span:
        """The same stretch in the file that a person has: of a rule inside a document the document."""
        placed = self.source.placement
        return placed.document.span(*placed.locate(self.start, self.end)) if placed else self

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of its first character in that file, both counted from 1."""
        own = self.written
        return own.source.position(own.start)

    @property
    def file(self) -> str:
        """The name of that file."""
        return self.written.source.name

    def __str__(self) -> str:
        line, column = self.position
        return f"{self.file}:{line}:{column}"

    def to(self, other: Span) -> Span:
        """From the start of this one to the end of `other`."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

    def within(self, part: str, start: int, end: int) -> Span:
        """Characters `start` to `end` of a part that stands here as it is, once; else the whole."""
        at = self.text.find(part)
        return self if at < 0 else self.source.span(self.start + at + start, self.start + at + end)


class Severity(StrEnum):
    """How much a finding matters: the product rejects it, gets it silently wrong, or it is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@record
class Edit:
    """A replacement of one stretch of text."""

    span: Span
    replacement: str

    @property
    def written(self) -> Edit | None:
        """The same in the file that a person has; None where quotes, folding or a conversion stand between."""
        placed = self.span.source.placement
        if placed is None:
            return self
        # A new line would need the indentation of its block.
        if "\n" in self.replacement or not placed.holds(self.span.start, self.span.end):
            return None
        return Edit(self.span.written, self.replacement)


@record(kw_only=True)
class Finding:
    """Something to tell about a place: a code, a sentence, at most one hint, and how to mend it where that is safe."""

    code: str
    span: Span
    message: str
    help: str | None = None
    severity: Severity = Severity.ERROR
    edits: tuple[Edit, ...] = ()

    @property
    def written_edits(self) -> tuple[Edit, ...]:
        """How to mend it in the file that a person has: all edits, or none where one cannot be made there."""
        made = [edit.written for edit in self.edits]
        return () if None in made else tuple(edit for edit in made if edit is not None)

    def render(self) -> str:
        """The finding as a person reads it: code, place, their own line, caret, hint."""
        return render_finding(self.severity, self.code, self.message, self.span, self.help)

    def as_json(self) -> dict[str, object]:
        """The finding for machines; lines and columns count from 1."""
        line, column = self.span.position
        place = {"file": self.span.file, "line": line, "column": column, "text": self.span.text[:200]}
        return {"severity": str(self.severity), "code": self.code, "message": self.message, "help": self.help, **place}


class HarnessError(Exception):
    """A failure to be told to a person: a code, a sentence in the field's words, one thing to do."""

    # 1 is kept for "a verdict differs", so that a script can tell that from a failure.
    exit_code = 2

    def __init__(self, code: str, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, help

    def render(self) -> str:
        """The error as a person reads it."""
        hint = f"\n  = help: {self.help}" if self.help else ""
        return f"error[{self.code}]: {self.message}{hint}"

    def as_json(self) -> dict[str, object]:
        """The error for machines."""
        return {"severity": "error", "code": self.code, "message": self.message, "help": self.help}

    def __str__(self) -> str:
        return self.render()

    # Scenarios are judged in several processes, and Python cannot rebuild an exception with
    # keyword arguments by itself.
    def __reduce__(self) -> tuple[object, ...]:
        return rebuild_error, (type(self), self.args, self.__dict__)


def rebuild_error(kind: type[HarnessError], arguments: tuple[object, ...], state: dict[str, object]) -> HarnessError:
    """An error that came from another process."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class UnreachableError(HarnessError):
    """An engine, a host or a service that did not answer."""

    exit_code = 3


class UnforeseenError(HarnessError):
    """A failure that nobody has foreseen, with the place in the code where it showed."""

    def __init__(self, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        # The last frame only: a traceback is for those who ask for it.
        message = f"detlab itself failed{place}: {type(error).__name__}: {error}"
        super().__init__("bug", message, help=f"{TRACEBACK}=1 shows where; please report it")
        # As text, since a failure goes from process to process, and a traceback holds what made it.
        self.traceback = "".join(traceback.format_exception(error)) if os.environ.get(TRACEBACK) else ""

    def render(self) -> str:
        """The failure, and below it the traceback where one was asked for."""
        return super().render() + (f"\n{self.traceback.rstrip()}" if self.traceback else "")


TRACEBACK = "DETLAB_TRACEBACK"
"""The variable of the environment that asks for tracebacks."""


# EBADF is what writing to a closed stdout gives; no file that detlab opened is closed under it.
NO_OUTPUT = "no-output"
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EBADF)


def explain_failure(error: BaseException) -> HarnessError:
    """Any exception as a HarnessError: files, memory and nesting by their cause, all else as a defect."""
    match error:
        case HarnessError():
            return error
        case OSError():
            said = (error.strerror or str(error)).lower()
            # Only stdout and stderr are written without a name.
            if error.errno in UNWRITABLE and not error.filename:
                return HarnessError(NO_OUTPUT, f"the output cannot be written: {said}")
            code = "unwritable" if error.errno in UNWRITABLE else "unreadable"
            return HarnessError(code, f"{error.filename}: {said}" if error.filename else said)
        case MemoryError():
            return HarnessError("out-of-memory", "there is not enough memory for this")
        case RecursionError():
            return HarnessError("too-deep", "this is nested too deeply to be read")
        case _:
            return UnforeseenError(error)


class SourceError(HarnessError):
    """A failure that has a place in a text; `others` are further ones in the same text, told with it."""

    def __init__(
        self, code: str, message: str, span: Span, *, help: str | None = None, others: Sequence[SourceError] = ()
    ) -> None:
        super().__init__(code, message, help=help)
        self.span, self.others = span, tuple(others)

    def render(self) -> str:
        """The error with the person's own line and a caret, then the others."""
        own = render_finding(Severity.ERROR, self.code, self.message, self.span, self.help)
        return "\n\n".join([own, *(each.render() for each in self.others)])

    def as_json(self) -> dict[str, object]:
        """The error for machines; lines and columns count from 1."""
        others = {"others": [each.as_json() for each in self.others]} if self.others else {}
        return {**self.finding().as_json(), **others}

    def finding(self) -> Finding:
        """The same as a finding."""
        return Finding(code=self.code, span=self.span, message=self.message, help=self.help)


def raise_together(errors: Iterable[SourceError]) -> None:
    """Raises the first of errors in one text with all others, in the order of their places; none is nothing."""
    found = sorted(errors, key=lambda e: e.span.start)
    if found:
        first, *others = found
        raise SourceError(first.code, first.message, first.span, help=first.help, others=others) from first.__cause__


class RejectedError(HarnessError):
    """A text that a product would not accept, with every place where it would not."""

    def __init__(self, product: str, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        places = "1 place" if len(self.findings) == 1 else f"{len(self.findings)} places"
        super().__init__("rejected", f"{product} rejects this in {places}")

    def render(self) -> str:
        """Each finding in the order of the text, then the count."""
        return "\n\n".join([*(f.render() for f in self.findings), f"error[{self.code}]: {self.message}"])

    def as_json(self) -> dict[str, object]:
        """The rejection for machines."""
        return {**HarnessError.as_json(self), "findings": [f.as_json() for f in self.findings]}


# Chosen, no source: a generated rule can be one line of 100,000 characters.
LONGEST_LINE_SHOWN = 160


def render_finding(severity: str, code: str, message: str, span: Span, help: str | None) -> str:
    """Code, place, the line itself, a caret under the place, one hint."""
    written = span.written
    number, line, marks = underline(written)
    gutter = " " * len(str(number))
    rows = [
        f"{severity}[{code}]: {message}",
        f"{gutter}--> {span}",
        f"{gutter} |",
        f"{number} | {line}",
        f"{gutter} | {marks}",
    ]
    if span.source.placement and not span.source.placement.verbatim:
        # What was converted stands in no file, and the place in it tells more than that of the whole rule.
        _, line, marks = underline(span)
        rows += [f"{gutter} | converted: {line}", f"{gutter} | {' ' * len('converted: ')}{marks}"]
    if help:
        rows.append(f"{gutter} = help: {help}")
    return "\n".join(rows)


def underline(span: Span) -> tuple[int, str, str]:
    """The number of a place's line in its own text, the line, cut around the place if it is very long, and carets."""
    number, column = span.source.position(span.start)
    # A tab becomes one blank, or the caret would stand under another character.
    line = span.source.line(number).expandtabs(1)
    width = max(1, min(span.end - span.start, len(line) - column + 1))
    if len(line) > LONGEST_LINE_SHOWN:
        first = max(0, column - 1 - LONGEST_LINE_SHOWN // 2)
        line, column = line[first : first + LONGEST_LINE_SHOWN], column - first
        width = max(1, min(width, len(line) - column + 1))
    return number, line, " " * (column - 1) + "^" * width


# Comparing each absent field with 500 others was four fifths of the time of planning a CQL query; both numbers
# are chosen, no other source.
MANY_WORDS = 100
ABOUT_AS_LONG = 2


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest known word, if one is near; of many words one that begins and is as long alike."""
    return find_near_word(word, tuple(known))


# Rules of a folder miss the same fields of the same events.
@lru_cache(maxsize=1024)
def find_near_word(word: str, words: tuple[str, ...]) -> str | None:
    """The same, remembered."""
    meant = word.lower()
    if len(words) > MANY_WORDS:
        same = group_by_beginning(words).get(meant[:1], ())
        words = tuple(k for k in same if abs(len(k) - len(meant)) <= ABOUT_AS_LONG)
    names = {k.lower(): k for k in words}
    # difflib's own 0.6 proposes words that share little more than their length; 0.7 is chosen, no source.
    near = get_close_matches(meant, list(names), n=1, cutoff=0.7)
    return f"did you mean `{names[near[0]]}`?" if near else None


@lru_cache(maxsize=16)
def group_by_beginning(words: tuple[str, ...], marks: str = "") -> dict[str, list[str]]:
    """The words by their first character in lower case, `marks` before it left out."""
    found: dict[str, list[str]] = {}
    for each in words:
        found.setdefault((each.lstrip(marks) if marks else each)[:1].lower(), []).append(each)
    return found


def mend(source: Source, edits: Sequence[Edit]) -> str:
    """The text with all edits made; of two edits that overlap only the first counts."""
    text, at = [], 0
    for edit in sorted(edits, key=lambda e: (e.span.start, e.span.end)):
        if edit.span.start < at:
            continue
        text += [source.text[at : edit.span.start], edit.replacement]
        at = edit.span.end
    return "".join([*text, source.text[at:]])
