"""What the page asks for: files of its own by name, and JSON in and out; what takes long comes line by line."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from harness.diagnostics import HarnessError, explain_failure
from harness.record import record
from harness.serve.request_body import BodiesInFlight, BodyError
from harness.workbench.room_client import Said, SessionEnd
from harness.workbench.rule_file import LARGEST_RULE_TEXT, find_rule_file, read_rule_file, save_rule_file
from harness.workbench.session_request import SessionRequest
from harness.workbench.workbench import Workbench

PAGE_FOLDER = Path(__file__).with_name("page")
PAGE_FILES = {
    "workbench.css": "text/css",
    "workbench.js": "text/javascript",
    "editor.js": "text/javascript",
    "verdicts.js": "text/javascript",
    "studies.js": "text/javascript",
    "document.js": "text/javascript",
    "codemirror.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
# JSON spells a character in up to six bytes.
LARGEST_REQUEST = 6 * LARGEST_RULE_TEXT + 10_000
LONGEST_PAGE_NAME = 64

Answer = Callable[[Workbench, Mapping[str, Any]], Awaitable[Said]]
Stream = Callable[[Workbench, Mapping[str, Any]], AsyncIterator[Said]]


@record
class Endpoints:
    """The routes of a workbench."""

    bench: Workbench
    bodies: BodiesInFlight

    def routes(self) -> list[BaseRoute]:
        """Every address there is."""
        files = [Route(f"/{name}", partial(self.send_file, name), methods=["GET"]) for name in PAGE_FILES]
        answers = [
            Route(f"/api/{name}", partial(self.answer, make), methods=["POST"]) for name, make in ANSWERS.items()
        ]
        streams = [
            Route(f"/api/{name}", partial(self.send_lines, make), methods=["POST"]) for name, make in STREAMS.items()
        ]
        return [Route("/", self.send_page, methods=["GET"]), *files, *answers, *streams]

    async def send_page(self, _: Request) -> Response:
        """The page, under a policy that lets its own files run and nothing else."""
        nonce = secrets.token_urlsafe(16)
        text = (PAGE_FOLDER / "index.html").read_text("utf-8").replace("{nonce}", nonce)
        return Response(text, media_type="text/html", headers={"Content-Security-Policy": build_page_policy(nonce)})

    async def send_file(self, name: str, _: Request) -> Response:
        """One of the page's own files."""
        return Response((PAGE_FOLDER / name).read_bytes(), media_type=PAGE_FILES[name])

    async def answer(self, make: Answer, request: Request) -> Response:
        """An answer; a failure is one too, which the page shows."""
        try:
            said = await make(self.bench, await self.read(request))
        except BodyError as error:
            return JSONResponse({"error": {"code": "body", "message": error.text}}, status_code=error.status)
        except Exception as error:
            said = {"error": explain_failure(error).as_json()}
        return JSONResponse(said)

    async def send_lines(self, make: Stream, request: Request) -> Response:
        """What a session says, a line of JSON each."""
        try:
            given = await self.read(request)
        except BodyError as error:
            return JSONResponse({"error": {"code": "body", "message": error.text}}, status_code=error.status)
        return StreamingResponse(encode_event_stream(make(self.bench, given)), media_type="application/x-ndjson")

    async def read(self, request: Request) -> Mapping[str, Any]:
        """The JSON of a request. Raises BodyError."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise BodyError(415, "The body is no JSON")
        body = await self.bodies.read(request, LARGEST_REQUEST)
        with suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(body), dict):
                return found
        raise BodyError(400, "The body is no JSON object")


async def encode_event_stream(said: AsyncIterator[Said]) -> AsyncIterator[bytes]:
    """Each thing as a line; a failure is the last one."""
    try:
        async for each in said:
            yield json.dumps(each).encode() + b"\n"
    except SessionEnd:
        yield b'{"stale":true}\n'
    except Exception as error:
        yield json.dumps({"error": explain_failure(error).as_json(), "done": True}).encode() + b"\n"


def build_page_policy(nonce: str) -> str:
    """The page's own files and nothing else; the editor makes style sheets, which carry the nonce."""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def take_text(given: Mapping[str, Any], key: str, most: int = 4096) -> str:
    """A text of a request. Raises HarnessError where it is none, or longer than allowed."""
    value = given.get(key, "")
    if not isinstance(value, str) or len(value) > most:
        raise HarnessError("wrong-request", f"`{key}` is no text of at most {most:,} characters")
    return value


def take_rule_text(given: Mapping[str, Any]) -> str:
    """The text of a rule. Raises HarnessError where it is too long."""
    text = take_text(given, "text", LARGEST_RULE_TEXT)
    # Half of a surrogate pair, which no file can hold.
    if len(text.encode("utf-8", "replace")) > LARGEST_RULE_TEXT or any("\ud800" <= c <= "\udfff" for c in text):
        raise HarnessError("rule-too-large", f"a rule has at most {LARGEST_RULE_TEXT:,} bytes of text here")
    return text


def take_path(bench: Workbench, given: Mapping[str, Any]) -> Path:
    """The rule that a request is about, which has to be one of the folder."""
    return find_rule_file(bench.folder, take_text(given, "rule"), bench.opened)


