"""Begin a project: settings, an attack and a benign twin for a rule, and what runs them at each push."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import click
from click.core import ParameterSource

from harness.cli import options
from harness.cli.commands.config import PAIRS
from harness.cli.commands.run import choose_exit_code
from harness.cli.macro_stubs import STUB_FILE, UNKNOWN_MACRO, list_missing_macros, write_macro_stubs
from harness.cli.options import PATH
from harness.cli.project_files import (
    CHECKS,
    PlannedFile,
    build_check_file,
    build_file_slug,
    build_readme_file,
    build_replay_scenario,
    build_schema_files,
    build_settings_file,
    write_project_files,
)
from harness.cli.rule_options import add_choice
from harness.cli.screen import out, paper
from harness.cli.sigma_options import expand_rule
from harness.detection.language import list_languages
from harness.detection.project_content import PATH_KEYS
from harness.diagnostics import HarnessError, SourceError, Span
from harness.late_pattern import late_pattern
from harness.report.console import format_count
from harness.report.formats.terminal import Terminal
from harness.report.json_document import VERSION, dumps
from harness.report.report import Report
from harness.rule_draft import RuleDraft, draft_for_rule
from harness.run import Bench, run_scenarios
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import KNOWN
from harness.scenario.pack import DEFAULT, behaviour_folders
from harness.scenario.project import SETTINGS_FILE
from harness.verdict.verdict import Outcomes

RULES = Path("rules")
TECHNIQUE = late_pattern(r"T\d{4}(?:\.\d{3})?")
REMARK = """\
Made by `detlab init` from the rule's own text: these events show that the rule can alert, and guard it against changes.
Put a recording (`replay:`) or a behaviour (`simulate:`) in their place to learn whether it sees an attack."""


@click.command("init")
@click.argument("rule", type=PATH, required=False)
@click.option("--ci", "checks", type=click.Choice([*CHECKS, "none"]), default="github", show_default=True,
              help="Whose file runs the scenarios at each push.")  # fmt: skip
@click.option("--force", is_flag=True, help="Write over files that are there already.")
@add_choice
def command(rule: Path | None, checks: str, force: bool, chosen: RunOptions, as_json: bool) -> int:
    r"""Begins a project in this folder: detlab.yaml, schemas for editors, a scenario for RULE, and a file for CI.

    RULE is SPL, CQL, Sigma or a detection of security_content. Language, fields and kinds of events are read from it;
    events that it alerts on and a benign twin that it is quiet about are made from its plan and run through it. Where
    none can be made that is said, with exit code 2, and the rest is written all the same.

    \b
    detlab init my_rule.spl
    detlab init detection.yml --macros macros.conf --ci gitlab
    """
    code = options.in_child(chosen.limits, engine=chosen.engine, whole=False)
    if code is not None:
        return code
    refuse_present_settings(force=force)
    files = [] if checks == "none" else [build_check_file(checks)]
    drafted: RuleDraft | None = None
    refusal: HarnessError | None = None
    settings = take_content_in(force=force) | take_choices_in()
    if rule is not None:
        rule = bring_rule_in(rule, force=force)
        drafted, refusal = draft_first_form(rule, chosen)
        if isinstance(refusal, SourceError) and refusal.code == UNKNOWN_MACRO:
            refusal = leave_stubs(rule, refusal.span, chosen) or refusal
    settings = name_stub_file(settings)
    scenarios = build_scenarios(drafted) if drafted is not None else []
    settings = add_to_present(settings | describe_inputs(drafted))
    schemas = import_module("harness.telemetry.document_schemas")
    behaviours = behaviour_folders(DEFAULT / "any.yaml")
    editor = build_schema_files({name: schemas.build_schema(name, behaviours) for name in ("scenario", "settings")})
    planned = [build_settings_file(settings), *scenarios, *editor, *files]
    write_project_files(planned, force=force)
    readme = build_readme_file()
    if readme is not None:
        # A line is added to what is there, which is no writing over.
        write_project_files([readme], force=True)
    stubs = [str(STUB_FILE)] if refusal is not None and refusal.code == UNKNOWN_MACRO else []
    written = [*(str(each.path) for each in planned), *stubs, "README.md"]
    outcomes = judge_written(scenarios, chosen)
    return tell_project(written, drafted, refusal, outcomes, as_json=as_json)


def draft_first_form(rule: Path, chosen: RunOptions) -> tuple[RuleDraft | None, HarnessError | None]:
    """Events for the first form of a rule for which some can be made, or why there are none."""
    refusal: HarnessError | None = None
    try:
        for form in expand_rule(rule, chosen.sigma):
            try:
                with TemporaryDirectory(prefix="detlab-") as scratch:
                    return draft_for_rule(form, chosen, Path(scratch)), None
            except HarnessError as error:
                refusal = refusal or error
    # A Sigma rule of which no converter makes anything.
    except HarnessError as error:
        refusal = error
    return None, refusal


def leave_stubs(rule: Path, at: Span, chosen: RunOptions) -> HarnessError | None:
    """Stubs for the macros that a rule calls in vain, and what to do now; None where it calls none."""
    missing = {name: None for form in expand_rule(rule, chosen.sigma) for name in list_missing(form, chosen)}
    return write_macro_stubs(rule, list(missing), at) if missing else None


def list_missing(form: Path, chosen: RunOptions) -> list[str]:
    """The macros that one form of a rule calls in vain."""
    with Bench(chosen) as bench:
        return list(list_missing_macros(form, chosen, bench.settings(form)))


def name_stub_file(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the file of stubs among the macros, where it is there: one filled in counts too."""
    given = settings.get("macros", [])
    named = [given] if isinstance(given, str) else list(given)
    if not STUB_FILE.is_file() or STUB_FILE.as_posix() in named:
        return settings
    whole = [*named, STUB_FILE.as_posix()]
    return {**settings, "macros": whole[0] if len(whole) == 1 else whole}


