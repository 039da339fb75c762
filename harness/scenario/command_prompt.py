"""How the lines of a command prompt are meant: joined to one, as a batch file, or typed one after another."""

from __future__ import annotations

import re
from enum import StrEnum

from harness.late_pattern import late_pattern


class Form(StrEnum):
    """What becomes of several lines: JOINED by `&`, a BATCH file, or TYPED as the input of a command prompt."""

    JOINED = "joined"
    BATCH = "batch"
    TYPED = "typed"


# What cmd.exe ends `rem` with, and a label that is used for a comment.
BATCH_COMMENT = late_pattern(r"\s*@?\s*(?:rem(?:$|[\s.,;:=+/\\(\[\]])|::)", re.IGNORECASE)
# Words whose reach would go on behind an `&`, or that only a file understands.
REACHING = late_pattern(
    r"\s*@?\s*[()]*\s*(?:if|for|else|goto|setlocal|endlocal|shift)\b|\s*:|\s*@?\s*[()]|.*\bcall\s+:", re.IGNORECASE
)
BATCH_PERCENT = late_pattern(r"%%|%~")
# A loop's variable, a numbered argument or an escape of a URL: in a file each would be something else.
TYPED_PERCENT = late_pattern(r"\bfor\s[^%\n]*%[a-z#?]\s+in\b|%\d", re.IGNORECASE)
ASSIGNMENT = late_pattern(r'\bset\s+(?:/[ap]\s+)?"?([A-Za-z_][\w-]*)\s*=', re.IGNORECASE)
CONTINUED = late_pattern(r"(?<!\^)(?:\^\^)*\^$")


def split_lines(text: str) -> list[str]:
    """The lines as they are written, empty ones too: a caret at an end joins whatever is next."""
    return re.split(r"\r?\n", text.strip("\r\n"))


def split_rows(text: str) -> list[str]:
    """The lines that hold something."""
    return [row for row in split_lines(text) if row.strip()]


def choose_form(text: str) -> Form:
    """How a text is run so that each of its lines means what it means in a batch.

    Atomic Red Team's own runner joins all lines by ` & `; where that says the same it is done here too, since it leaves
    no file on the host.
    """
    rows = split_rows(text)
    if len(rows) < 2:
        return Form.JOINED
    if not BATCH_PERCENT.search(text) and TYPED_PERCENT.search(text):
        return Form.TYPED
    return Form.BATCH if depends_on_lines(rows) else Form.JOINED


def depends_on_lines(rows: list[str]) -> bool:
    """Whether lines say something else once they are joined."""
    text = "\n".join(rows)
    if BATCH_PERCENT.search(text) or any(BATCH_COMMENT.match(row) or REACHING.match(row) for row in rows):
        return True
    if any(count_open_brackets(row) or CONTINUED.search(row) for row in rows):
        return True
    # On one line `%name%` would be read before it is set.
    return any(
        f"%{found[1]}%".lower() in "\n".join(rows[i + 1 :]).lower()
        for i, row in enumerate(rows)
        for found in ASSIGNMENT.finditer(row)
    )


def count_open_brackets(row: str) -> int:
    """Brackets of a line that are opened and not closed, or the other way round, outside of quotes."""
    bare = re.sub(r'"[^"]*"|\^.', "", row)
    return bare.count("(") - bare.count(")")
