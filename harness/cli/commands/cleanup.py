"""Do the clean-ups that runs on lab hosts still owe, and list those that cannot be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import lab_plan, options
from harness.cli.screen import DIFFERS, INTERRUPTED, out
from harness.diagnostics import HarnessError, did_you_mean
from harness.report.json_document import dumps
from harness.telemetry.lab.cleanup import CleanUp, accept, clean_hosts
from harness.telemetry.lab.host_record import (
    HostRecord,
    accept_host,
    describe_no_journal,
    list_recorded_hosts,
    read_host_record,
)
from harness.telemetry.lab.inventory import Inventory
from harness.telemetry.lab.journal import journals_folder, state_folder
from harness.telemetry.lab.owed_cleanup import Owed
from harness.telemetry.lab.remote import connect
from harness.telemetry.lab.secret import count_secrets, redact_secrets, redacted_data
from harness.telemetry.lab.state_note import find_other_state, write_state_note

if TYPE_CHECKING:
    from harness.cli.product_cleanup import ProductCleanUp


@click.command("cleanup")
@click.option("--host", default="", metavar="NAME", help="Only this host.")
@lab_plan.inventory
@click.option("--list", "only_list", is_flag=True, help="Only show what is owed.")
@click.option(
    "--accept", "accepted", default="", metavar="HOST|RUN[/TEST]", help="The host was cleaned by hand, or restored."
)
@options.json_option
def command(host: str, inventory: Path, only_list: bool, accepted: str, as_json: bool) -> int:
    r"""Does exactly what is owed: every test that was started and not cleaned, whatever ended its run.

    What a run made on a real Splunk or LogScale and could not take away is removed too.

    A host whose journals are damaged, missing or elsewhere is not known: it is listed, and nothing is detonated there
    until somebody has looked at it and says so with --accept HOST.

    \b
    detlab cleanup
    detlab cleanup --list
    detlab cleanup --accept win10
    """
    survey = take_survey(state_folder(), inventory, host)
    if accepted:
        return accept_by_name(survey, inventory, accepted)
    code = 0
    if only_list:
        survey.results += [refuse(item, item.last or "not tried yet") for r in survey.records for item in r.owed]
    elif any(record.owed for record in survey.records):
        code = do_cleanups(survey, host)
    if not host:
        # Imported by name: products have nothing to do with lab hosts.
        products = import_module("harness.cli.product_cleanup")
        survey.products = list(products.clean_products(only_list=only_list))
    show_survey(survey, as_json=as_json)
    known = (survey.records or survey.products) and not survey.unknown
    done = all(r.done for r in survey.results) and all(p.done for p in survey.products)
    return code or (0 if known and done else DIFFERS)


@dataclass(slots=True, kw_only=True)
class Survey:
    """All hosts that journals or the inventory name: what their records say, and what became of what they owe."""

    state: Path
    inventory: Inventory | None
    error: HarnessError | None = None
    products: list[ProductCleanUp] = field(default_factory=list)
    records: list[HostRecord] = field(default_factory=list)
    results: list[CleanUp] = field(default_factory=list)

    @property
    def unknown(self) -> list[HostRecord]:
        """Those of which it is not known what was done there."""
        return [record for record in self.records if record.damages]


def take_survey(state: Path, path: Path, host: str) -> Survey:
    """Reads the journals of all hosts, or of one; an inventory that cannot be read hides nothing."""
    survey = Survey(state=state, inventory=None)
    try:
        survey.inventory = lab_plan.open_inventory(path)
    except HarnessError as error:
        survey.error = error
    recorded = list_recorded_hosts(state)
    names = sorted({*recorded, *(survey.inventory.hosts if survey.inventory else ())})
    if host and host not in names:
        if survey.inventory is None and survey.error:
            raise survey.error
        hint = did_you_mean(host, names) or f"known are {', '.join(names) or 'no hosts'}"
        raise HarnessError("not-in-inventory", f"no journal and no inventory has a host `{host}`", help=hint)
    for name in [host] if host else names:
        record = read_host_record(state, name)
        reason = find_other_journals(survey, path, name) if survey.inventory and name in survey.inventory.hosts else ""
        record.damages += [reason] if reason else []
        survey.records.append(record)
    return survey


def find_other_journals(survey: Survey, path: Path, host: str) -> str:
    """Why a host of the inventory is not known although nothing is damaged: its journals are elsewhere or nowhere."""
    try:
        reasons = describe_no_journal(survey.state), find_other_state(path, host, survey.state)
        return "; ".join(reason for reason in reasons if reason)
    except HarnessError as error:
        return error.message


def accept_by_name(survey: Survey, path: Path, accepted: str) -> int:
    """Takes a person's word for a host, or for the clean-ups of a run or of one test, and says for what."""
    if accepted in [record.host for record in survey.records]:
        ended = accept_host(survey.state, accepted)
        if survey.inventory and accepted in survey.inventory.hosts:
            write_state_note(path, accepted, survey.state)
        lab_plan.show_lines([f"{accepted}  accepted as clean", *(f"    {line}" for line in ended)])
        return 0
    run, _, test = accepted.partition("/")
    count = accept(survey.state, run, test)
    if not count:
        raise HarnessError("nothing-owed", f"nothing is owed by {accepted}", help="`detlab cleanup --list`")
    lab_plan.show_lines([f"{accepted}  accepted as clean: {count} clean-ups"])
    return 0