def take_request(bench: Workbench, given: Mapping[str, Any], **wishes: Any) -> SessionRequest:
    """A session about a rule's text."""
    return SessionRequest(
        root=bench.folder.path, rule=take_path(bench, given), text=take_rule_text(given), wishes=wishes
    )


def take_page(given: Mapping[str, Any]) -> str:
    """Which of several open pages asks."""
    return take_text(given, "page", LONGEST_PAGE_NAME)


def take_offset(given: Mapping[str, Any]) -> int:
    """A place in a text. Raises HarnessError where it is none."""
    value = given.get("offset")
    if not isinstance(value, int) or not 0 <= value <= LARGEST_RULE_TEXT:
        raise HarnessError("wrong-request", "`offset` is no place in a text")
    return value


async def send_rules(bench: Workbench, _: Mapping[str, Any]) -> Said:
    """The rules of the project."""
    await bench.forget()
    found = await bench.list_project_rules()
    folder = bench.folder
    also = [] if bench.opened is None or bench.opened.is_relative_to(folder.path) else [describe_other(bench.opened)]
    first = next(iter(also), {"path": ""})["path"]
    if bench.opened is not None and not first:
        first = bench.opened.relative_to(folder.path).as_posix()
    return {
        "folder": str(folder.path),
        "own": folder.own,
        "settings": str(folder.settings or ""),
        "rules": [*also, *found["rules"]],
        "open": first,
    }


def describe_other(path: Path) -> dict[str, Any]:
    """A rule that was named on the command line and lies elsewhere."""
    return {"path": str(path), "title": path.stem, "language": path.suffix.lstrip("."), "scenarios": 0}


async def send_changes(bench: Workbench, _: Mapping[str, Any]) -> Said:
    """Has files that rules refer to read again; says whether the settings that rules run with are older."""
    await bench.forget()
    return {"restart": bench.restart_needed}


async def send_rule(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """A rule's text as its file has it."""
    path = take_path(bench, given)
    held = read_rule_file(path)
    own = bench.folder.own or path == bench.opened
    return {"text": held.text, "stamp": held.stamp, "saved": own, "mixed": not held.ends, "path": str(path)}


async def write_rule(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """Writes a rule, and says what its file holds now; of one that has changed meanwhile what it holds."""
    path, text = take_path(bench, given), take_rule_text(given)
    if not bench.folder.own and path != bench.opened:
        message = "this rule belongs to the installed detlab and is not written"
        raise HarnessError("not-yours", message, help="copy it into a folder of your own")
    try:
        held = save_rule_file(path, text, take_text(given, "stamp", 64))
    except HarnessError as error:
        if error.code != "changed-on-disk":
            raise
        now = read_rule_file(path)
        return {"error": error.as_json(), "text": now.text, "stamp": now.stamp}
    return {"stamp": held.stamp, "text": held.text}


async def send_findings(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """Findings and colours of a text as it is typed."""
    return await bench.analyse(take_page(given), take_path(bench, given), take_rule_text(given))


async def send_hover_text(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """The manual of the word at a place."""
    codes = [c for c in given.get("codes") or () if isinstance(c, str)][:20]
    path, text = take_path(bench, given), take_rule_text(given)
    return {"hover": await bench.ask("hover", path, text, offset=take_offset(given), codes=codes)}


async def send_completions(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """What may be written at a place."""
    path, text = take_path(bench, given), take_rule_text(given)
    return {"completion": await bench.ask("complete", path, text, offset=take_offset(given))}


async def send_manual(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """The manual of a command or a function."""
    language, word = take_text(given, "language", 32), take_text(given, "word", 200)
    return {"text": await bench.explain(language, word, command=given.get("command") is True)}


async def send_point(bench: Workbench, given: Mapping[str, Any]) -> Said:
    """The study's rule at one setting."""
    values = given.get("values")
    if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values) or len(values) > 1000:
        raise HarnessError("wrong-request", "`values` are no numbers")
    return await bench.find_point(take_page(given), values)


def send_verdicts(bench: Workbench, given: Mapping[str, Any]) -> AsyncIterator[Said]:
    """The verdicts of a text."""
    request = take_request(bench, given)
    focus = take_text(given, "focus", 8192)
    return bench.judge(take_page(given), request, focus, every=given.get("every") is not False)


def send_study(bench: Workbench, given: Mapping[str, Any]) -> AsyncIterator[Said]:
    """The study of a text's numbers."""
    return bench.study(take_page(given), "tune", take_request(bench, given))


def send_map(bench: Workbench, given: Mapping[str, Any]) -> AsyncIterator[Said]:
    """The map of what a text catches."""
    wishes = {key: take_text(given, key, 200) for key in ("x", "y", "behaviour")}
    return bench.study(take_page(given), "envelope", take_request(bench, given, **wishes))


ANSWERS: Mapping[str, Answer] = {
    "rules": send_rules,
    "refresh": send_changes,
    "open": send_rule,
    "save": write_rule,
    "analyse": send_findings,
    "hover": send_hover_text,
    "complete": send_completions,
    "explain": send_manual,
    "point": send_point,
}
STREAMS: Mapping[str, Stream] = {"verdicts": send_verdicts, "tune": send_study, "envelope": send_map}
