"""Open the workbench: a page with a rule's text, its verdicts and funnel, its thresholds as sliders, its map."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli.options import PATH
from harness.cli.rule_options import add_choice
from harness.cli.screen import out
from harness.detection.engine import DEFAULT_ENGINE, DEFAULT_PATIENCE
from harness.diagnostics import HarnessError, UnreachableError
from harness.report.json_document import VERSION, dumps
from harness.run_options import RunOptions
from harness.scratch_folder import ScratchFolder
from harness.supervisor import LEAST_MEMORY

# Chosen, no source: somebody looks at the page meanwhile; 73 scenarios take seven.
SECONDS_FOR_RULES = 60.0
# A session that holds events, one that judges, one that studies.
CHILDREN_AT_ONCE = 3
OPENER = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={}"><title>detlab</title>'


@click.command("ui")
@click.argument("rule", type=PATH, required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Where to listen.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@add_choice
def command(rule: Path | None, port: int, no_browser: bool, chosen: RunOptions, as_json: bool) -> int:
    r"""Opens the rules of this folder in a page on this machine, RULE first, until Ctrl-C.

    The text is run as it is typed, on the scenarios that name the rule; its file is written when Save is pressed. The
    address that is printed holds the token that the page needs.

    \b
    detlab ui
    detlab ui server.spl --port 8400 --no-browser
    """
    project_rules = import_module("harness.workbench.project_rules")
    folder = project_rules.find_work_folder(Path.cwd())
    opened = find_opened(rule) if rule is not None else None
    served = import_workbench()
    with open_browser(wanted=not no_browser and not as_json) as show:
        served.run_workbench(
            folder, opened, port, bind_choice(chosen), lambda address: tell(address, folder.path, show, as_json=as_json)
        )
    return 0


def find_opened(rule: Path) -> Path:
    """The whole path of the rule that is opened first. Raises HarnessError where it is none."""
    languages = import_module("harness.detection.language").list_languages()
    if rule.suffix.lstrip(".").lower() not in languages:
        hint = f"name a file that ends in {' or '.join(f'.{name}' for name in languages)}"
        raise HarnessError("no-such-rule", f"{rule} is no rule that the workbench can edit", help=hint)
    if not rule.is_file():
        raise HarnessError("no-such-rule", f"there is no file {rule}")
    return rule.resolve()


def bind_choice(chosen: RunOptions) -> RunOptions:
    """The choice of a person within what children of a page may take, on the embedded engine."""
    if chosen.engine != DEFAULT_ENGINE:
        sys.stderr.write(f"note: the workbench runs rules on {DEFAULT_ENGINE}, not on {chosen.engine}\n")
    given = chosen.limits
    seconds = SECONDS_FOR_RULES if given.seconds == DEFAULT_PATIENCE else given.seconds
    memory = max(LEAST_MEMORY, given.memory // CHILDREN_AT_ONCE)
    return replace(chosen, engine=DEFAULT_ENGINE, limits=replace(given, seconds=seconds, memory=memory))


def import_workbench() -> Any:
    """The module that serves. Raises HarnessError with exit code 3 where its libraries are missing."""
    try:
        return import_module("harness.workbench.server")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("starlette", "uvicorn"):
            raise
        message = f"the workbench needs {error.name}, which is not installed"
        raise UnreachableError("needs-extra", message, help="pip install 'detlab[serve]'") from error


def tell(address: str, folder: Path, show: Any, *, as_json: bool) -> None:
    """Says where the workbench is, and opens it."""
    if as_json:
        out(dumps({"document": "ui", "version": VERSION, "address": address, "folder": str(folder)}))
    else:
        out(f"workbench {address}\nfolder    {folder}\nCtrl-C ends it")
    sys.stdout.flush()
    show(address)


@contextmanager
def open_browser(*, wanted: bool) -> Iterator[Any]:
    """Gives what opens an address in the person's browser, if that is wanted."""
    scratch = ScratchFolder("detlab-ui-") if wanted else None

    def show(address: str) -> None:
        if scratch is not None:
            # By a file of this person alone: other users of the machine see the arguments of a browser.
            page = scratch.path / "open.html"
            page.touch(mode=0o600)
            page.write_text(OPENER.format(escape(address)), "utf-8")
            with suppress(webbrowser.Error, OSError):
                webbrowser.open(page.as_uri())

    try:
        yield show
    finally:
        if scratch is not None:
            scratch.remove()
