"""Judge again what a saved file touches: a rule its scenarios, a scenario itself, settings all."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import watchfiles

from harness.cli.options import PATH
from harness.cli.project_settings import READ, find_project_file
from harness.cli.rule_options import add_rule_options
from harness.cli.screen import out, paper
from harness.detection.project_content import PATH_KEYS
from harness.diagnostics import HarnessError
from harness.report.console import escape_controls, format_count
from harness.report.formats.terminal import Terminal
from harness.report.report import Report
from harness.run import import_ahead, run_scenarios
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import container
from harness.scenario.foreign_tests import expand_expectations, has_tests
from harness.scenario.pack import DEFAULT, find_scenarios, list_generators
from harness.scenario.project import SETTINGS_FILE
from harness.scenario.scenario import read_scenario

# Milliseconds. Editors write a file in several steps; less tells of halves of it, more is felt.
SETTLED = 60
# Milliseconds until the watcher says that nothing was saved; a save is told at once.
LONGEST_WAIT = 300
DOCUMENTS = (".yaml", ".yml")
STRAY = frozenset({".git", "__pycache__", ".venv", "node_modules"})


class SettingsChangedError(Exception):
    """What holds for every scenario has changed: options are read again."""


class WatchCommand(click.Command):
    """A command that starts again with the same words when settings have changed."""

    words: tuple[str, ...] = ()

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Keeps the words for the next start."""
        self.words = tuple(args)
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        """Runs until somebody ends it."""
        while True:
            try:
                return super().invoke(context)
            except SettingsChangedError:
                context = self.start_again(context)

    def start_again(self, ended: click.Context) -> click.Context:
        """The command's next start with settings as they are now; where they are wrong, after their next save."""
        for _ in watch_settings():
            ended.meta.pop(READ, None)
            try:
                return self.make_context(ended.info_name, list(self.words), parent=ended.parent)
            except HarnessError as error:
                show_error(error)
        raise KeyboardInterrupt


@dataclass(slots=True)
class Watched:
    """Scenarios, and the files that each follows from."""

    paths: tuple[Path, ...]
    options: RunOptions
    common: frozenset[Path]
    files: dict[Path, frozenset[Path]] = field(default_factory=dict)

    def find(self) -> list[Path]:
        """The scenarios that there are now; none where the folder is not there yet."""
        try:
            return find_scenarios(self.paths or (DEFAULT,), has_tests)
        except HarnessError:
            return []

    def learn(self, scenarios: Iterable[Path]) -> None:
        """Reads what scenarios follow from; of one that cannot be read what was known of it stays."""
        for path in scenarios:
            try:
                self.files[path] = frozenset(list_files(path, self.options))
            except (HarnessError, OSError):
                self.files.setdefault(path, frozenset({path.resolve()}))

    def touched(self, changed: frozenset[Path]) -> list[Path]:
        """The scenarios that files touch. Raises SettingsChangedError where they touch all."""
        settings = {p for p in changed if p.name == SETTINGS_FILE or any(p.is_relative_to(c) for c in self.common)}
        if settings:
            raise SettingsChangedError
        # A file that was a scenario is one while it is there: half-written, it no longer looks like one.
        now = list(dict.fromkeys([*self.find(), *(path for path in self.files if path.is_file())]))
        new = [path for path in now if path not in self.files]
        python = any(p.suffix == ".py" for p in changed)
        generators = [folder.resolve() for folder in list_generators(now)] if python else []
        if any(p.is_relative_to(folder) for p in changed for folder in generators):
            return now
        # Any other document may be an atomic's, which its scenarios stand beside or below.
        known = frozenset().union(*self.files.values())
        folders = [p.parent for p in changed if p.suffix in DOCUMENTS and p not in known]
        return [
            path
            for path in now
            if path in new or self.files[path] & changed or any(path.resolve().is_relative_to(f) for f in folders)
        ]


def list_files(path: Path, options: RunOptions) -> Iterator[Path]:
    """The files that a scenario follows from: itself, its rules with their pages, what it replays."""
    yield path.resolve()
    scenario = expand_expectations(read_scenario(path), options.sigma)
    for expectation in scenario.body.expect:
        rule = scenario.file(expectation.rule)
        yield (container(rule) or rule).resolve()
        yield rule.with_name(rule.name + ".yaml").resolve()
    for recording in scenario.body.replay:
        yield scenario.file(recording.path).resolve()
    for rule in options.rules:
        yield rule.resolve()


