"""Guard rails: what a detonation may not do unless it is allowed by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from shlex import quote

from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.atomic import ArgumentType, SupportedPlatform
from harness.scenario.atomic_command import Rendered
from harness.telemetry.lab.command_targets import find_servers
from harness.telemetry.lab.server_name import is_allowed_target, is_understood

LONGEST_SHOWN = 200


@record(kw_only=True)
class Refusal:
    """Something that is not done: the rule, what it met, and how to allow it."""

    rule: str
    message: str
    allow: str

    def __str__(self) -> str:
        return f"refused[{self.rule}]: {self.message}\n  = allow: {self.allow}"


class RefusedError(HarnessError):
    """A detonation that did not begin, with every rule that stopped it."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        first = self.refusals[0]
        super().__init__(first.rule, first.message, help=first.allow)

    def render(self) -> str:
        """Each refusal with its rule and how to allow it."""
        return "\n".join(str(r) for r in self.refusals)

    def as_json(self) -> dict[str, object]:
        """The refusals for machines."""
        rules = [{"rule": r.rule, "message": r.message, "allow": r.allow} for r in self.refusals]
        return {**HarnessError.as_json(self), "refusals": rules}


@record(kw_only=True)
class Allowances:
    """Exceptions from guard rails, allowed by name for one detonation."""

    targets: frozenset[str] = frozenset()
    elevation: bool = False
    unmarked: bool = False
    domain_controller: bool = False


@record(kw_only=True)
class HostFacts:
    """What a host says of itself; `marker` is what provisioning wrote there, `offset` seconds its clock is ahead."""

    marker: str = ""
    product: str = ""
    elevated: bool = False
    computer: str = ""
    offset: float = 0.0
    uncertainty: float = 0.0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def domain_controller(self) -> bool:
        """Whether it is a domain controller; a host that does not say what it is counts as one."""
        # ProductType: a client or a member server; LanmanNT is a domain controller.
        return self.product not in ("WinNT", "ServerNT")


def check_tests(
    tests: Iterable[Rendered], sinks: Iterable[str], allowed: Allowances, *, get: bool = True
) -> Iterator[Refusal]:
    """Refusals that the tests' own texts cause; with `get` missing prerequisites are got, and their servers count."""
    sinks = (*sinks, *allowed.targets)
    for rendered in tests:
        atomic = rendered.atomic
        if SupportedPlatform.WINDOWS not in atomic.test.supported_platforms:
            platforms = ", ".join(atomic.test.supported_platforms)
            yield Refusal(
                rule="not-for-windows", message=f"{atomic.name} is for {platforms}", allow="choose another test"
            )
        if atomic.test.executor.elevation_required and not allowed.elevation:
            message = f"{atomic.name} needs elevated rights"
            yield Refusal(rule="elevation", message=message, allow="--allow-elevation")
        for target in sorted(find_targets(rendered, get=get)):
            if not is_allowed_target(target, sinks):
                yield refuse_target(atomic.name, target)


def refuse_target(test: str, target: str) -> Refusal:
    """The refusal of a server outside the lab, or of a text that may name one in a way that is not understood."""
    shown = target if len(target) <= LONGEST_SHOWN else target[:LONGEST_SHOWN] + "..."
    message = f"{test} talks to {shown}, which is no sink of the lab"
    allow = f"--allow-target {quote(shown)}, or add it to `sinks:` in the inventory"
    if not is_understood(target):
        message = f"{test} may talk to any server: {shown} is no name and no address that is understood"
        allow = f"look at the command (--what-if), then --allow-target {quote(shown)}"
    return Refusal(rule="target-outside-lab", message=message, allow=allow)


def check_host(
    name: str, facts: HostFacts, lab: str, tests: Iterable[Rendered], allowed: Allowances
) -> Iterator[Refusal]:
    """Refusals by a host: wrong marker, domain controller, missing rights."""
    if facts.marker != lab and not allowed.unmarked:
        says = f"carries the marker of `{facts.marker}`" if facts.marker else "carries no lab marker"
        allow = f"provision it for the lab `{lab}` (lab/windows/), or --allow-unmarked"
        yield Refusal(rule="no-lab-marker", message=f"{name} {says}", allow=allow)
    if facts.domain_controller and not allowed.domain_controller:
        what = (
            "is a domain controller"
            if facts.product == "LanmanNT"
            else "does not say whether it is a domain controller"
        )
        yield Refusal(rule="domain-controller", message=f"{name} {what}", allow="--allow-domain-controller")
    if not facts.elevated:
        for rendered in tests:
            if rendered.atomic.test.executor.elevation_required:
                message = f"{rendered.atomic.name} needs elevated rights, which the account has not on {name}"
                yield Refusal(rule="not-elevated", message=message, allow="use an administrator's account")


def find_targets(rendered: Rendered, *, get: bool = True) -> set[str]:
    """Every server that a test's commands or arguments name: in URLs, shares, as addresses or as domains."""
    commands = [command.text for what, command in rendered.commands() if get or what != "get prerequisite"]
    found = {server for text in commands for server in find_servers(text)}
    run = "\n".join(commands)
    for name, value in rendered.arguments.items():
        # An argument that no command holds goes nowhere.
        if value not in run:
            continue
        found |= find_servers(value)
        if rendered.atomic.test.input_arguments[name].type is ArgumentType.URL and value and "://" not in value:
            found.add(value.split("/")[0].lower())
    return found