def refuse_present_settings(*, force: bool) -> None:
    """Raises HarnessError before any work where a project is there already."""
    if Path(SETTINGS_FILE).exists() and not force:
        raise HarnessError("exists", f"{SETTINGS_FILE} is there already", help="add --force to write over it")


def bring_rule_in(rule: Path, *, force: bool) -> Path:
    """The rule as a file of the project: one from elsewhere is copied, one without a language for a suffix gets it."""
    if not rule.is_file():
        raise HarnessError("no-such-rule", f"there is no file {rule}", help="name a file with a rule")
    here = Path.cwd().resolve()
    suffix = rule.suffix.lstrip(".").lower()
    known = suffix in list_languages() or rule.suffix in KNOWN
    if known and rule.resolve().is_relative_to(here):
        return rule.resolve().relative_to(here)
    name = rule.name
    if not known:
        guess = import_module("harness.detection.language_guess").guess_language
        name = f"{rule.stem}.{guess(rule.read_text('utf-8', 'replace'))}"
    target = RULES / name
    if target.exists() and not force:
        raise HarnessError("exists", f"{target} is there already", help="add --force to write over it")
    target.parent.mkdir(exist_ok=True)
    copyfile(rule, target)
    return target


def take_content_in(*, force: bool) -> dict[str, Any]:
    """Macros, lookups and the like of the command line as keys of the settings; files from elsewhere are copied."""
    found: dict[str, Any] = {}
    here = Path.cwd().resolve()
    for key in PATH_KEYS:
        paths: Sequence[Path] = click.get_current_context().params.get(key) or ()
        names = []
        for path in paths:
            inside = path.resolve()
            if not inside.is_relative_to(here):
                if path.is_dir():
                    hint = "copy it into this folder, and name it there"
                    raise HarnessError("outside", f"--{key} {path} is a folder outside of the project", help=hint)
                target = Path("content") / path.name
                if target.exists() and not force:
                    raise HarnessError("exists", f"{target} is there already", help="add --force to write over it")
                target.parent.mkdir(exist_ok=True)
                copyfile(path, target)
                inside = target.resolve()
            names.append(inside.relative_to(here).as_posix())
        if names:
            found[key] = names[0] if len(names) == 1 else names
    return found


def take_choices_in() -> dict[str, Any]:
    """What else the command line says of rules, as keys of the settings: a run without these options is the same."""
    context = click.get_current_context()
    given = {n for n in context.params if context.get_parameter_source(n) is ParameterSource.COMMANDLINE}
    found: dict[str, Any] = {key: dict(context.params[option]) for option, key in PAIRS.items() if option in given}
    return found | {name: context.params[name] for name in ("dialect", "zone") if name in given}


