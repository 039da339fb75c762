"""What LogScale's GraphQL endpoint knows: files, saved queries, ingest tokens, redaction, repositories, users."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from starlette.responses import Response

from harness.record import record
from harness.serve.logscale.call import LogScaleCall, LogScaleError, respond_json
from harness.serve.logscale.graphql import GraphQLError, Resolve, answer_graphql
from harness.serve.logscale.query_job import build_request
from harness.serve.logscale.state import LogScaleState

GraphArguments = Mapping[str, Any]


async def respond_graphql(call: LogScaleCall) -> Response:
    """`{"query": "...", "variables": {...}}`; what is wrong is among `errors`, with status 200 as LogScale has it."""
    asked = call.json()
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise LogScaleError(400, "The body has no query")
    graph = Graph(call.state, call.user)
    variables = asked.get("variables") or {}
    try:
        if not isinstance(variables, dict):
            raise GraphQLError("variables is no object")
        return respond_json({"data": await answer_graphql(asked["query"], variables, graph.queries, graph.mutations)})
    except (GraphQLError, LogScaleError) as error:
        call.state.backend.log(f"GraphQL: {error}")
        return respond_json({"data": None, "errors": [{"message": str(error)}]})


@record
class Graph:
    """The fields of queries and mutations for one caller."""

    state: LogScaleState
    user: str

    @property
    def queries(self) -> Mapping[str, Resolve]:
        """What can be asked."""
        return {
            "searchDomain": self.search_domain,
            "repository": self.search_domain,
            "searchDomains": self.search_domains,
            "repositories": self.search_domains,
            "getFileContent": self.file_content,
            "organizations": self.organizations,
            "viewer": self.viewer,
            "meta": self.meta,
        }

    @property
    def mutations(self) -> Mapping[str, Resolve]:
        """What can be changed."""
        return {
            "newFile": self.new_file,
            "removeFile": self.remove_file,
            "updateFile": self.update_file,
            "createSavedQuery": self.create_saved_query,
            "updateSavedQuery": self.update_saved_query,
            "deleteSavedQuery": self.delete_saved_query,
            "addIngestTokenV3": self.add_ingest_token,
            "redactEvents": self.redact_events,
            "createRepository": self.create_repository,
        }

    async def search_domain(self, given: GraphArguments) -> dict[str, Any]:
        """A repository with its files and saved queries."""
        return self.describe_repository(str(given.get("name", "")))

    async def search_domains(self, given: GraphArguments) -> list[dict[str, Any]]:
        """Repositories that have something."""
        return [self.describe_repository(name) for name in self.state.list_repositories()]

    def describe_repository(self, name: str) -> dict[str, Any]:
        """What a repository has."""
        saved = [
            {"id": q["id"], "name": q["name"], "displayName": q["name"], "query": {"queryString": q["queryString"]}}
            for q in self.state.list_saved(name)
        ]
        files = [self.describe_file(name, file) for file, _ in self.state.list_files(name)]
        return {"__typename": "Repository", "id": name, "name": name, "files": files, "savedQueries": saved}

    @staticmethod
    def describe_file(repository: str, name: str) -> dict[str, Any]:
        """How a file is named."""
        return {"nameAndPath": {"name": name, "path": f"/shared/{repository}/{name}"}}

    async def file_content(self, given: GraphArguments) -> dict[str, Any]:
        """Some lines of a file."""
        name, file = str(given.get("name")), str(given.get("fileName"))
        wanted = given.get("filterString")
        lines = read_lines(self.state.read_file(name, file))
        rows = [line for line in lines[1:] if not wanted or any(str(wanted) in cell for cell in line)]
        return self.describe_lines(name, file, lines[:1], rows, given)

    def describe_lines(
        self, repository: str, file: str, head: Sequence[list[str]], rows: Sequence[list[str]], given: GraphArguments
    ) -> dict[str, Any]:
        """Some of a file's lines, with how many there are."""
        offset, limit = int(given.get("offset") or 0), int(given.get("limit") or 200)
        return {
            "totalLinesCount": len(rows),
            "offset": offset,
            "limit": limit,
            "headers": head[0] if head else [],
            "lines": list(rows[offset : offset + limit]),
            **self.describe_file(repository, file),
        }

    async def new_file(self, given: GraphArguments) -> dict[str, Any]:
        """An empty file."""
        repository, name = str(given.get("name")), str(given.get("fileName"))
        self.state.write_file(repository, name, "")
        return self.describe_file(repository, name)

    async def remove_file(self, given: GraphArguments) -> dict[str, Any]:
        """Removes a file."""
        self.state.remove_file(str(given.get("name")), str(given.get("fileName")))
        return {"__typename": "BooleanResultType", "result": True}

    async def update_file(self, given: GraphArguments) -> dict[str, Any]:
        """Puts lines in the place of others; without headers those of the file stay."""
        repository, name = str(given.get("name")), str(given.get("fileName"))
        if given.get("columnChanges"):
            raise GraphQLError("columnChanges are not supported")
        lines = read_lines(self.state.read_file(repository, name))
        offset, limit = int(given.get("offset") or 0), int(given.get("limit") or 200)
        changed = [[str(cell) for cell in row] for row in given.get("changedRows") or []]
        head = [str(cell) for cell in given.get("headers") or (lines[0] if lines else [])]
        rows = lines[1:]
        rows[offset : offset + limit] = changed
        self.state.write_file(repository, name, print_lines([head, *rows]))
        return self.describe_lines(repository, name, [head], rows, given)

    async def create_saved_query(self, given: GraphArguments) -> dict[str, Any]:
        """A new saved query."""
        made = read_input_argument(given)
        key = token_hex(16)
        self.state.write_saved(str(made.get("viewName")), key, str(made.get("name")), str(made.get("queryString")))
        return {"savedQuery": {"id": key, "name": made.get("name")}}

    async def update_saved_query(self, given: GraphArguments) -> dict[str, Any]:
        """Changes a saved query."""
        made = read_input_argument(given)
        repository, key = str(made.get("viewName")), str(made.get("id"))
        known = next((q for q in self.state.list_saved(repository) if q["id"] == key), None)
        if known is None:
            raise GraphQLError(f"No saved query {key[:60]}")
        name = str(made.get("name") or known["name"])
        self.state.write_saved(repository, key, name, str(made.get("queryString") or known["queryString"]))
        return {"savedQuery": {"id": key, "name": name}}

    async def delete_saved_query(self, given: GraphArguments) -> dict[str, Any]:
        """Removes a saved query."""
        made = read_input_argument(given)
        key = str(made.get("id"))
        self.state.remove_saved(str(made.get("viewName")), key)
        return {"savedQuery": {"id": key, "name": ""}}

    async def add_ingest_token(self, given: GraphArguments) -> dict[str, Any]:
        """A new token for a repository."""
        made = read_input_argument(given)
        name = str(made.get("name") or "token")
        token = self.state.add_ingest_token(str(made.get("repositoryName")), name)
        return {"name": name, "token": token, "parser": None}

    async def redact_events(self, given: GraphArguments) -> bool:
        """Removes the events that a query finds."""
        made = read_input_argument(given)
        # Which events they are is asked, not what they hold: all fields of all kinds would take gigabytes.
        text = f"{made.get('query') or ''}\n| select([#repo])"
        asked = {"queryString": text, "start": 0, "end": 4_000_000_000_000}
        request = build_request(asked, str(made.get("repositoryName")), self.state, traced=True)
        run = await self.state.backend.begin_search(request)
        done = await run.done
        run.close()
        if done.error:
            raise GraphQLError(done.error)
        await self.state.backend.drop_events(done.events)
        return True

    async def create_repository(self, given: GraphArguments) -> dict[str, Any]:
        """A repository: any name that events are sent to is one."""
        return {"repository": self.describe_repository(str(given.get("name")))}

    async def organizations(self, given: GraphArguments) -> list[dict[str, Any]]:
        """The one organization that a server has."""
        return [{"id": "detlab", "name": "detlab", "description": ""}]

    async def viewer(self, given: GraphArguments) -> dict[str, Any]:
        """Who asks."""
        return {"id": self.user, "username": self.user}

    async def meta(self, given: GraphArguments) -> dict[str, Any]:
        """What the server is."""
        return {"version": LIKE_VERSION}


LIKE_VERSION = "1.189.0--detlab"
"""The version of LogScale whose answers these are like."""


def read_input_argument(given: GraphArguments) -> Mapping[str, Any]:
    """The argument `input`. Raises GraphQLError."""
    found = given.get("input")
    if not isinstance(found, Mapping):
        raise GraphQLError("input is missing")
    return found


def read_lines(text: str) -> list[list[str]]:
    """The lines of a file, each a list of cells."""
    return list(csv.reader(io.StringIO(text)))


def print_lines(lines: Sequence[Sequence[str]]) -> str:
    """Lines as a file has them."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
