"""A rule's file as the workbench opens and saves it: whole characters, its own line ends, nothing lost meanwhile."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from harness.detection.language import list_languages
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.record import record
from harness.workbench.project_rules import WorkFolder

LARGEST_RULE_TEXT = 100_000
"""Bytes of a rule that is edited here; a published rule has some thousand, and what is typed is sent with each key."""
MARK = "\ufeff"


@record(kw_only=True)
class RuleFile:
    """A rule's text with line feeds alone, and what tells whether its file has changed since: `stamp`.

    `ends` are the line ends of the file, `marked` is whether it begins with a byte order mark.
    """

    path: Path
    text: str
    stamp: str
    ends: str = "\n"
    marked: bool = False

    def encode(self, text: str) -> bytes:
        """A text as the file holds it."""
        return (MARK * self.marked + text.replace("\n", self.ends)).encode()


def find_rule_file(folder: WorkFolder, name: str, also: Path | None = None) -> Path:
    """The whole path of a rule by its path below the folder; `also` is one that was named on the command line.

    Raises HarnessError for whatever else: another kind of file, one that is not there, one outside.
    """
    refused = HarnessError("no-such-rule", "there is no such rule in this project")
    if not name or len(name) > 4096 or "\0" in name:
        raise refused
    if also is not None and name == str(also):
        return also
    path = folder.path / name
    if Path(name).is_absolute() or ".." in Path(name).parts or path.suffix.lstrip(".").lower() not in list_languages():
        raise refused
    # Links may stay in the project and lead nowhere else.
    real = path.resolve()
    hidden = any(part.startswith(".") for part in Path(name).parts)
    if hidden or not real.is_relative_to(folder.path) or not real.is_file() or real.suffix != path.suffix:
        raise refused
    return real


def read_rule_file(path: Path) -> RuleFile:
    """The text of a rule. Raises HarnessError where it is no text, is too large, or cannot be read."""
    try:
        with path.open("rb") as opened:
            held = opened.read(LARGEST_RULE_TEXT + 1)
    except OSError as error:
        raise HarnessError("unreadable", f"{path.name}: {(error.strerror or str(error)).lower()}") from error
    if len(held) > LARGEST_RULE_TEXT:
        raise HarnessError("rule-too-large", f"{path.name} has more than {LARGEST_RULE_TEXT:,} bytes")
    try:
        text = held.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path.name} is not UTF-8 at byte {error.start}") from error
    marked = text.startswith(MARK)
    body = text.removeprefix(MARK)
    return RuleFile(
        path=path,
        text=body.replace("\r\n", "\n").replace("\r", "\n"),
        stamp=sha256(held).hexdigest(),
        ends=find_line_ends(body),
        marked=marked,
    )


def find_line_ends(text: str) -> str:
    """The one line end of a text; nothing where it has several kinds, which an editor would make alike."""
    pairs = text.count("\r\n")
    kinds = {"\r\n": pairs, "\n": text.count("\n") - pairs, "\r": text.count("\r") - pairs}
    used = [end for end, count in kinds.items() if count]
    return used[0] if len(used) == 1 else "" if used else "\n"


def save_rule_file(path: Path, text: str, stamp: str) -> RuleFile:
    """Writes a rule's text where its file is still the one that was opened; the file as it is now.

    Raises HarnessError: `changed-on-disk` where somebody else has written it, `unwritable`.
    """
    held = read_rule_file(path)
    if held.stamp != stamp:
        message = f"{path.name} has changed on disk since it was opened here"
        raise HarnessError("changed-on-disk", message, help="load it, or save over it")
    if not held.ends:
        message = f"the lines of {path.name} end in several ways, which saving here would make alike"
        raise HarnessError("mixed-line-ends", message, help="make them alike in an editor first")
    written = held.encode(text)
    if len(written) > LARGEST_RULE_TEXT:
        raise HarnessError("rule-too-large", f"{path.name} would have more than {LARGEST_RULE_TEXT:,} bytes")
    write_file(path, written)
    return read_rule_file(path)