def do_cleanups(survey: Survey, host: str) -> int:
    """Does what is owed; the exit code where that was interrupted or could not begin."""
    if survey.inventory is None:
        why = survey.error.message if survey.error else "there is no inventory"
        survey.results += [refuse(item, why) for record in survey.records for item in record.owed]
        return survey.error.exit_code if survey.error else DIFFERS
    with lab_plan.notice_signals(lab_plan.interrupt_at_once):
        try:
            for result in clean_hosts(survey.state, survey.inventory, connect, host=host, tell=lab_plan.print_progress):
                survey.results.append(result)
        except KeyboardInterrupt:
            lab_plan.print_progress("interrupted: what is not listed as done here is still owed")
            return INTERRUPTED
    return 0


def refuse(item: Owed, why: str) -> CleanUp:
    """A clean-up that is not done."""
    return CleanUp(owed=item, done=False, why=why)


def show_survey(survey: Survey, *, as_json: bool) -> None:
    """Everything for people or machines, with where it was looked."""
    damages = [f"{record.host}: {damage}" for record in survey.unknown for damage in record.damages]
    torn = [line for record in survey.records for line in record.torn]
    if as_json:
        document = {
            "document": "cleanup",
            "version": 1,
            "state": str(survey.state),
            "results": [encode_cleanup(r) for r in survey.results],
            "products": [each.as_json() for each in survey.products],
            "unknown": [encode_record(record) for record in survey.unknown],
            "damages": damages,
            "torn": torn,
        }
        out(dumps({**redacted_data(document), "hidden": sum(count_secrets([dumps(document)]).values())}))
    else:
        # Commands of tests may have a password as an argument.
        lines = [line for r in survey.results for line in format_cleanup(r)]
        lines += [each.describe() for each in survey.products]
        lines += [line for record in survey.unknown for line in format_unknown(record)]
        nothing = "nothing is owed" if survey.records else f"no host is known: {describe_no_journal(survey.state)}"
        lab_plan.show_lines(lines or [nothing])
    if survey.error:
        lab_plan.print_progress(survey.error.message)
    for line in torn:
        lab_plan.print_progress(line)
    lab_plan.print_progress(f"looked in {journals_folder(survey.state)}")


def format_cleanup(result: CleanUp) -> list[str]:
    """One clean-up for people."""
    item = result.owed
    name = f"{item.host}  {item.test}  (run {item.run})"
    if result.done:
        return [f"{name}  {'cleaned' if item.plan.cleanup else 'nothing to clean'}"]
    by_hand = item.plan.print()
    return [f"{name}  owed: {result.why}", *([f"    by hand: {by_hand}"] if by_hand else [])]


def format_unknown(record: HostRecord) -> list[str]:
    """A host of which it is not known what was done there, for people."""
    lines = [f"{record.host}  not known: {damage}" for damage in record.damages]
    lines += [
        f"    by hand, if it ran ({item.test}): {item.plan.print()}" for item in record.unsure if item.plan.cleanup
    ]
    return [*lines, f"    look at the host or restore it, then: detlab cleanup --accept {record.host}"]


def encode_cleanup(result: CleanUp) -> dict[str, object]:
    """One clean-up for machines."""
    item: Owed = result.owed
    return {
        "run": item.run,
        "host": item.host,
        "test": item.test,
        "done": result.done,
        "why": redact_secrets(result.why),
        "by_hand": "" if result.done else item.plan.print(),
    }


def encode_record(record: HostRecord) -> dict[str, object]:
    """A host that is not known for machines."""
    return {"host": record.host, "damages": record.damages, "unsure": [item.test for item in record.unsure]}
