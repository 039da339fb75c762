"""Atomic Red Team's tests: list them, show one with its arguments filled in, check files, run one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from harness.cli import lab_plan, options
from harness.cli.commands.detonate import command as detonate_command
from harness.cli.screen import DIFFERS, out, show_failure
from harness.diagnostics import Finding, HarnessError, explain_failure
from harness.report.console import escape_controls
from harness.report.json_document import dumps
from harness.scenario.atomic import Atomic, read_each_atomic
from harness.scenario.atomic_command import ATOMICS_FOLDER, Rendered, render_atomic
from harness.scenario.atomic_library import Library
from harness.scenario.atomic_warnings import list_atomic_warnings, list_cosmetics


@click.group("atomics")
def command() -> None:
    r"""Atomic Red Team's tests, read unchanged.

    \b
    detlab atomics list --atomics ~/atomic-red-team/atomics
    detlab atomics show T1583.004-1 --set port=8080
    """


@command.command("list")
@click.argument("technique", default="")
@lab_plan.atomics
@click.option("--platform", default="windows", show_default=True, help="`all` for every one.")
@options.json_option
def list_command(technique: str, atomics: tuple[Path, ...], platform: str, as_json: bool) -> int:
    """Lists the tests of TECHNIQUE, or all."""
    library = lab_plan.open_library(atomics)
    read = library.numbered(technique.upper(), None) if technique else tuple(library.read_each())
    errors = [each for each in read if isinstance(each, HarnessError)]
    found = tuple(each for each in read if isinstance(each, Atomic))
    found = tuple(a for a in found if platform in ("all", *a.test.supported_platforms))
    out(
        dumps(
            {
                "document": "atomics",
                "version": 1,
                "tests": [encode_atomic(a) for a in found],
                "errors": [e.as_json() for e in errors],
            }
        )
        if as_json
        else [format_atomic_row(a) for a in found]
    )
    for error in () if as_json else errors:
        show_failure(error, as_json=False)
    for cosmetic in () if as_json else (w for a in found for w in list_cosmetics(a)):
        click.echo(escape_controls(cosmetic.render()), err=True)
    return max((error.exit_code for error in errors), default=0)


@command.command("show")
@click.argument("address")
@lab_plan.atomics
@lab_plan.arguments
@options.json_option
def show_command(
    address: str, atomics: tuple[Path, ...], given: Mapping[str, str], raw: tuple[str, ...], as_json: bool
) -> int:
    """Shows every command of a test with its arguments filled in; runs nothing."""
    # "none" stands for the run's name: nothing is run.
    tests = lab_plan.render_tests(
        lab_plan.tests_at(lab_plan.open_library(atomics), [address]), given, "none", folder=ATOMICS_FOLDER, raw=raw
    )
    if as_json:
        out(
            dumps(
                {
                    "document": "atomics",
                    "version": 1,
                    "tests": [{**encode_atomic(t.atomic), **encode_commands(t)} for t in tests],
                }
            )
        )
    else:
        out([escape_controls(line) for test in tests for line in format_atomic(test)])
    return 0


@command.command("check")
@click.argument("paths", nargs=-1, type=options.PATH)
@options.json_option
def check_command(paths: tuple[Path, ...], as_json: bool) -> int:
    """Reads files or libraries and renders every test; what cannot run, or not as it looks, is told with its line."""
    tests, errors, warnings = 0, list[HarnessError](), list[Finding]()
    for file in (f for path in paths or (Path("scenarios"),) for f in files_in(path)):
        for each in check_file(file):
            if isinstance(each, HarnessError):
                errors.append(each)
            else:
                tests += 1
                warnings += list_atomic_warnings(each)
    if as_json:
        told = {"errors": [e.as_json() for e in errors], "warnings": [w.as_json() for w in warnings]}
        out(dumps({"document": "atomics", "version": 1, "checked": tests, **told}))
    else:
        counts = f"{tests} tests are as they should be, {len(errors)} are not; warnings: {len(warnings)}"
        lines = [*(e.render() for e in errors), *(w.render() for w in warnings)]
        out([*map(escape_controls, lines), counts])
    return DIFFERS if errors else 0


def check_file(file: Path) -> Iterator[Atomic | HarnessError]:
    """Each test of a file, or what is wrong with it or with its arguments."""
    try:
        found = read_each_atomic(file)
    except Exception as error:
        yield explain_failure(error)
        return
    for each in found:
        try:
            if isinstance(each, Atomic):
                render_atomic(each)
            yield each
        except HarnessError as error:
            yield error


command.add_command(detonate_command, "run")


def files_in(path: Path) -> list[Path]:
    """The files of a library, or the file itself; a folder that is no library is taken file by file."""
    if not path.is_dir():
        return [path]
    try:
        return list(Library((path,)).files())
    except HarnessError:
        # A folder with atomics of one's own need not be laid out as the library is.
        return sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml"))


def format_atomic_row(atomic: Atomic) -> str:
    """One test in a list."""
    elevated = " elevated" if atomic.test.executor.elevation_required else ""
    return escape_controls(
        f"{atomic.name:<15} {atomic.guid:<36} {atomic.test.executor.name}{elevated}  {atomic.test.name}"
    )


def encode_atomic(atomic: Atomic) -> dict[str, object]:
    """One test for machines."""
    executor = atomic.test.executor
    return {
        "address": atomic.name,
        "guid": atomic.guid,
        "name": atomic.test.name,
        "executor": str(executor.name),
        "elevation_required": executor.elevation_required,
        "supported_platforms": [str(p) for p in atomic.test.supported_platforms],
        "arguments": {n: a.default for n, a in atomic.test.input_arguments.items()},
    }


def encode_commands(rendered: Rendered) -> dict[str, object]:
    """The commands of a test for machines."""
    found = [{"what": what, "executor": str(c.shell), "text": c.text} for what, c in rendered.commands()]
    return {"commands": found, "steps": rendered.steps, "values": dict(rendered.arguments)}


def format_atomic(rendered: Rendered) -> list[str]:
    """A test for people."""
    test = rendered.atomic.test
    lines = [f"{rendered.atomic.name} {test.name}", "", test.description.rstrip(), ""]
    for name, argument in test.input_arguments.items():
        lines.append(f"  {name} ({argument.type}) = {rendered.arguments[name]}   {argument.description.strip()}")
    for prerequisite in rendered.prerequisites:
        lines += ["", f"needs: {prerequisite.description}"]
    for what, found in rendered.commands():
        lines += ["", f"{what} ({found.shell}):", *(f"    {text}" for text in found.text.rstrip().splitlines())]
    if rendered.steps:
        lines += ["", "by hand:", *(f"    {text}" for text in rendered.steps.rstrip().splitlines())]
    return [*lines, ""]
