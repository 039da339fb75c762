"""What a server keeps for LogScale's clients: query jobs, files and saved queries of repositories."""

from __future__ import annotations

import csv
import io
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from secrets import token_urlsafe

from harness.detection.language import Lookup, Settings
from harness.serve.access import hash_token
from harness.serve.backend import Backend
from harness.serve.logscale.call import LogScaleError, make_id
from harness.serve.logscale.query_job import QueryJob

FILE_COLLECTION, QUERY_COLLECTION, INGEST_TOKENS = "logscale-files", "logscale-saved-queries", "logscale-ingest-tokens"
# LogScale forgets jobs that nobody polls for 90 seconds; here the oldest go when there are many; chosen.
MOST_QUERY_JOBS = 1_000
# The most bytes of an uploaded file (LogScale, MAX_FILEUPLOAD_SIZE is 100 MB); chosen, below.
LARGEST_LOOKUP_FILE = 16 << 20
MOST_ROWS_OF_FILE = 1_000_000


class LogScaleState:
    """One server's state beside events."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.jobs: OrderedDict[str, QueryJob] = OrderedDict()

    def keep_job(self, job: QueryJob) -> None:
        """Keeps a job to be polled; the oldest of too many ends."""
        while len(self.jobs) >= MOST_QUERY_JOBS:
            self.jobs.popitem(last=False)[1].run.close()
        self.jobs[job.id] = job

    def find_job(self, name: str) -> QueryJob:
        """A job. Raises LogScaleError where there is none."""
        if name not in self.jobs:
            raise LogScaleError(404, f"No query job {name[:60]}")
        return self.jobs[name]

    def drop_job(self, name: str) -> None:
        """Ends a job."""
        self.find_job(name).run.close()
        del self.jobs[name]

    def settings(self, repository: str, arguments: Mapping[str, str]) -> Settings:
        """What a query of a repository means beside its text: its files, saved queries and the query's arguments."""
        given = self.backend.settings
        files = {name: self.read_table(text) for name, text in self.list_files(repository)}
        saved = {query["name"]: query["queryString"] for query in self.list_saved(repository)}
        return replace(
            given,
            lookups={**given.lookups, **files},
            saved={**given.saved, **saved},
            parameters={**given.parameters, **arguments},
        )

    def list_files(self, repository: str) -> Iterator[tuple[str, str]]:
        """Names and texts of the files of a repository."""
        for _, held in self.backend.documents.list(FILE_COLLECTION):
            if held["repository"] == repository:
                yield str(held["name"]), str(held["text"])

    def read_file(self, repository: str, name: str) -> str:
        """The text of a file. Raises LogScaleError where there is none."""
        held = self.backend.documents.read(FILE_COLLECTION, make_id(f"{repository}/{name}"))
        if held is None:
            raise LogScaleError(404, f"No file {name[:60]} in {repository[:60]}")
        return str(held["text"])

    def write_file(self, repository: str, name: str, text: str) -> None:
        """Keeps a file. Raises LogScaleError for one that is none."""
        if not name or "/" in name or len(text) > LARGEST_LOOKUP_FILE:
            raise LogScaleError(400, "A file has a name without slashes, and at most 16 MiB")
        self.read_table(text)
        document = {"repository": repository, "name": name, "text": text}
        self.backend.documents.write(FILE_COLLECTION, make_id(f"{repository}/{name}"), document)

    def remove_file(self, repository: str, name: str) -> None:
        """Removes a file. Raises LogScaleError where there is none."""
        self.read_file(repository, name)
        self.backend.documents.remove(FILE_COLLECTION, make_id(f"{repository}/{name}"))

    @staticmethod
    def read_table(text: str) -> Lookup:
        """A file as a table; its first line has the names. Raises LogScaleError for what is no CSV."""
        try:
            lines = list(csv.reader(io.StringIO(text)))
        except csv.Error as error:
            raise LogScaleError(400, f"The file is no CSV: {error}") from error
        if len(lines) > MOST_ROWS_OF_FILE:
            raise LogScaleError(400, f"A file has at most {MOST_ROWS_OF_FILE} lines")
        columns = tuple(lines[0]) if lines else ()
        rows = tuple(tuple((*line, *[""] * len(columns))[: len(columns)]) for line in lines[1:] if line)
        return Lookup(columns=columns, rows=rows)

    def list_saved(self, repository: str) -> list[dict[str, str]]:
        """The saved queries of a repository: `id`, `name` and `queryString`."""
        return [
            {"id": key, "name": str(held["name"]), "queryString": str(held["queryString"])}
            for key, held in self.backend.documents.list(QUERY_COLLECTION)
            if held["repository"] == repository
        ]

    def write_saved(self, repository: str, key: str, name: str, text: str) -> None:
        """Keeps a saved query."""
        document = {"repository": repository, "name": name, "queryString": text}
        self.backend.documents.write(QUERY_COLLECTION, key, document)

    def remove_saved(self, repository: str, key: str) -> None:
        """Removes a saved query. Raises LogScaleError where the repository has none of that number."""
        held = self.backend.documents.read(QUERY_COLLECTION, key)
        if held is None or held["repository"] != repository:
            raise LogScaleError(404, f"No saved query {key[:60]}")
        self.backend.documents.remove(QUERY_COLLECTION, key)

    def add_ingest_token(self, repository: str, name: str) -> str:
        """A new token that takes events for a repository and opens nothing else."""
        made = token_urlsafe(24)
        document = {"repository": repository, "name": name}
        self.backend.documents.write(INGEST_TOKENS, hash_token(made), document)
        return made

    def find_ingest_repository(self, secret: str) -> str:
        """The repository of an ingest token, "" of what is none."""
        held = self.backend.documents.read(INGEST_TOKENS, hash_token(secret)) if secret else None
        return "" if held is None else str(held["repository"])

    def list_repositories(self) -> list[str]:
        """Repositories that have a file or a saved query; events make one by being sent."""
        documents = self.backend.documents
        found = {
            str(held["repository"]) for kind in (FILE_COLLECTION, QUERY_COLLECTION) for _, held in documents.list(kind)
        }
        return sorted(found)
