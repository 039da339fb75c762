"""What a person chose for a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.detection.engine import DEFAULT_PATIENCE
from harness.detection.language import Settings
from harness.record import record
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice
from harness.supervisor import Limits, default_memory

if TYPE_CHECKING:
    from harness.detection.lake import LakeTable
    from harness.telemetry.indexing.plain_text import Input

DEFAULT_LIMITS = Limits(seconds=DEFAULT_PATIENCE, memory=default_memory())


@record(kw_only=True)
class RunOptions:
    """Options of a whole run; they come before a scenario's own settings.

    `usual` are the project's conditions, which hold where neither a person nor a scenario says otherwise; of `sensors`,
    if given, simulated hosts have no others. `rules`, if given, are judged in place of those that scenarios name.
    `attack_data` is a folder with the data sets of security_content's tests. `plain` says what files of plain text are;
    without it they are no events. `sigma` says how Sigma rules are converted. `jobs` processes share the work, one for
    each processor unless given. `texts` are what an editor holds of rules, by their whole paths, in place of the files.
    `detailed` is whether verdicts carry what a page shows of them. Of all files only those are judged that a change in
    git since the commit `since` touches, and of these only every n-th from the i-th on by `shard` (i, n). A query reads
    the table `lake` where it names one, in place of files.
    """

    engine: str = "duckdb"
    dialect: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    usual: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    seed: int | None = None
    rules: tuple[Path, ...] = ()
    attack_data: Path | None = None
    plain: Input | None = None
    limits: Limits = DEFAULT_LIMITS
    sigma: SigmaChoice = DEFAULT_CHOICE
    jobs: int | None = None
    sensors: tuple[str, ...] = ()
    texts: Mapping[Path, str] = field(default_factory=dict)
    detailed: bool = False
    since: str | None = None
    shard: tuple[int, int] | None = None
    cache: Path | None = None
    lake: LakeTable | None = None
