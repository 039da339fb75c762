"""A run's scenarios judged by children within limits: one that has to be killed costs one result, never the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from harness.diagnostics import HarnessError
from harness.supervisor import Crew, Death, Limits, Send

WHOLE = -1
"""In a place: not one expectation but all of the scenario, or all of the file."""
Failures = Mapping[tuple[int, ...], HarnessError]
"""What is known to break its process: by the numbers of a file's scenario and of its expectation."""
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Progress = Callable[[str, int, int], None]


class JudgeFiles(Protocol[Result_co]):
    """Judges files; with failures, also none, each of their cases by itself."""

    def __call__(
        self, found: Sequence[Path], failures: Failures | None = None, progress: Progress | None = None, /
    ) -> Sequence[Sequence[Result_co]]:
        """The results of each file."""


class SupervisedRun(Generic[Result]):
    """Files that children judge: together at first, one by one after a death, so that it is known who caused it."""

    def __init__(
        self,
        found: Sequence[Path],
        limits: Limits,
        judge: JudgeFiles[Result],
        lost: Callable[[Path, HarnessError], Result],
        progress: Progress | None = None,
    ) -> None:
        """`lost` is the result of a file that breaks its process wherever it is."""
        self.found, self.limits, self.judge_files = found, limits, judge
        self.lost, self.progress = lost, progress
        self.judged: list[list[Result]] = [[] for _ in found]
        self.left: dict[int, list[int]] = {}
        self.failures: dict[int, dict[tuple[int, ...], HarnessError]] = {}
        self.careful: set[int] = set()
        self.begun = 0

    def judge(self, workers: int) -> list[list[Result]]:
        """The results of each file."""
        crew = Crew(replace(self.limits, memory=self.limits.memory // workers))
        for worker in range(workers):
            # Every second file to each, since neighbours are of one technique and take alike.
            self.left[worker] = list(range(worker, len(self.found), workers))
            crew.start(worker, self.judge_together(worker))
        for worker, message in crew.messages():
            if isinstance(message, Death):
                self.blame(worker, message)
                if self.left[worker]:
                    crew.start(worker, self.judge_singly(worker))
            else:
                self.take(worker, message)
        return self.judged

    def judge_together(self, worker: int) -> Callable[[Send], None]:
        """The work of a child on all files that are left to it: rules over all their scenarios at once."""
        files = list(self.left[worker])

        def work(send: Send) -> None:
            results = self.judge_files([self.found[f] for f in files], None, lambda what, *_: send(what))
            send(list(zip(files, results, strict=True)))

        return work

    def judge_singly(self, worker: int) -> Callable[[Send], None]:
        """The work of a child on the same files, a message each."""
        files = list(self.left[worker])

        def work(send: Send) -> None:
            for file in files:
                (results,) = self.judge_files([self.found[file]], self.failures.get(file, {}))
                send([(file, results)])

        return work

    def take(self, worker: int, message: Any) -> None:
        """Keeps results, and tells how far the work is."""
        if isinstance(message, str):
            self.begun += 1
            if self.progress:
                self.progress(message, self.begun, len(self.found))
            return
        for file, results in message:
            self.judged[file] = results
            self.left[worker].remove(file)

    def blame(self, worker: int, death: Death) -> None:
        """Notes what a child died of, where it is known: the first file that is left to it."""
        if worker not in self.careful:
            self.careful.add(worker)
            return
        file = self.left[worker][0]
        known = self.failures.setdefault(file, {})
        if death.place in known:
            self.judged[file] = [self.lost(self.found[file], death.error)]
            self.left[worker].remove(file)
        known[death.place] = death.error
