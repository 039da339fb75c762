"""Search jobs: a search, when it began, how long it is kept, and what is said of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.serve.backend import Backend, SearchRun
from harness.serve.search import SearchDone
from harness.serve.splunk.faults import SplunkError

# limits.conf: default_save_ttl is a week, ttl of a job ten minutes after it was last looked at.
TTL = 600
SAVED_TTL = 7 * 86_400
# Chosen, no source: a job's rows lie on disk, what is said of it in memory.
MOST_JOBS = 2_000
REAP_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class Job:
    """A search job: its id, its text, who began it, its parameters as they were given, its run."""

    sid: str
    text: str
    owner: str
    app: str
    parameters: Mapping[str, str]
    run: SearchRun
    earliest: float | None
    latest: float | None
    created: float = field(default_factory=time.time)
    touched: float = field(default_factory=time.time)
    ttl: int = TTL
    priority: int = 5
    paused: bool = False
    finalized: bool = False
    saved: bool = False
    preview: bool = True
    label: str = ""
    custom: dict[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> SearchDone | None:
        """What became of it; None while it runs."""
        return self.run.done.result() if self.run.done.done() else None

    @property
    def state(self) -> str:
        """Splunk's word for where it is."""
        found = self.outcome
        if found is None:
            return "PAUSED" if self.paused else "RUNNING"
        if found.error and not self.finalized:
            return "FAILED"
        return "DONE"

    @property
    def is_done(self) -> bool:
        """Whether it has come to its end."""
        return self.outcome is not None

    def touch(self) -> None:
        """Notes that somebody looked at it."""
        self.touched = time.time()

    def list_messages(self) -> Iterator[tuple[str, str]]:
        """What is to be told of it."""
        found = self.outcome
        if found is not None:
            yield from found.messages
            if found.error and not self.finalized:
                yield "FATAL", found.error


class Jobs:
    """The jobs of a server by their ids."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.by_sid: dict[str, Job] = {}
        self.reaper: asyncio.Task[None] | None = None
        self.last = 0.0

    def add(self, job: Job) -> None:
        """Keeps a job. Raises SplunkError where there are too many."""
        if len(self.by_sid) >= MOST_JOBS:
            self.reap()
        if len(self.by_sid) >= MOST_JOBS:
            job.run.close()
            raise SplunkError(503, "The maximum number of search jobs has been reached.", "FATAL")
        self.by_sid[job.sid] = job
        self.reaper = self.reaper or asyncio.create_task(self.reap_often())

    def find(self, sid: str) -> Job:
        """The job of an id. Raises SplunkError."""
        found = self.by_sid.get(sid)
        if found is None:
            raise SplunkError(404, f"Unknown sid. {sid[:100]}", "FATAL")
        return found

    def remove(self, job: Job) -> None:
        """Ends a job and forgets it."""
        self.by_sid.pop(job.sid, None)
        job.run.close()

    def remove_later(self, job: Job) -> None:
        """Lets a job be forgotten soon: its rows are on their way to the client."""
        job.ttl = 30

    def new_sid(self, user: str, name: str = "") -> str:
        """An id that no other job has: of the moment, as Splunk's are."""
        self.last = max(time.time(), self.last + 0.001)
        scheduled = f"{user}__search__{name}_at_" if name else ""
        return f"{scheduled}{self.last:.3f}"

    def reap(self) -> None:
        """Forgets jobs that nobody has looked at for as long as they are kept."""
        now = time.time()
        for job in [*self.by_sid.values()]:
            if job.is_done and now - job.touched > job.ttl:
                self.remove(job)

    async def reap_often(self) -> None:
        """The same from time to time."""
        while True:
            await asyncio.sleep(REAP_SECONDS)
            self.reap()


def describe_job(job: Job) -> dict[str, Any]:
    """What the job's endpoint says of it."""
    messages: dict[str, list[str]] = {}
    for kind, text in job.list_messages():
        messages.setdefault(kind.lower(), []).append(text)
    return {
        **describe_progress(job),
        **describe_job_counts(job),
        **describe_times(job),
        **UNCHANGING,
        "sid": job.sid,
        "label": job.label or None,
        "delegate": "scheduler" if job.label else None,
        "messages": messages,
        "optimizedSearch": job.text,
        "priority": job.priority,
        "request": dict(job.parameters),
        "statusBuckets": int(job.parameters.get("status_buckets") or 0),
    }


UNCHANGING: Mapping[str, Any] = {
    "bundleVersion": "0",
    "canSummarize": False,
    "dropCount": 0,
    "eventIsStreaming": True,
    "isEventsPreviewEnabled": False,
    "isGoodSummarizationCandidate": False,
    "isRealTimeSearch": False,
    "isRemoteTimeline": False,
    "isZombie": False,
    "keywords": "",
    "normalizedSearch": None,
    "numPreviews": 0,
    "pid": None,
    "provenance": "",
    "remoteSearch": None,
    "runtime": {"auto_cancel": "0", "auto_pause": "0"},
    "searchProviders": ["detlab"],
    "searchTotalBucketsCount": 0,
    "searchTotalEliminatedBucketsCount": 0,
}
"""What is so of every job here."""


def describe_progress(job: Job) -> dict[str, Any]:
    """Where a job is."""
    return {
        "dispatchState": job.state,
        "doneProgress": 1 if job.is_done else 0,
        "isDone": job.is_done,
        "isFailed": job.state == "FAILED",
        "isFinalized": job.finalized,
        "isPaused": job.paused,
        "isPreviewEnabled": job.preview,
        "isSaved": job.saved,
        "isSavedSearch": bool(job.label),
    }


def describe_job_counts(job: Job) -> dict[str, Any]:
    """How much a job has found."""
    found = job.outcome or SearchDone()
    transforms = is_transformed(found)
    events, _, report = job.text.partition("|")
    return {
        "diskUsage": job.run.out.stat().st_size if job.run.out.is_file() else 0,
        "eventAvailableCount": 0 if transforms else found.rows,
        "eventCount": found.scanned if transforms else found.rows,
        "eventFieldCount": len(found.columns),
        "eventIsTruncated": found.cut,
        "eventSearch": events.strip() or job.text,
        "eventSorting": "none" if transforms else "desc",
        "isTimeCursored": not transforms,
        "reportSearch": report.strip() if transforms and report.strip() else None,
        "resultCount": found.rows,
        "resultIsStreaming": not transforms,
        "resultPreviewCount": found.rows,
        "scanCount": found.scanned,
    }


def describe_times(job: Job) -> dict[str, Any]:
    """From when to when a job looks, how long it took, how long it is kept."""
    lasted = job.outcome.seconds if job.outcome else time.time() - job.run.began
    latest = job.run.request.now if job.latest is None else job.latest
    return {
        "createTime": print_time(job.created),
        "cursorTime": print_time(0),
        "earliestTime": print_time(job.earliest or 0),
        "latestTime": print_time(latest),
        "performance": {"command.search": {"duration_secs": f"{lasted:.3f}", "invocations": "1"}},
        "runDuration": round(lasted, 3),
        "searchEarliestTime": job.earliest or 0,
        "searchLatestTime": latest,
        "ttl": max(0, round(job.touched + job.ttl - time.time())) if job.is_done else job.ttl,
    }


def is_transformed(found: SearchDone) -> bool:
    """Whether the rows are no events any more."""
    return bool(found.columns) and "_raw" not in found.columns


def print_time(seconds: float) -> str:
    """A moment as Splunk's jobs have it."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(seconds)))
    return f"{whole}.{int(seconds % 1 * 1000):03d}+00:00"
