"""Tests that others publish with their rules, as scenarios: Sigma's regression data, security_content's `tests`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from harness.diagnostics import HarnessError, Source, SourceError
from harness.scenario.document import Document, load
from harness.scenario.foreign_rule import KNOWN, as_texts_tuple, find_published_rule
from harness.scenario.foreign_rule import rule_paths as rules_of
from harness.scenario.scenario import Expectation, Label, Outcome, Replay, Scenario, ScenarioBody
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice

# Tests of security_content point at GitHub: .../attack_data/master/datasets/...
ROOT = "/master/"
DATASETS = "datasets"
LARGEST_TEST_FILE = 16 << 20


def scenarios_of(path: Path, attack_data: Path | None = None, choice: SigmaChoice = DEFAULT_CHOICE) -> list[Scenario]:
    """The tests that a rule's file has of its own; none for any other file.

    `attack_data` is a folder as splunk/attack_data has it. Raises HarnessError where a test's events are not there.
    """
    if path.suffix not in (".yml", ".yaml") or not path.is_file() or path.stat().st_size > LARGEST_TEST_FILE:
        return []
    text = path.read_bytes().decode("utf-8", "replace")
    # Text is searched before YAML is parsed: most files have no tests.
    if "regression_tests_path:" not in text and "attack_data" not in text:
        return []
    document = load(Source(str(path), text))
    content = document.value
    if not isinstance(content, dict):
        return []
    if "detection" in content and "regression_tests_path" in content:
        return list(of_sigma(path, document, choice))
    if "search" in content and "tests" in content:
        return list(of_security_content(path, document, attack_data, choice))
    return []


def has_tests(path: Path) -> bool:
    """Whether a YAML file is a rule of others with tests, judged by its lines' beginnings."""
    with path.open("rb") as lines:
        keys = {line.split(b":", 1)[0] for line in lines.read(1 << 20).splitlines() if line[:1].isalpha()}
    return {b"detection", b"regression_tests_path"} <= keys or {b"search", b"tests"} <= keys


def of_sigma(path: Path, document: Document, choice: SigmaChoice) -> Iterator[Scenario]:
    """A scenario for each entry of the rule's info.yml: at least `match_count` alerts in both languages."""
    place = document.span(["regression_tests_path"])
    named = str(document.value["regression_tests_path"])
    info = upwards(path, named)
    if info is None:
        help = "keep the rule inside its repository, or beside its `regression_data`"
        raise SourceError("no-regression-data", f"there is no {named} above {path.parent}", place, help=help)
    content = load(Source(str(info), info.read_text("utf-8"))).value
    entries = content.get("regression_tests_info") if isinstance(content, dict) else None
    for number, entry in enumerate(entries or (), 1):
        events = upwards(info, str(entry.get("path", "")))
        if events is None:
            raise SourceError("no-regression-data", f"there is no {entry.get('path')} above {info.parent}", place)
        title = f"{document.value.get('title')}: {entry.get('name') or f'test {number}'}"
        count = entry.get("match_count")
        yield scenario(path, document, title, [events], int(count) if count is not None else None, choice)


def expand_expectations(scenario: Scenario, choice: SigmaChoice = DEFAULT_CHOICE) -> Scenario:
    """The scenario with every rule of a file in a format of others where it names the file itself.

    Further ones come last, so that the others keep their places.
    """
    first: list[Expectation] = []
    further: list[Expectation] = []
    for expectation in scenario.body.expect:
        named = Path(expectation.rule)
        # By suffix first: most rules are files of a language, and nothing is read of those.
        forms = rules_of(scenario.file(expectation.rule), choice) if named.suffix in KNOWN else []
        own = [msgspec.structs.replace(expectation, rule=str(named.parent / form.name)) for form in forms]
        if forms and forms[0].parent.name == named.name:
            own = [msgspec.structs.replace(expectation, rule=str(named / form.name)) for form in forms]
        first.append(own[0] if own else expectation)
        further += own[1:]
    if not any(Path(e.rule).suffix in KNOWN for e in scenario.body.expect):
        return scenario
    body = msgspec.structs.replace(scenario.body, expect=(*first, *further))
    return msgspec.structs.replace(scenario, body=body)


def converted_for(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> dict[str, str]:
    """How hosts have to be set up for a rule that was converted: for one of Sigma's as its pipelines assume."""
    own = find_published_rule(path, choice)
    return dict(own.conditions) if own is not None else {}


def upwards(start: Path, named: str) -> Path | None:
    """The file of that name in one of the folders above a file; nothing for a name that leads out of them."""
    # `..` is dropped, not followed: the name comes out of somebody's file.
    parts = [p for p in PurePosixPath(named).parts if p not in ("..", ".")]
    if not parts or PurePosixPath(named).is_absolute():
        return None
    candidates = (folder.joinpath(*parts) for folder in start.resolve().parents)
    return next((c for c in candidates if c.is_file()), None)


def of_security_content(
    path: Path, document: Document, attack_data: Path | None, choice: SigmaChoice
) -> Iterator[Scenario]:
    """A scenario for each test of a detection: its data sets have to raise an alert."""
    for number, test in enumerate(document.value["tests"] or ()):
        place = document.span(["tests", number])
        sets = [str(d.get("data", "")) for d in test.get("attack_data") or () if isinstance(d, dict)]
        if attack_data is None:
            help = "--attack-data FOLDER, a copy of splunk/attack_data"
            raise SourceError("no-attack-data", "the events of this test are not at hand", place, help=help)
        files = []
        for each in sets:
            found = data_set(attack_data, each)
            if found is None:
                raise SourceError("no-attack-data", f"{attack_data} does not hold {each}", place)
            files.append(found)
        title = f"{document.value.get('name')}: {test.get('name') or f'test {number + 1}'}"
        yield scenario(path, document, title, files, None, choice)


def data_set(folder: Path, address: str) -> Path | None:
    """The file of a data set's address in a copy of the repository; nothing for an address that leads out of it."""
    parts = PurePosixPath(address.partition("?")[0].rpartition(ROOT)[2]).parts
    if ".." in parts or "/" in parts or not parts:
        return None
    if DATASETS in parts:
        parts = parts[parts.index(DATASETS) :]
    # A copy of the whole repository, of its datasets, or single files.
    candidates = (folder.joinpath(*parts), folder.joinpath(*parts[1:]), folder / parts[-1])
    return next((c for c in candidates if c.is_file()), None)


def scenario(
    path: Path, document: Document, title: str, files: list[Path], at_least: int | None, choice: SigmaChoice
) -> Scenario:
    """Events that are all an attack's, and every language of a rule that has to see them."""
    own = rules_of(path, choice)
    if not own:
        raise HarnessError("no-rules", f"{path} holds no rule")
    techniques = [t for t in as_texts_tuple(technique(document.value)) if t]
    body = ScenarioBody(
        title=title,
        activity=Label.MALICIOUS,
        technique=techniques[0] if techniques else "",
        replay=tuple(Replay(path=str(f)) for f in files),
        expect=tuple(
            Expectation(
                rule=str(r), outcome=Outcome.TRUE_POSITIVE, at_least=at_least, conditions=converted_for(r, choice)
            )
            for r in own
        ),
    )
    return Scenario(path=path, body=body, document=document, found=(*files, *own))


def technique(content: Any) -> Any:
    """The technique of a security_content page."""
    tags = content.get("tags")
    return tags.get("mitre_attack_id") if isinstance(tags, dict) else content.get("mitre_attack_id")
