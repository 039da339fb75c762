"""Rules under what a person chose for a whole run: read once, over the content that lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from msgspec.structs import replace as replace_struct

from harness.detection.content import Content
from harness.detection.content import read_content_beside as content_beside
from harness.detection.language import Settings, Strictness
from harness.diagnostics import Source
from harness.record import record
from harness.run_options import RunOptions
from harness.scenario.foreign_tests import converted_for
from harness.scenario.rule import Rule, read_rule
from harness.scenario.scenario import Expectation, Scenario


@record(kw_only=True)
class RuleSetting:
    """A rule in a scenario: how it is read, the conditions that hold, what it refers to and its switches."""

    rule: Rule
    dialect: Strictness
    conditions: Mapping[str, str]
    settings: Settings


class ChosenRules:
    """The rules of a run by their paths."""

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.rules: dict[Path, Rule] = {}
        self.contents: dict[Path, Content] = {}

    def setting_of(self, scenario: Scenario, expectation: Expectation) -> RuleSetting:
        """The rule of an expectation under the conditions and switches that hold for it."""
        switches = {**expectation.switches, **self.options.switches}
        given = Path(expectation.rule)
        # A rule that a person brings may lie anywhere, one that a scenario names only beside it.
        path = given if given in self.options.rules else scenario.file(expectation.rule)
        conditions = {**scenario.body.conditions, **expectation.conditions, **self.conditions(path)}
        return self.setting(path, expectation.dialect, conditions, switches)

    def setting(
        self, path: Path, dialect: str, conditions: Mapping[str, str], switches: Mapping[str, str]
    ) -> RuleSetting:
        """A rule, read once, over what the run and the settings beside it say."""
        if path not in self.rules:
            self.rules[path] = self.read(path)
        settings = replace(self.settings(path), switches=switches)
        return RuleSetting(
            rule=self.rules[path],
            dialect=Strictness(self.options.dialect or dialect),
            conditions={**self.contents[path.parent].inputs, **self.options.usual, **conditions},
            settings=settings,
        )

    def read(self, path: Path) -> Rule:
        """A rule with its page; its text is that of an editor, if one holds it."""
        rule = read_rule(path, choice=self.options.sigma)
        text = self.options.texts.get(path.resolve()) if self.options.texts else None
        return rule if text is None else replace_struct(rule, query=Source(rule.query.name, text))

    def conditions(self, path: Path) -> Mapping[str, str]:
        """How the platform is set up for one rule: as it was converted for, unless something else was chosen."""
        # Sigma's back ends write rules for a source and names of fields of their own.
        return {**converted_for(path, self.options.sigma), **self.options.conditions}

    def settings(self, path: Path) -> Settings:
        """The settings of a rule: those of the run over the content beside the rule."""
        folder = path.parent
        if folder not in self.contents:
            self.contents[folder] = content_beside(path)
        return self.contents[folder].settings(self.options.settings)
