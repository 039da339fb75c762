"""Which scenarios of many are judged: those that what changed in git touches, and of these one part of several."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from harness.diagnostics import HarnessError
from harness.scenario.pack import looks_like_scenario
from harness.scenario.scenario import Scenario, read_scenario

# Chosen: a large repository answers in seconds.
GIT_SECONDS = 60
# What rules may refer to without naming the file: tables, configuration, settings.
CONTENT = frozenset({".conf", ".csv", ".gz", ".json", ".yaml", ".yml"})
GENERATORS = "generators"


def select_scenarios(found: Sequence[Path], since: str | None, shard: tuple[int, int] | None) -> list[Path]:
    """The files to judge, in their order; the parts of a whole are disjoint and together all of it."""
    kept = list(found)
    if since is not None:
        changed = list_changed_files(since)
        named = {path: list_named_files(path) for path in kept}
        known = {file for files in named.values() for file in files}
        kept = [path for path in kept if is_touched(path, named[path], changed, known)]
    if shard is not None:
        part, parts = shard
        kept = kept[part - 1 :: parts]
    return kept


def is_touched(path: Path, named: Collection[Path], changed: Collection[Path], known: Collection[Path]) -> bool:
    """Whether a change may give a scenario another verdict; where that cannot be told, it may.

    A file that some scenario names touches those alone, another scenario none. A lookup table, settings and the like
    touch all scenarios beside them and below, a behaviour touches every scenario.
    """
    folder = path.resolve().parent
    for file in changed:
        if file in named or any(file.is_relative_to(own) for own in named):
            return True
        if file in known or is_other_scenario(file):
            continue
        beside = file.suffix.lower() in CONTENT and folder.is_relative_to(file.parent)
        if beside or (GENERATORS in file.parts and file.suffix == ".py"):
            return True
    return False


def is_other_scenario(path: Path) -> bool:
    """Whether a file is a scenario; one that is gone touches nobody else either."""
    try:
        return path.suffix in (".yaml", ".yml") and looks_like_scenario(path)
    except OSError:
        return False


def list_named_files(path: Path) -> set[Path]:
    """The files and folders that a scenario is made of, absolute: itself, its rules and their pages, recordings."""
    try:
        return {path.resolve(), *list_parts(read_scenario(path))}
    except (HarnessError, OSError):
        # A rule with tests of its own; its data lie beside it.
        return {path.resolve()}


def list_parts(scenario: Scenario) -> Iterator[Path]:
    """What a scenario names."""
    for expectation in scenario.body.expect:
        rule = scenario.file(expectation.rule).resolve()
        yield from (rule, rule.with_name(f"{rule.name}.yaml"))
    for recording in scenario.body.replay:
        yield scenario.file(recording.path).resolve()


def list_changed_files(since: str) -> set[Path]:
    """Files that differ from a commit, or that git does not have yet, absolute.

    Raises HarnessError where there is no such commit, no repository or no git.
    """
    commit = run_git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}"], since).strip()
    root = Path(run_git(["rev-parse", "--show-toplevel"], since).rstrip("\n"))
    differing = run_git(["diff", "--name-only", "-z", "--no-ext-diff", "--no-textconv", commit, "--"], since)
    new = run_git(["ls-files", "--others", "--exclude-standard", "-z", "--full-name", "--", str(root)], since)
    return {(root / name).resolve() for name in (differing + new).split("\0") if name}


def run_git(arguments: Sequence[str], since: str) -> str:
    """What git says. Raises HarnessError."""
    # A repository's own settings may name programs to run; none is needed here.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
    except FileNotFoundError as error:
        raise HarnessError("no-git", "--since asks git, which is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError("no-git", f"git took more than {GIT_SECONDS} s to say what changed since {since}") from error
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines()
        hint = "a shallow clone has no history: fetch it (in a workflow `fetch-depth: 0`)"
        reason = f": {said[-1]}" if said else ""
        raise HarnessError("no-commit", f"git knows no commit {since} here{reason}", help=hint)
    return ran.stdout.decode("utf-8", "surrogateescape")
