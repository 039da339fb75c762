"""What a measure is: commands in fresh processes run in turn, their medians, and lines of ratios with bars."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median

from bench.process import ROOT, CommandFailed, Cost, run

PACK = ROOT / "scenarios"


class Unmeasured(Exception):
    """Something that a measure needs is not here; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One ratio and its bar, or why there is none."""

    measure: str
    subject: str
    yardstick: str
    value: float | None = None
    bar: float | None = None
    at_least: bool = False
    """The bar is a floor; else it is a ceiling."""
    judged: bool = True
    """Whether a bar that is missed fails the run: not where sizes are smaller than those the bar is for."""
    cost: Cost | None = None
    against: Cost | None = None
    rows: str | None = None
    equal: bool | None = None
    missing: str | None = None
    broken: bool = False
    """What is missing is missing because a command of detlab ended with an error."""
    points: Sequence[tuple[float, float]] = ()
    """Sizes and what each took, of which the value is the slope."""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none or nothing to hold against it."""
        if self.value is None or self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    @property
    def fails(self) -> bool:
        """Whether this line makes the run fail."""
        return self.broken or self.equal is False or (self.judged and self.met is False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do a piece of work: commands one after the other, and how their answer is read."""

    name: str
    commands: Sequence[Sequence[str | Path]]
    digest: Callable[[Path], str] | None = None
    fresh: Sequence[Path] = ()
    """Files and folders that are removed before each run."""
    rounds: int | None = None
    """At most so many runs, of what takes minutes."""
    codes: Sequence[int] = (0,)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """The runs of one contender."""

    costs: list[Cost] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    failure: CommandFailed | None = None
    output: Path | None = None

    @property
    def cost(self) -> Cost:
        """Medians of CPU and wall time, and the most memory. Raises CommandFailed where a run failed."""
        if self.failure is not None:
            raise self.failure
        return Cost(
            cpu=median(each.cpu for each in self.costs),
            wall=median(each.wall for each in self.costs),
            memory=max(each.memory for each in self.costs),
        )


@dataclass(kw_only=True)
class Bench:
    """What measures share: the command, the interpreter of competitors, sizes, the folder with material."""

    command: Sequence[str]
    folder: Path
    python: Path | None = None
    events: int = 10_000_000
    rounds: int = 5
    quick: bool = False
    shared: Path | None = None
    say: Callable[[str], None] = print

    def detlab(self, *arguments: str | Path) -> list[str | Path]:
        """The command line that a user types."""
        return [*self.command, *arguments]

    def judges(self, size: int, wanted: int) -> bool:
        """Whether bars count at a size that a measure runs at."""
        return not self.quick and size >= wanted

    def size(self, wanted: int, *, quick: int) -> int:
        """A number that does not hang on --events, smaller in a quick run."""
        return quick if self.quick else wanted

    @cached_property
    def modules(self) -> frozenset[str]:
        """What the interpreter of the competitors has installed."""
        if self.python is None:
            return frozenset()
        names = ["pandas", "polars", "chdb", "pyspark", "duckdb", "evtx", "orjson", "pyarrow", "numpy"]
        text = f"import importlib.util as u; print(*(n for n in {names!r} if u.find_spec(n)))"
        done = subprocess.run([self.python, "-c", text], capture_output=True, text=True, check=True)
        return frozenset(done.stdout.split())

    def competitor(self, script: str, *arguments: str | Path, needs: str = "duckdb") -> list[str | Path]:
        """The command line of a competitor. Raises Unmeasured where its packages are not installed."""
        if self.python is None:
            raise Unmeasured(f"needs {needs}, in an interpreter that --python or DETLAB_BENCH_PYTHON names")
        if lacking := sorted(set(needs.split()) - self.modules):
            raise Unmeasured(f"needs {', '.join(lacking)} in {self.python}")
        return [self.python, "-W", "ignore", "-m", f"bench.competitors.{script}", *arguments]

    @cached_property
    def subcommands(self) -> frozenset[str]:
        """The subcommands that this detlab has."""
        text = subprocess.run([*self.command, "--help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        return frozenset(line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.split())

    def has_option(self, command: str, option: str) -> bool:
        """Whether a subcommand has an option."""
        text = subprocess.run([*self.command, command, "--help"], capture_output=True, text=True, cwd=ROOT).stdout
        return f" {option}" in text

    @property
    def cache(self) -> Path:
        """Where commands keep compiled plans; a measure of what is not kept removes it before each run."""
        return self.folder / "cache"

    def require_command(self, name: str) -> None:
        """Raises Unmeasured where detlab has no such subcommand."""
        if name not in self.subcommands:
            raise Unmeasured(f"needs `detlab {name}`")

    def require_shared(self, path: str) -> Path:
        """A file or folder of the large corpora. Raises Unmeasured where it is not there."""
        if self.shared is None or not (self.shared / path).exists():
            raise Unmeasured(f"needs {path} in a folder `../shared` or one that --shared names")
        return self.shared / path

    def make(self, name: str, *command: str | Path) -> Path:
        """A file or folder that a command writes, if it is not there from before: `{}` in the command is its place."""
        path = self.folder / name
        if not path.exists():
            self.say(f"making {name} ...")
            draft = path.with_name(f"draft-{name}")
            remove(draft)
            told = self.folder / "made"
            run([draft if str(part) == "{}" else part for part in command], output=told, folder=ROOT)
            draft.rename(path)
        return path

    def lake(self, kind: str, events: int, suffix: str = "parquet") -> Path:
        """Somebody's lake of connections."""
        name = f"{kind}-{events}.{suffix}"
        return self.make(name, sys.executable, "-m", "bench.lake", kind, str(events), "{}")

    def store(self, events: Path) -> Path:
        """The store that `detlab ingest` makes of events. Raises Unmeasured where there is no such command."""
        self.require_command("ingest")
        return self.make(f"{events.name}.store", *self.detlab("ingest", events, "--out", "{}"))

    def race(self, *contenders: Contender) -> dict[str, Result]:
        """Runs all in turn, round by round; one that fails is left out and says why."""
        results = {each.name: Result() for each in contenders}
        for number in range(self.rounds):
            # There and back, so that nobody always runs after the same one.
            for each in contenders if number % 2 == 0 else reversed(contenders):
                result = results[each.name]
                if result.failure is None and (each.rounds is None or number < each.rounds):
                    self.run_once(each, result, number)
        return results

    def run_once(self, contender: Contender, result: Result, number: int) -> None:
        """One run of a contender."""
        output = self.folder / f"{contender.name.replace('/', '-').replace(' ', '-')}.out"
        for path in contender.fresh:
            remove(path)
        spent = Cost(cpu=0.0, wall=0.0, memory=0)
        try:
            for command in contender.commands:
                spent += run(
                    command, output=output, folder=ROOT, codes=contender.codes, environment=contender.environment
                )
            if contender.digest is not None:
                result.digests.append(contender.digest(output))
        except CommandFailed as failure:
            result.failure = failure
            self.say(f"  {contender.name}: {failure}")
            return
        result.costs.append(spent)
        result.output = output
        self.say(
            f"  {contender.name} [{number + 1}]: {spent.cpu:.2f} s CPU, {spent.wall:.2f} s, {spent.memory / 1e6:.0f} MB"
        )


@dataclass(frozen=True, slots=True)
class Measure:
    """A thing that is measured: its name on the command line, what it is about, how it is run."""

    name: str
    about: str
    take: Callable[[Bench], Iterator[Line]]


def remove(path: Path) -> None:
    """Removes a file or a folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def hold_against(
    line: Line, subject: Result, yardstick: Result, *, of: Callable[[Cost], float] = lambda cost: cost.cpu
) -> Line:
    """A line with the ratio of two results, and whether their rows are equal."""
    if subject.failure is not None:
        return break_line(line, subject.failure)
    if yardstick.failure is not None:
        return replace(line, missing=str(yardstick.failure))
    cost, against = subject.cost, yardstick.cost
    found = {*subject.digests, *yardstick.digests}
    equal = len(found) == 1 if subject.digests and yardstick.digests else None
    rows = " | ".join(sorted(found)) or None
    return replace(line, value=of(cost) / of(against), cost=cost, against=against, rows=rows, equal=equal)


def hold_against_bar(line: Line, result: Result, limit: float, of: Callable[[Cost], float]) -> Line:
    """A line with a figure as a share of its bar, which is of the machine that the bar was set for."""
    if result.failure is not None:
        return break_line(line, result.failure)
    return replace(line, value=of(result.cost) / limit, bar=1.0, cost=result.cost)


def break_line(line: Line, failure: CommandFailed) -> Line:
    """A line that says how detlab failed."""
    return replace(line, missing=str(failure), broken=True)