def add_to_present(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings over those that the project had before, if --force was said of one."""
    place = Path(SETTINGS_FILE)
    project = import_module("harness.scenario.settings").read_project(place) if place.is_file() else None
    present: dict[str, Any] = (project.document.value if project is not None else None) or {}
    for key, value in settings.items():
        before = present.get(key)
        present = {
            **present,
            key: {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value,
        }
    return present


def describe_inputs(drafted: RuleDraft | None) -> dict[str, Any]:
    """Names of inputs that a rule asks for, as keys of the settings."""
    found: dict[str, Any] = {}
    for name, value in (drafted.conditions if drafted else {}).items():
        key, colon, owner = name.partition(":")
        if colon:
            found.setdefault("inputs", {}).setdefault(owner, {})[key] = value
        else:
            found[key] = value
    return found


def build_scenarios(drafted: RuleDraft) -> list[PlannedFile]:
    """The scenarios of a rule and the events that they replay."""
    page, rule = drafted.rule.page, drafted.rule.path
    folder = DEFAULT / build_file_slug(rule.name.partition(".")[0])
    technique = TECHNIQUE.match(page.technique or "")
    shared = {"technique": technique[0] if technique else "", "rule": rule.as_posix()}
    attack = build_replay_scenario(
        folder / "attack.yaml", title=f"{page.title}: what it alerts on", activity="malicious", events="attack.ndjson",
        outcome="true positive", comment=REMARK, **shared,
    )  # fmt: skip
    files = [attack, PlannedFile(path=folder / "attack.ndjson", text=drafted.attack)]
    if drafted.benign:
        differs = "one event is too few" if drafted.differs == "count" else f"it differs in `{drafted.differs}`"
        benign = build_replay_scenario(
            folder / "benign.yaml", title=f"{page.title}: a benign twin", activity="benign", events="benign.ndjson",
            outcome="true negative", comment=f"The twin of the attack: {differs}.", **shared,
        )  # fmt: skip
        files += [benign, PlannedFile(path=folder / "benign.ndjson", text=drafted.benign)]
    return files


def judge_written(files: Sequence[PlannedFile], chosen: RunOptions) -> Outcomes | None:
    """What `detlab run` says of the scenarios that were written; None where there are none."""
    paths = [each.path for each in files if each.path.suffix == ".yaml"]
    if not paths:
        return None
    choice = import_module("harness.project_choice")
    limits = replace(chosen.limits, isolated=False)
    # By the files alone, as the next `detlab run` does.
    own = RunOptions(engine=chosen.engine, sigma=chosen.sigma, jobs=1, limits=limits)
    return run_scenarios(paths, choice.apply_project(own, choice.read_checked_project(Path(SETTINGS_FILE))))


def tell_project(
    written: Sequence[str],
    drafted: RuleDraft | None,
    refusal: HarnessError | None,
    outcomes: Outcomes | None,
    *,
    as_json: bool,
) -> int:
    """Prints what was written and what the rule says; the exit code."""
    code = refusal.exit_code if refusal else choose_exit_code(outcomes) if outcomes else 0
    if as_json:
        language = drafted.rule.language if drafted else None
        document = {"document": "init", "version": VERSION, "written": list(written), "language": language}
        fields = {"fields": list(drafted.fields), "events": dict(drafted.kinds)} if drafted else {}
        verdicts = (
            {"as_expected": outcomes.as_expected, "benign_twin": bool(drafted and drafted.benign)} if outcomes else {}
        )
        out(dumps({**document, **fields, **verdicts, "error": refusal.as_json() if refusal else None}))
        return code
    out([f"wrote {name}" for name in written])
    if drafted is not None and outcomes is not None:
        kinds = ", ".join(f"{name}={text}" for name, text in drafted.kinds.items())
        said = f"{drafted.rule.language.upper()}, {format_count(len(drafted.fields), 'field')}" + (
            f"; {kinds}" if kinds else ""
        )
        out(["", said, *Terminal(paper=paper()).lines(Report(outcomes=outcomes, engine="duckdb"))])
        if not drafted.benign:
            out("no benign twin was found: whatever was changed, the rule still alerts; write one by hand")
    if refusal is not None:
        raise refusal
    return code
