"""Collects scenario files: each expectation and each signal is a test.

Every pytest run of an environment that has detlab loads this, so nothing heavy is imported before the first scenario is
found, and nothing at all happens where there is none.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

# Both need nothing but the standard library; all else is imported by name when a scenario was found.
from harness.diagnostics import HarnessError, Span
from harness.scenario.pack import looks_like_scenario

if TYPE_CHECKING:
    from harness.scenario.scenario import Scenario

BENCH = pytest.StashKey[Any]()
SUFFIXES = (".yaml", ".yml")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options, all with one prefix."""
    group = parser.getgroup("detlab", "detection scenarios (detlab)")
    group.addoption("--detlab-engine", metavar="NAME", help="what runs the rules (default: duckdb)")
    group.addoption("--detlab-settings", metavar="FILE", help="the project's settings, in place of its detlab.yaml")
    group.addoption(
        "--detlab-dialect", choices=("strict", "lenient"), help="how rules are read, whatever scenarios say"
    )
    named = {"action": "append", "default": [], "metavar": "NAME=VALUE", "type": parse_option_pair}
    group.addoption("--detlab-condition", **named, help="how hosts and platform are set up; may be repeated")
    group.addoption("--detlab-switch", **named, help="a meaning that a product leaves open; may be repeated")
    group.addoption("--detlab-jobs", type=int, metavar="N", help="processes that judge (default: one a processor)")
    cached = "take verdicts of earlier runs where nothing they follow from has changed, and keep new ones"
    group.addoption("--detlab-cache", action="store_true", help=cached)
    group.addoption("--detlab-seed", type=int, metavar="N", help="seed of simulated telemetry, whatever scenarios say")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker that every test from a scenario has."""
    config.addinivalue_line("markers", "detlab: an expectation or a signal of a detection scenario")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Closes the bench and its engine, if a scenario was judged."""
    bench = config.stash.get(BENCH, None)
    if bench is not None:
        bench.kept.bound()
        bench.__exit__(None, None, None)
        del config.stash[BENCH]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """A scenario file, judged so by the beginnings of its lines; any other YAML is left alone."""
    if file_path.suffix not in SUFFIXES or not is_scenario(file_path):
        return None
    found: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return found


def is_scenario(path: Path) -> bool:
    """Whether a file can be read and looks like a scenario."""
    try:
        return looks_like_scenario(path)
    except OSError:
        return False


class Differs(Exception):
    """A verdict or a count that is not as expected; its text is the explanation."""


class ScenarioFile(pytest.File):
    """A scenario; it is judged once, when the first test of any scenario runs."""

    scenario: Scenario
    results: list[Any] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        """One test a signal, one an expectation; one for itself where it has neither."""
        try:
            self.scenario = import_module("harness.scenario.scenario").read_scenario(self.path, name=self.shown)
        except HarnessError as error:
            # pytest shows the text of a CollectError alone, of any other exception a traceback.
            raise self.CollectError(printable(error.render())) from error
        naming = import_module("harness.report.report")
        body = self.scenario.body
        named = [("telemetry", i, naming.signal_name(s)) for i, s in enumerate(body.telemetry)]
        named += [("expect", i, naming.expectation_name(e)) for i, e in enumerate(body.expect)]
        seen: Counter[str] = Counter()
        for key, number, name in named or [("title", 0, "can be judged")]:
            seen[name] += 1
            # Names of tests are addresses (`pytest FILE::NAME`), so two alike could not be run apart.
            unique = name if seen[name] == 1 else f"{name} ({seen[name]})"
            yield ScenarioItem.from_parent(self, name=printable(unique), key=key, number=number)

    @property
    def shown(self) -> str:
        """The file's name as seen from the root of the run."""
        root = self.config.rootpath
        return str(self.path.relative_to(root)) if self.path.is_relative_to(root) else str(self.path)

    def judged(self) -> list[Any]:
        """Verdicts, visibilities and what is broken; all scenarios that have a test in this run are judged together."""
        if self.results is None:
            # All at once: one statement a rule keeps the scenarios apart, instead of six statements for each verdict.
            files = [i.parent for i in self.session.items if isinstance(i.parent, ScenarioFile)]
            waiting = [f for f in dict.fromkeys([self, *files]) if f.results is None]
            crew = import_module("harness.scenario_crew")
            judged = crew.judge_in_processes([f.scenario for f in waiting], bench_of(self.config))
            for file, (scenario, results) in zip(waiting, judged, strict=True):
                file.scenario, file.results = scenario, results
        assert self.results is not None
        return self.results


