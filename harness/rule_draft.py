"""A scenario to begin with for anybody's rule: events made from its plan, each draft run through the rule itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter

from harness.detection.language import Plan, Strictness, language
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.rule import Rule, read_rule
from harness.verdict.coverage import blank
from harness.verdict.draft.event_draft import EventDraft, draft_attacks, draft_twins
from harness.verdict.draft.event_lines import EVENT_SPELLINGS, EventLines

# Chosen: each is a run of the rule on a few events.
MOST_RUNS = 40
# Chosen, no source: as long as a person waits for a first answer; a rule of ten groupings takes seconds a run.
SECONDS_FOR_DRAFTS = 60.0
MOST_WORDS = 500
RULE_WORD = late_pattern(r"[#@]?[A-Za-z_][\w.]*(?:\[\d*\][\w.]*)*")
Spelling = Callable[[EventDraft], EventLines | None]


@record(kw_only=True)
class RuleDraft:
    """Events that a rule alerts on, those of a twin that it is quiet about, and the conditions that both need.

    `differs` is the field in which the twin differs, or `count`; without `benign` no twin was found. `fields` are those
    that the rule reads, `kinds` what tells which events it is about.
    """

    rule: Rule
    attack: str
    benign: str
    differs: str
    conditions: Mapping[str, str]
    fields: tuple[str, ...]
    kinds: Mapping[str, str]


@record(kw_only=True)
class DraftRuns:
    """Runs of a rule on drafts, which are written to a scratch folder."""

    path: Path
    options: RunOptions
    folder: Path

    def count_rows(self, lines: EventLines) -> int:
        """How many rows the rule has on these events."""
        events = self.folder / "draft.ndjson"
        events.write_text(lines.text, encoding="utf-8")
        # A bench of its own for each, since the names of inputs differ.
        with Bench(replace(self.options, usual={**self.options.usual, **lines.conditions})) as bench, bench.unit():
            return bench.count_rows(self.path, [events])

    def find_twin(self, attack: EventDraft, spell: Spelling, conditions: Mapping[str, str]) -> tuple[str, str]:
        """The lines of a twin that the rule is quiet about and in what it differs; empty where there is none."""
        for twin in draft_twins(attack):
            lines = spell(twin)
            if lines is not None and not self.count_rows(EventLines(text=lines.text, conditions=conditions)):
                return lines.text, twin.differs
        return "", ""


def draft_for_rule(path: Path, options: RunOptions, folder: Path) -> RuleDraft:
    """Events for a rule. Raises HarnessError where none makes it alert, or where it cannot be run at all."""
    rule = read_rule(path, choice=options.sigma)
    runs = DraftRuns(path=path, options=options, folder=folder)
    plan, fields = plan_over_own_fields(path, rule, options)
    spellings = EVENT_SPELLINGS[language(rule.language).platform]
    tried, began = 0, perf_counter()
    for draft, spell, lines in islice(list_lines(plan, fields, spellings), MOST_RUNS):
        if tried and perf_counter() - began > SECONDS_FOR_DRAFTS:
            break
        tried += 1
        if runs.count_rows(lines):
            benign, differs = runs.find_twin(draft, spell, lines.conditions)
            return RuleDraft(
                rule=rule,
                attack=lines.text,
                benign=benign,
                differs=differs,
                conditions=lines.conditions,
                fields=fields,
                kinds={n: t for n, t in draft.rows[0].items() if n.lstrip("#") in ("EventCode", "event_simpleName")},
            )
    raise build_no_draft_error(rule, plan, tried)


def build_no_draft_error(rule: Rule, plan: Plan, tried: int) -> HarnessError:
    """Why there are no events for a rule, and what to do instead."""
    why = f"{tried} drafts were run" if tried else "its text holds no condition that events could be made from"
    said = f"no events could be made that {rule.name} alerts on: {why}"
    open_ones = [f.span.text.strip("?{}") for f in plan.findings if f.code == "parameter-without-value"]
    hint = "write a scenario: `detlab new scenario --help`; or see what it finds: `detlab query RULE --events PATH`"
    if open_ones:
        hint = f"say what it is run with: --param {open_ones[0]}=VALUE"
    return HarnessError("no-draft", said, help=hint)


def list_lines(
    plan: Plan, fields: tuple[str, ...], spellings: tuple[Spelling, ...]
) -> Iterator[tuple[EventDraft, Spelling, EventLines]]:
    """Each draft in each look that it can have."""
    for draft in draft_attacks(plan.node, fields):
        for spell in spellings:
            lines = spell(draft) if draft.rows else None
            if lines is not None:
                yield draft, spell, lines


def plan_over_own_fields(path: Path, rule: Rule, options: RunOptions) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a rule over the fields that it reads, as text, and their names."""
    with Bench(options) as bench, bench.unit():
        settings = bench.settings(path)
        query = language(rule.language).parse(rule.query, Strictness(options.dialect or Strictness.LENIENT), settings)
        bare = query.plan({}, settings)
        # Some languages read a field that no event has as nothing: then every word of the text may be one.
        reads = bare.reads or frozenset(islice(dict.fromkeys(RULE_WORD.findall(rule.query.text)), MOST_WORDS))
        columns = bench.engine.load([blank(replace(bare, reads=reads))])
        plan = query.plan(columns, replace(settings, ask=bench.engine.run))
        return plan, tuple(sorted(bare.reads or plan.reads))
