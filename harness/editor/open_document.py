"""A document that an editor has open: its text as it is typed, and what was found in which state of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.uris import to_fs_path

from harness.editor.document_text import DocumentText
from harness.editor.project_view import NOWHERE

SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
# Chosen, no source: an editor shows no more, and each has places to be counted.
MOST_DIAGNOSTICS = 1000
LONGEST_TEXT_FOR_COLOURS = 200_000
COLOUR_NAMES = (
    "comment",
    "string",
    "regexp",
    "number",
    "macro",
    "parameter",
    "keyword",
    "function",
    "property",
    "variable",
    "operator",
)


@dataclass(slots=True)
class OpenDocument:
    """An open document; `found` are the findings of the text `found_in`, `task` looks through it again.

    `manual` is the address of a documentation site whose pages of errors findings link to, if there is one.
    """

    uri: str
    language_id: str
    content: DocumentText
    version: int
    path: Path = NOWHERE
    found: dict[str, Any] = field(default_factory=dict)
    found_in: DocumentText | None = None
    task: asyncio.Task[None] | None = None
    changed: bool = True
    seconds: float = 0.0
    manual: str = ""

    def describe(self, do: str, **more: Any) -> dict[str, Any]:
        """A request about the document as it is now."""
        return {
            "do": do,
            "uri": self.uri,
            "path": str(self.path),
            "text": self.content.text,
            "language": self.language_id,
            **more,
        }

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings of the text as it is now; none while it has not been looked through."""
        return list(self.found.get("findings", ())) if self.found_in is self.content else []

    def change(self, changes: list[Any]) -> None:
        """Makes an editor's changes, one after the other."""
        for each in changes:
            if isinstance(each, types.TextDocumentContentChangePartial):
                start, end = each.range.start, each.range.end
                place, stop = (start.line, start.character), (end.line, end.character)
                self.content = self.content.replace(place, stop, each.text)
            else:
                self.content = DocumentText(each.text, self.content.encoding)

    def find_offset(self, position: types.Position) -> int:
        """The character at an editor's position."""
        return self.content.find_offset(position.line, position.character)

    def build_range(self, start: int, end: int) -> types.Range:
        """A stretch of the text as the editor counts."""
        return build_range(self.content, start, end)

    def list_diagnostics(self) -> list[types.Diagnostic]:
        """The findings as an editor shows them."""
        return [self.build_diagnostic(each) for each in self.findings[:MOST_DIAGNOSTICS]]

    def build_diagnostic(self, finding: dict[str, Any]) -> types.Diagnostic:
        """One finding; its hint stands below the sentence."""
        hint = f"\nhelp: {finding['help']}" if finding["help"] else ""
        return types.Diagnostic(
            range=self.build_range(finding["start"], finding["end"]),
            message=finding["message"] + hint,
            severity=SEVERITIES[finding["severity"]],
            code=finding["code"],
            code_description=self.build_link(finding["code"]),
            source="detlab",
        )

    def build_link(self, code: str) -> types.CodeDescription | None:
        """The page of a code on the documentation site."""
        address = f"{self.manual.rstrip('/')}/reference/errors/{code}.html"
        return types.CodeDescription(address) if self.manual else None

    def build_edits(self, findings: list[dict[str, Any]]) -> list[types.TextEdit]:
        """The edits of findings; of two that overlap only the first is made, as `lint --fix` does."""
        made: list[types.TextEdit] = []
        at = -1
        for edit in sorted((e for f in findings for e in f["edits"]), key=lambda e: (e["start"], e["end"])):
            if edit["start"] >= at:
                made.append(types.TextEdit(range=self.build_range(edit["start"], edit["end"]), new_text=edit["text"]))
                at = edit["end"]
        return made


def build_range(content: DocumentText, start: int, end: int) -> types.Range:
    """A stretch of a text as an editor counts."""
    first, last = content.find_place(start), content.find_place(max(start, end))
    return types.Range(start=types.Position(*first), end=types.Position(*last))


def find_path(uri: str) -> Path:
    """The file of a document; NOWHERE for one that is none."""
    found = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(found) if found else NOWHERE / uri.rpartition("/")[2].rpartition(":")[2]


def encode_colours(content: DocumentText, spans: list[tuple[int, int, str]]) -> list[int]:
    """Colours as the protocol has them: five numbers each, lines and columns counted from the one before."""
    data: list[int] = []
    line = column = reached = 0
    for start, end, colour in spans:
        # In folded YAML a token may go over a line's end, and colours are of one line each.
        while start < end:
            at = content.find_place(start)
            stop = min(end, content.find_line_end(at[0]))
            length = content.find_place(stop)[1] - at[1]
            if length > 0 and start >= reached:
                data += [
                    at[0] - line,
                    at[1] - column if at[0] == line else at[1],
                    length,
                    COLOUR_NAMES.index(colour),
                    0,
                ]
                line, column, reached = at[0], at[1], stop
            start = content.starts[at[0] + 1] if at[0] + 1 < len(content.starts) else end
    return data