@click.command("watch", cls=WatchCommand)
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH]...")
@click.option("--rule", "rules", multiple=True, type=PATH, metavar="FILE", help="Judge this rule, not scenarios' own.")
@add_rule_options
def command(paths: tuple[Path, ...], rules: tuple[Path, ...], chosen: RunOptions, as_json: bool, verbose: bool) -> int:
    r"""Judges the scenarios in PATH (default: ./scenarios), and again what a saved file touches, until Ctrl-C.

    A rule touches the scenarios that name it, a scenario itself, a recording those that replay it; settings, macros,
    lookups and behaviours touch all.

    \b
    detlab watch
    detlab watch scenarios/T1583.004 --dialect strict
    """
    if as_json:
        raise HarnessError("usage", "watch tells people as it goes, and no document ends", help="`detlab run --json`")
    # Each run is a child of this process, which has all imports; one for each processor would cost more than it saves.
    options = replace(chosen, rules=rules, jobs=1)
    watched = Watched(paths=paths, options=options, common=frozenset(list_common()))
    found = watched.find()
    import_ahead(options, found)
    watched.learn(found)
    saved = watchfiles.watch(
        *list_folders(paths, watched),
        debounce=SETTLED,
        step=SETTLED // 2,
        rust_timeout=LONGEST_WAIT,
        yield_on_timeout=True,
    )
    # Asked once before the first run, so that what is saved meanwhile is not lost.
    next(saved)
    judge_again(found, options, verbose=verbose, because="all")
    for changes in saved:
        changed = frozenset(Path(name).resolve() for _, name in changes)
        changed = frozenset(p for p in changed if STRAY.isdisjoint(p.parts) and not p.name.startswith("."))
        if changed:
            again(watched, changed, verbose=verbose)
    return 0


def list_folders(paths: Sequence[Path], watched: Watched) -> list[Path]:
    """The folders to watch: of the project, of what was named, and of what scenarios follow from elsewhere."""
    place = find_project_file()
    project = place.path.parent.resolve() if place is not None and not place.refused else Path.cwd().resolve()
    wanted = {project, *(p.resolve() for p in paths), *(f.parent for each in watched.files.values() for f in each)}
    wanted |= {path if path.is_dir() else path.parent for path in watched.common}
    outermost = [p for p in wanted if not any(p != o and p.is_relative_to(o) for o in wanted)]
    return [p for p in sorted(outermost) if p.exists()]


def list_common() -> Iterator[Path]:
    """The files and folders that all scenarios follow from: settings, and what they or the command line name."""
    place = find_project_file()
    if place is not None:
        yield place.path.resolve()
    context = click.get_current_context()
    for key in PATH_KEYS:
        yield from (path.resolve() for path in context.params.get(key) or ())
    project = context.meta.get(READ)
    if project is not None and place is not None:
        for key in PATH_KEYS:
            named = getattr(project.settings, key)
            yield from ((place.path.parent / n).resolve() for n in ([named] if isinstance(named, str) else named))


def again(watched: Watched, changed: frozenset[Path], *, verbose: bool) -> None:
    """Judges what files touch."""
    touched = watched.touched(changed)
    if not touched:
        return
    watched.learn(touched)
    names = ", ".join(sorted(p.name for p in changed))
    judge_again(touched, watched.options, verbose=verbose, because=names)


def judge_again(scenarios: Sequence[Path], options: RunOptions, *, verbose: bool, because: str) -> None:
    """Judges scenarios and prints what was found; an error is told, and the watch goes on."""
    began = perf_counter()
    said = f"{datetime.now():%H:%M:%S} {because}: {format_count(len(scenarios), 'scenario')}"
    out(["", paper().paint(escape_controls(said), "strong")])
    if scenarios:
        try:
            outcomes = run_scenarios(scenarios, options)
        except HarnessError as error:
            show_error(error)
        else:
            report = Report(outcomes=outcomes, engine=options.engine, chosen=())
            out(Terminal(paper=paper(), verbose=verbose, quiet=not verbose).lines(report))
            out(f"{'as expected' if outcomes.as_expected else 'differs'} after {perf_counter() - began:.2f} s")
    sys.stdout.flush()


def show_error(error: HarnessError) -> None:
    """Prints an error and goes on."""
    out(escape_controls(error.render()))
    sys.stdout.flush()


def watch_settings() -> Iterator[None]:
    """At once, and then after each save of a settings file of this project."""
    place = find_project_file()
    folder = place.path.parent if place is not None else Path.cwd()
    saved = watchfiles.watch(
        folder, debounce=SETTLED, step=SETTLED // 2, rust_timeout=LONGEST_WAIT, yield_on_timeout=True, recursive=False
    )
    # Watched before settings are read, so that no save is lost between the two.
    next(saved)
    yield
    for changes in saved:
        if any(Path(name).name == SETTINGS_FILE for _, name in changes):
            yield
