"""Several runs as their JSON documents tell them: history, what changed between runs, coverage by technique."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError
from harness.record import record
from harness.report.json_document import VERSION
from harness.report.sentences import OUTCOME_WORDS
from harness.report.tally import GOOD_OUTCOMES, Share
from harness.scenario.scenario import Label, Outcome

# Chosen: a document of 100,000 verdicts has about 300 MB.
LARGEST_DOCUMENT = 1 << 30
MOST_RUNS_READ = 1_000


class ToldScenario(msgspec.Struct, frozen=True, kw_only=True):
    """What a document tells of a scenario."""

    path: str
    title: str
    technique: str = ""
    activity: Label = Label.MALICIOUS


class ToldRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a document tells of a rule."""

    path: str


class ToldVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a document tells of a verdict; what else it has is left unread."""

    scenario: ToldScenario
    rule: ToldRule
    observed: Outcome
    as_expected: bool
    conditions: dict[str, str] = {}
    switches: dict[str, str] = {}
    dialect: str = ""


class ToldSummary(msgspec.Struct, frozen=True, kw_only=True):
    """When a run was, and what could not be judged."""

    began: str = ""
    broken: int = 0
    seconds: float = 0.0


class RunDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document of the kind `run`."""

    document: str
    version: int
    verdicts: list[ToldVerdict]
    summary: ToldSummary = ToldSummary()
    detlab: str = ""
    engine: str = ""
    as_expected: bool = False


VerdictAddress = tuple[str, str, str]
"""What tells a verdict from others of its run: scenario, rule, and under what."""


@record(kw_only=True)
class PastRun:
    """One run of a history, by the name of its file."""

    name: str
    began: str
    told: RunDocument

    @property
    def verdicts(self) -> Mapping[VerdictAddress, ToldVerdict]:
        """The verdicts by their addresses."""
        return {address_of(v): v for v in self.told.verdicts}

    def share(self, activity: Label) -> Share:
        """Attacks seen, or benign software left alone."""
        own = [v for v in self.told.verdicts if v.scenario.activity is activity]
        return Share(good=sum(v.observed in GOOD_OUTCOMES for v in own), total=len(own))

    @property
    def differing(self) -> int:
        """How many verdicts are other than expected, or could not be had."""
        return sum(not v.as_expected for v in self.told.verdicts) + self.told.summary.broken


@record(kw_only=True)
class VerdictChange:
    """A verdict that is another one than in the run before; an empty word where it is new or gone."""

    title: str
    rule: str
    before: str
    after: str

    @property
    def worse(self) -> bool:
        """Whether a defender would rather have the one before."""
        good = [OUTCOME_WORDS[o] for o in GOOD_OUTCOMES]
        return self.before in good and self.after not in good


def address_of(verdict: ToldVerdict) -> VerdictAddress:
    """What tells a verdict from others of its run."""
    under = json.dumps([verdict.conditions, verdict.switches, verdict.dialect], sort_keys=True)
    return verdict.scenario.path, verdict.rule.path, under


def read_runs(folder: Path) -> list[PastRun]:
    """The runs whose documents lie in a folder, the oldest first.

    Raises HarnessError where there is none, or for a document that says it is a run and cannot be read.
    """
    if not folder.is_dir():
        raise HarnessError("no-runs", f"there is no folder {folder}", help="keep runs there: `detlab run --json`")
    paths = sorted(folder.glob("*.json"))[:MOST_RUNS_READ]
    runs = [run for path in paths if (run := read_run(path)) is not None]
    if not runs:
        hint = f"keep one: `detlab run --json > {folder / 'first.json'}`"
        raise HarnessError("no-runs", f"{folder} has no document of a run", help=hint)
    return sorted(runs, key=lambda run: (run.began, run.name))


def read_run(path: Path) -> PastRun | None:
    """The run in a file; None where the file is another document."""
    try:
        if path.stat().st_size > LARGEST_DOCUMENT:
            raise HarnessError("document-too-large", f"{path} is larger than {LARGEST_DOCUMENT >> 30} GiB")
        content = path.read_bytes()
        moment = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
    try:
        kind = msgspec.json.decode(content, type=dict[str, Any])
        if kind.get("document") != "run":
            return None
        told = msgspec.convert(kind, RunDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HarnessError("unreadable", f"{path} is no document of a run: {error}") from error
    if told.version != VERSION:
        raise HarnessError("unreadable", f"{path} has version {told.version} of the document, not {VERSION}")
    return PastRun(name=path.stem, began=told.summary.began or moment.strftime("%Y-%m-%dT%H:%M:%SZ"), told=told)


def list_run_changes(before: PastRun, after: PastRun) -> Iterator[VerdictChange]:
    """What is other in a run than in the one before, what got worse first."""
    old, new = before.verdicts, after.verdicts
    found = []
    for address in [*new, *(a for a in old if a not in new)]:
        words = [OUTCOME_WORDS[own[address].observed] if address in own else "" for own in (old, new)]
        if words[0] != words[1]:
            told = new.get(address) or old[address]
            name = Path(told.rule.path).name
            found.append(VerdictChange(title=told.scenario.title, rule=name, before=words[0], after=words[1]))
    yield from sorted(found, key=lambda c: (not c.worse, c.title, c.rule))


def share_by_technique(run: PastRun) -> dict[str, dict[str, Share]]:
    """For each technique and rule the attacks seen."""
    found: dict[str, dict[str, list[bool]]] = {}
    for verdict in run.told.verdicts:
        if verdict.scenario.activity is Label.MALICIOUS:
            rules = found.setdefault(verdict.scenario.technique or "no technique", {})
            seen = verdict.observed is Outcome.TRUE_POSITIVE
            rules.setdefault(Path(verdict.rule.path).name, []).append(seen)
    return {t: {r: Share(good=sum(s), total=len(s)) for r, s in rules.items()} for t, rules in sorted(found.items())}


def encode_history(runs: Sequence[PastRun]) -> dict[str, Any]:
    """The history for machines."""
    pairs = zip([None, *runs], runs, strict=False)
    return {
        "document": "history",
        "version": VERSION,
        "runs": [
            {
                "name": run.name,
                "began": run.began,
                "detlab": run.told.detlab,
                "engine": run.told.engine,
                "attacks_seen": run.share(Label.MALICIOUS).good,
                "attacks": run.share(Label.MALICIOUS).total,
                "benign_quiet": run.share(Label.BENIGN).good,
                "benign": run.share(Label.BENIGN).total,
                "differing": run.differing,
                "changes": [
                    {"title": c.title, "rule": c.rule, "before": c.before, "after": c.after, "worse": c.worse}
                    for c in (list_run_changes(before, run) if before else ())
                ],
            }
            for before, run in pairs
        ],
        "techniques": {
            technique: {rule: {"seen": s.good, "attacks": s.total} for rule, s in rules.items()}
            for technique, rules in share_by_technique(runs[-1]).items()
        },
    }
