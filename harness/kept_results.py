"""Results of a run before, found again by a digest of all that they follow from.

A result is kept for a part of a scenario, an expectation or a signal. What it follows from: what the scenario does, the
Python of its behaviours, its atomics and recordings byte for byte; the rule and its page as they are read, what they
refer to, how rules are read, conditions, switches, sensors, seed, engine; and the program itself, with its libraries,
whose digest is the folder. What cannot be told so (another engine than the embedded one, a value of which nobody knows
the content) is judged anew. A behaviour that reads the clock or a file of its own cannot be told either, so nobody gets
kept results without asking for them.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from harness import __version__
from harness.chosen_rules import RuleSetting
from harness.detection.engine import DEFAULT_ENGINE
from harness.diagnostics import HarnessError, Source
from harness.kept_files import (
    PACKAGE,
    digest_texts,
    find_cache_folder,
    is_own_folder,
    read_kept_file,
    remove_oldest,
    write_kept_file,
)
from harness.run_options import RunOptions
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Expectation, Scenario
from harness.telemetry.scenario_telemetry import find_atomics_folder, find_attack
from harness.value_digest import UndigestedError, ValueDigest, digest_files
from harness.verdict.kept_verdicts import VERDICT_FIELDS, VISIBILITY_FIELDS, decode_kept, encode_kept
from harness.verdict.verdict import Verdict, Visibility

KIND = "verdicts"
# The pack in the wheel is content: what of it counts is digested with the scenario that uses it.
NOT_PROGRAM = ("__pycache__", "bundled")


Part = tuple[int, str, int]
"""The number of a scenario, and an expectation or a signal of it."""


def find_verdict_folder() -> Path:
    """Where results of this very program are kept."""
    return find_cache_folder(KIND, digest_program())


@cache
def digest_program() -> str:
    """The program by its bytes, since a new checkout has other times; libraries by their versions, Python, machine."""
    libraries = sorted({n for place in map(Path, sys.path) if place.is_dir() for n in list_installed(place)})
    own = digest_files(PACKAGE, lambda name: name in NOT_PROGRAM)
    return digest_texts(__version__, own, sys.version, platform.machine(), sys.platform, *libraries)[:24]


def list_installed(place: Path) -> list[str]:
    """What is installed in a folder of packages, each with its version."""
    return [name for name in os.listdir(place) if name.endswith((".dist-info", ".egg-info"))]


class KeptResults:
    """The results of one run: those of runs before, and which part of the run each new one is of."""

    def __init__(self, options: RunOptions) -> None:
        """Without a folder nothing is looked for or kept; a product may answer otherwise tomorrow."""
        wanted = options.cache if options.engine == DEFAULT_ENGINE else None
        self.options = options
        self.folder = wanted if wanted is not None and is_own_folder(wanted) else None
        self.keys: dict[Part, str] = {}
        self.files: Callable[[Path], str] = cache(partial(digest_files, leave_out=lambda name: name == "__pycache__"))
        self.contents: dict[tuple[Path, tuple[tuple[str, str], ...]], str] = {}

    def find(
        self, at: int, scenario: Scenario, mean: Callable[[Expectation], RuleSetting]
    ) -> dict[tuple[str, int], Verdict | Visibility]:
        """What is known of a scenario, the run's number `at`, by the kind and number of its parts."""
        if self.folder is None:
            return {}
        found: dict[tuple[str, int], Verdict | Visibility] = {}
        try:
            recorded = self.digest_recording(scenario)
        # What is wrong with it is told where it is judged.
        except (HarnessError, OSError, UndigestedError):
            return {}
        for number, signal in enumerate(scenario.body.telemetry):
            self.keys[at, "telemetry", number] = ValueDigest().add(recorded, signal).text()
            values = self.read((at, "telemetry", number), VISIBILITY_FIELDS, ())
            if values is not None:
                found["telemetry", number] = Visibility(scenario=scenario, signal=signal, **values, cached=True)
        for number, expectation in enumerate(scenario.body.expect):
            verdict = self.find_verdict((at, "expect", number), recorded, scenario, expectation, mean)
            if verdict is not None:
                found["expect", number] = verdict
        return found

    def find_verdict(
        self,
        part: Part,
        recorded: str,
        scenario: Scenario,
        expectation: Expectation,
        mean: Callable[[Expectation], RuleSetting],
    ) -> Verdict | None:
        """The verdict on one expectation."""
        try:
            meant = mean(expectation)
            key = ValueDigest().add(recorded, expectation, meant.rule, meant.dialect, meant.conditions)
            key.add(self.digest_settings(meant), self.options.detailed)
        except (HarnessError, OSError, UndigestedError):
            return None
        self.keys[part] = key.text()
        values = self.read(part, VERDICT_FIELDS, (meant.rule.query,))
        given: dict[str, Any] = {"scenario": scenario, "rule": meant.rule, "expectation": expectation, "cached": True}
        return Verdict(**given, **values) if values is not None else None

    def digest_recording(self, scenario: Scenario) -> str:
        """What a scenario's telemetry and the label of its events follow from."""
        body, options = msgspec.structs.replace(scenario.body, expect=(), telemetry=()), self.options
        found = ValueDigest().add(str(scenario.path), body, options.seed, options.sensors, options.plain)
        found.add(options.usual, options.conditions)
        if body.simulate:
            found.add([self.files(folder) for folder in behaviour_folders(scenario.path)])
            attacks = [find_attack(scenario, number) for number in range(len(body.simulate))]
            found.add(attacks)
            if any(attacks):
                found.add(self.files(find_atomics_folder(scenario.path)))
        replayed = [scenario.file(each.path) for each in body.replay]
        return found.add([(path, self.files(path)) for path in replayed]).text()

    def digest_settings(self, meant: RuleSetting) -> str:
        """What a rule refers to; the same for all rules of a folder with the same switches."""
        settings = meant.settings
        folder = (meant.rule.path.parent, tuple(sorted(settings.switches.items())))
        if folder not in self.contents:
            hint = settings.find_hint.__qualname__ if settings.find_hint else ""
            self.contents[folder] = ValueDigest().add(settings, hint).text()
        return self.contents[folder]

    def read(self, part: Part, names: Sequence[str], texts: Sequence[Source]) -> dict[str, Any] | None:
        """The values that are kept for a part."""
        assert self.folder is not None
        body = read_kept_file(self.folder / f"{self.keys[part]}.json")
        return None if body is None else decode_kept(body, names, texts)

    def keep(self, part: Part, result: Verdict | Visibility) -> None:
        """Keeps a result of which it is known what it follows from."""
        if self.folder is not None and part in self.keys and not result.cached:
            texts = (result.rule.query,) if isinstance(result, Verdict) else ()
            body = encode_kept(result, texts)
            if body is not None:
                write_kept_file(self.folder / f"{self.keys[part]}.json", body)

    def bound(self) -> None:
        """Removes what was not used for longest."""
        if self.folder is not None:
            remove_oldest(self.folder)