class ScenarioItem(pytest.Item):
    """One expectation or one signal of a scenario."""

    # No fixture is used; pytest-lsp 1.0, where it is installed, ends every test that does not say so.
    funcargs: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, *, key: str, number: int, **rest: Any) -> None:
        """`key` and `number` are its place in the document: `expect`, 0."""
        super().__init__(**rest)
        self.key, self.number = key, number
        self.add_marker("detlab")

    @property
    def scenario(self) -> Scenario:
        """The scenario that it belongs to."""
        assert isinstance(self.parent, ScenarioFile)
        return self.parent.scenario

    @property
    def span(self) -> Span:
        """The span of the expectation or signal in its document."""
        place = (self.key, self.number) if self.key != "title" else (self.key,)
        return self.scenario.place(*place)

    def runtest(self) -> None:
        """Raises Differs with the explanation, or the error that kept it from being judged."""
        body = self.scenario.body
        # They stand in pytest's JUnit file, as properties of the test.
        self.user_properties += [("technique", body.technique), ("scenario", body.title)]
        result = self.result()
        if result is None:
            return
        observed = getattr(result, "observed", None) or getattr(result, "counted", "")
        self.user_properties.append(("observed", str(observed)))
        if result.cached:
            self.user_properties.append(("cached", "true"))
        if not result.as_expected:
            raise Differs(import_module("harness.report.query_steps").format_result(result))

    def result(self) -> Any:
        """The verdict or count that this test is about; raises what kept it, or all, from being judged."""
        assert isinstance(self.parent, ScenarioFile)
        results = self.parent.judged()
        kinds = import_module("harness.verdict.verdict")
        for broken in results:
            if isinstance(broken, kinds.Broken) and self.concerned(broken.place):
                raise broken.error
        if self.key == "title":
            return None
        part = getattr(self.scenario.body, self.key)[self.number]
        found = [r for r in results if part is getattr(r, "expectation", None) or part is getattr(r, "signal", None)]
        if not found:
            raise Differs(f"{self.name} was not judged")
        return found[0]

    def concerned(self, place: Span | None) -> bool:
        """Whether a Broken of this place, or of no place, concerns this test."""
        return place is None or (self.key == "expect" and place == self.scenario.place("expect", self.number, "rule"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any, **__: Any) -> Any:
        """The explanation without a traceback; other failures are defects and keep theirs."""
        if isinstance(excinfo.value, Differs):
            return printable(str(excinfo.value))
        if isinstance(excinfo.value, HarnessError):
            return printable(excinfo.value.render())
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line counted from 0, and a title for the failure."""
        # pytest counts lines from 0 here.
        line = self.span.position[0] - 1
        return self.path, line, printable(f"{self.scenario.body.title}: {self.name}")


def bench_of(config: pytest.Config) -> Any:
    """The run's one bench, made when the first scenario is judged."""
    if BENCH not in config.stash:
        run = import_module("harness.run")
        project = read_project(config)
        options = run.RunOptions(
            engine=config.getoption("--detlab-engine") or (project and project.settings.engine) or "duckdb",
            dialect=config.getoption("--detlab-dialect"),
            conditions=dict(config.getoption("--detlab-condition")),
            switches=dict(config.getoption("--detlab-switch")),
            seed=config.getoption("--detlab-seed"),
            # Of the processes of pytest-xdist each has its own tests already.
            jobs=config.getoption("--detlab-jobs") or (1 if hasattr(config, "workerinput") else None),
            cache=import_module("harness.kept_results").find_verdict_folder()
            if config.getoption("--detlab-cache")
            else None,
        )
        choice = import_module("harness.project_choice")
        config.stash[BENCH] = run.Bench(choice.apply_project(options, project) if project else options)
    return config.stash[BENCH]


def read_project(config: pytest.Config) -> Any:
    """The settings of the project that pytest was called in; None where there are none that count."""
    given = config.getoption("--detlab-settings")
    place = (
        None if given else import_module("harness.scenario.project").find_settings_file(config.invocation_params.dir)
    )
    if place is not None and place.refused:
        config.issue_config_time_warning(pytest.PytestConfigWarning(f"{place.path}: {place.refused}"), stacklevel=2)
        return None
    path = Path(given) if given else place and place.path
    return import_module("harness.project_choice").read_checked_project(path) if path else None


def parse_option_pair(text: str) -> tuple[str, str]:
    """`name=value` as its two parts."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ArgumentTypeError(f"{text} is no name=value")
    return name, value


def printable(text: str) -> str:
    """Text of strangers without control characters."""
    cleaned: str = import_module("harness.report.console").escape_controls(text)
    return cleaned
