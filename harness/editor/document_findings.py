"""What is wrong in a document that is no query, a scenario or a rule's page: every error of it, not the first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.detection.language import check_scenario_switches
from harness.detection.project_content import PATH_KEYS, read_named_content
from harness.diagnostics import Finding, HarnessError, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.project_choice import list_wrong_settings
from harness.scenario.document import Document, YamlNode, convert_document
from harness.scenario.foreign_rule import container
from harness.scenario.pack import behaviour_folders, find_behaviours
from harness.scenario.scenario import Scenario, ScenarioBody, list_wrong_parts
from harness.scenario.settings import Project, ProjectSettings

# Chosen, no source: more errors than that are one, told many times.
MOST_MISFITS = 30


def find_misfits(document: Document, wanted: type[Any]) -> tuple[list[Finding], Any]:
    """Every place that does not fit a type, and the value once all of them are taken out; None where it cannot be.

    The document's nodes are changed.
    """
    found: list[Finding] = []
    removed: set[str] = set()
    for _ in range(MOST_MISFITS):
        try:
            return found, convert_document(document, wanted)
        except SourceError as error:
            # What was taken out is missing only since then.
            if not (error.code == "missing-field" and error.message in removed):
                found.append(error.finding())
            name = remove_misfit(document.root, error)
            if name is None:
                return found, None
            removed.add(f"`{name}` is missing")
    return found, None


ALLOWED_WORD = late_pattern(r"`([^`]+)`|one of ([^,]+)")


def remove_misfit(root: YamlNode, error: SourceError) -> str | None:
    """Removes what an error is about, so that the next one shows: its key, if any; None where it is the whole document.

    A word that is none of those allowed becomes the one that the error proposes.
    """
    at, by_key = error.span.start, error.code == "unknown-field"
    allowed = ALLOWED_WORD.search(error.help or "") if error.code == "unknown-value" else None
    node: YamlNode | None = root
    while node is not None:
        below: YamlNode | None = None
        for name, (place, value) in (node.members or {}).items():
            if (place if by_key else value.span).start == at:
                assert node.members is not None
                if allowed and value.scalar not in (None, allowed[1] or allowed[2]):
                    value.scalar = allowed[1] or allowed[2]
                else:
                    del node.members[name]
                return name
            if value.span.start <= at < value.span.end:
                below = value
        for number, value in enumerate(node.items or ()):
            # A key that nobody knows may be the first of an item, which begins there too.
            if value.span.start == at and not (by_key and value.members):
                assert node.items is not None
                del node.items[number]
                return ""
            if value.span.start <= at < value.span.end:
                below = value
        node = below
    return None


def check_scenario(document: Document, path: Path) -> Iterator[Finding]:
    """Everything that is wrong with a scenario as far as it can be told without running it or anybody's Python."""
    misfits, body = find_misfits(document, ScenarioBody)
    yield from misfits
    if body is None:
        return
    scenario = Scenario(path=path, body=body, document=document)
    yield from (error.finding() for error in list_wrong_parts(scenario))
    try:
        check_scenario_switches(scenario)
    except SourceError as error:
        yield error.finding()
    yield from check_files(scenario)
    yield from check_actions(scenario)


def check_files(scenario: Scenario) -> Iterator[Finding]:
    """Rules and recordings that a scenario names and that are not there."""
    named = [(("expect", i, "rule"), e.rule, "no-such-rule") for i, e in enumerate(scenario.body.expect)]
    named += [(("replay", i, "path"), r.path, "no-such-path") for i, r in enumerate(scenario.body.replay)]
    for keys, name, code in named:
        place = scenario.place(*keys)
        try:
            path = scenario.file(name)
        except HarnessError as error:
            yield Finding(code=error.code, span=place, message=error.message, help=error.help)
            continue
        # A rule inside a file of others has a path that leads into it.
        if not path.exists() and container(path) is None:
            near = did_you_mean(Path(name).name, [p.name for p in list_beside(scenario.path, Path(name).suffix)])
            yield Finding(code=code, span=place, message=f"there is no file {name}", help=near)


def list_beside(path: Path, suffix: str) -> list[Path]:
    """Files of a suffix beside a scenario."""
    return sorted(p for p in path.parent.glob(f"*{suffix}")) if path.parent.is_dir() and suffix.isascii() else []


def check_actions(scenario: Scenario) -> Iterator[Finding]:
    """Behaviours that there are not, and parameters that they do not have."""
    try:
        known = find_behaviours(behaviour_folders(scenario.path))
    except HarnessError:
        return
    for number, action in enumerate(scenario.body.simulate):
        if action.behaviour not in known:
            place = scenario.place("simulate", number, "behaviour")
            message = f"no behaviour is called `{action.behaviour}`"
            hint = did_you_mean(action.behaviour, known) or "`detlab list behaviours` shows them"
            yield Finding(code="unknown-behaviour", span=place, message=message, help=hint)
            continue
        names = list_behaviour_parameters(
            known[action.behaviour], action.behaviour, read_stamp(known[action.behaviour])
        )
        for name in action.given if names else ():
            if name not in names:
                place = scenario.document.key(("simulate", number, "given", name))
                message = f"`{action.behaviour}` has no parameter `{name}`"
                hint = did_you_mean(name, names) or f"it has {', '.join(names)}"
                yield Finding(code="unknown-parameter", span=place, message=message, help=hint)


def read_stamp(path: Path) -> int:
    """When a file was changed last, in nanoseconds; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=512)
def list_behaviour_parameters(path: Path, name: str, stamp: int) -> tuple[str, ...]:
    """The parameters of a behaviour by the text of its file, which is not run; none where it cannot be read."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    run = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
    return tuple(a.arg.rstrip("_") for a in run.args.kwonlyargs) if run else ()


def check_settings(document: Document, path: Path) -> Iterator[Finding]:
    """Everything that is wrong with a project's settings, and with the files that they name."""
    misfits, settings = find_misfits(document, ProjectSettings) if document.value is not None else ([], None)
    yield from misfits
    if settings is None:
        return
    project = Project(settings=settings, document=document, path=path)
    for keys, error in list_wrong_settings(project):
        place = document.key(keys) if isinstance(keys[-1], str) else document.span(keys)
        yield Finding(code=error.code, span=place, message=error.message, help=error.help)
    missing = False
    for key in PATH_KEYS:
        named = getattr(settings, key)
        for number, name in enumerate([named] if isinstance(named, str) else named):
            if not (path.parent / name).exists():
                missing = True
                place = document.span([key] if isinstance(named, str) else [key, number])
                yield Finding(code="no-such-path", span=place, message=f"there is no file or folder {name}")
    if not (misfits or missing):
        yield from check_content(project, document)


def check_content(project: Project, document: Document) -> Iterator[Finding]:
    """Why the content that settings name cannot be read, told at the first key that names any."""
    try:
        read_named_content(project)
    except HarnessError as error:
        own = isinstance(error, SourceError) and error.span.source is document.source
        yield Finding(
            code=error.code,
            span=error.span if own and isinstance(error, SourceError) else find_first_path(document),
            message=error.message,
            help=error.help,
        )


def find_first_path(document: Document) -> Span:
    """The first key that names content."""
    key = next((k for k in PATH_KEYS if document.root.child(k)), None)
    return document.key([key]) if key else document.source.span(0, 1)
