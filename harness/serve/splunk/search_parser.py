"""`search/parser`: whether a search can be planned, and its commands."""

from __future__ import annotations

import json
from dataclasses import replace

from starlette.responses import Response

from harness.serve.splunk.atom import JSON, XML, XML_HEAD, clean_xml
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.search_request import build_search, check_first_word

ENDPOINTS = Endpoints()


@ENDPOINTS.answer("search/(?:v2/)?parser", "GET", "POST")
async def parse_search(call: RestCall) -> Response:
    """The commands of a search; one that cannot be read is an error with its place."""
    text = call.one("q")
    check_first_word(text)
    backend = call.state.backend
    request = replace(build_search(backend, text, call.user, {}, app=call.app), only_check=True)
    run = await backend.begin_search(request)
    found = await run.done
    run.close()
    if found.error:
        raise SplunkError(400, found.error, "FATAL")
    commands = [{"command": name, "pipeline": "streaming" if name == "search" else "report"} for name in found.steps]
    if call.mode.startswith("json"):
        return Response(json.dumps({"commands": commands, "normalizedSearch": text, "messages": []}), media_type=JSON)
    items = "".join(
        f'<item><dict><key name="command">{clean_xml(c["command"])}</key>'
        f'<key name="pipeline">{c["pipeline"]}</key></dict></item>'
        for c in commands
    )
    return Response(
        f'{XML_HEAD}<response><dict><key name="commands"><list>{items}</list></key></dict></response>', media_type=XML
    )
