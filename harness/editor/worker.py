"""The child that reads documents: requests in, answers out, each a length and as much JSON.

It runs as a program of its own (`python -m harness.editor.worker`), is bound in memory and has no network. The server
kills it where an answer takes too long, so that no text can hang an editor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from harness.detection.language import list_languages
from harness.diagnostics import explain_failure
from harness.editor.analysis import Analysis, analyse
from harness.editor.completion import list_completions
from harness.editor.definition import find_definitions, find_references
from harness.editor.field_catalogue import FIELDS
from harness.editor.hover import describe, describe_entry
from harness.editor.message_frame import MESSAGE_LENGTH, encode_message
from harness.editor.outline import list_symbols, list_token_spans
from harness.editor.project_view import Projects, ProjectView
from harness.supervisor import deny_network, die_with

if sys.platform != "win32":
    import resource

# Bytes; chosen, no source: fields of an events file may be read, and a rule needs far less.
MOST_MEMORY = 3 << 30

Request = Mapping[str, Any]


class Reader:
    """Answers questions about documents; what it has read of projects stays."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.projects = Projects()
        self.answers: Mapping[str, Callable[[Request], Any]] = {
            "analyse": self.analyse,
            "hover": lambda r: describe(self.look_at(r), r["offset"], self.find_project(r), r.get("codes", ())),
            "complete": self.list_completions,
            "define": lambda r: find_definitions(self.look_at(r), Path(r["path"]), r["offset"]),
            "refer": lambda r: find_references(self.look_at(r), r["offset"]),
            "symbols": lambda r: list_symbols(self.look_at(r)),
            "colours": lambda r: list_token_spans(self.look_at(r)),
            "explain": lambda r: describe_entry(r["language"], r["word"], command=r["command"]),
            "forget": lambda _: self.projects.forget(),
            "warm": lambda r: FIELDS.begin(*(Path(r[k]) if r.get(k) else None for k in ("events", "folder"))),
        }

    def warm_up(self) -> None:
        """Imports what every document needs, so that the first one is not taken for one that hangs."""
        for name in list_languages():
            self.answer({"do": "analyse", "path": f"warm.{name}", "text": "x=1 | head", "language": name})
            self.answer({"do": "hover", "path": f"warm.{name}", "text": "x=1 | head", "language": name, "offset": 7})

    def answer(self, request: Request) -> Mapping[str, Any]:
        """The answer to a request, or why there is none."""
        try:
            return {"answer": self.answers[request["do"]](request)}
        except Exception as error:
            failure = explain_failure(error)
            return {"failure": {"code": failure.code, "message": failure.message, "help": failure.help}}

    def look_at(self, request: Request) -> Analysis:
        """The document of a request with its rules, not looked through for errors."""
        return analyse(Path(request["path"]), request["text"], request["language"], self.projects, findings=False)

    def list_completions(self, request: Request) -> Any:
        """What may be written at a place."""
        path = Path(request["path"])
        return list_completions(
            self.look_at(request), path, request["offset"], request["text"], self.find_project(request)
        )

    def find_project(self, request: Request) -> ProjectView:
        """The project of a request's document."""
        return self.projects.find(Path(request["path"]))

    def analyse(self, request: Request) -> Mapping[str, Any]:
        """The findings of a document and the places of its rules."""
        found = analyse(Path(request["path"]), request["text"], request["language"], self.projects)
        return {
            "kind": str(found.kind),
            "findings": [asdict(f) for f in found.findings],
            "rules": [{"name": r.name, "language": r.language, "start": r.start} for r in found.rules],
        }


def receive_request(stream: BinaryIO) -> Any:
    """The next message; None at the end."""
    head = stream.read(MESSAGE_LENGTH.size)
    if len(head) < MESSAGE_LENGTH.size:
        return None
    (length,) = MESSAGE_LENGTH.unpack(head)
    body = stream.read(length)
    return json.loads(body) if len(body) == length else None


def send_answer(stream: BinaryIO, message: Any) -> None:
    """Writes a message."""
    stream.write(encode_message(message))
    stream.flush()


def bind_process() -> None:
    """Limits what this process may use, as far as the system can."""
    if sys.platform.startswith("linux"):
        die_with(os.getppid())
        deny_network()
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


def answer_requests() -> None:
    """Answers until there are no more requests."""
    bind_process()
    # What a library prints must not stand between answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    reader = Reader()
    reader.warm_up()
    send_answer(answers, {"ready": True})
    while (request := receive_request(sys.stdin.buffer)) is not None:
        send_answer(answers, {"id": request["id"], **reader.answer(request)})


if __name__ == "__main__":
    answer_requests()
