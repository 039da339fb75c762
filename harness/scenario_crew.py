"""Scenarios that are at hand, judged by several processes: what the pytest plug-in does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from harness.run import Bench, ScenarioResult
from harness.run_options import RunOptions
from harness.scenario.scenario import Scenario
from harness.supervisor import Crew, Death, Send, can_supervise
from harness.workers import workers_for


def judge_in_processes(scenarios: Sequence[Scenario], bench: Bench) -> list[tuple[Scenario, list[ScenarioResult]]]:
    """Each scenario with what is found out of it, by several processes where that pays.

    What another process has found is about its own copy of the scenario, which is given along.
    """
    workers = workers_for(len(scenarios), bench.options.jobs)
    if workers == 1 or not can_supervise():
        return list(zip(scenarios, bench.judge_all(scenarios), strict=True))
    crew = Crew(replace(bench.options.limits, memory=bench.options.limits.memory // workers))
    for worker in range(workers):
        crew.start(worker, partial(judge_share, scenarios[worker::workers], bench.options))
    found: dict[int, list[tuple[Scenario, list[ScenarioResult]]]] = {}
    for worker, message in crew.messages():
        if isinstance(message, Death):
            raise message.error
        assert isinstance(message, list)
        found[worker] = message
    return [found[number % workers][number // workers] for number in range(len(scenarios))]


def judge_share(scenarios: Sequence[Scenario], options: RunOptions, send: Send) -> None:
    """The work of a child on its share of the scenarios."""
    with Bench(options) as bench:
        # In one message, so that an expectation stays the one of its scenario.
        send(list(zip(scenarios, bench.judge_all(scenarios), strict=True)))
