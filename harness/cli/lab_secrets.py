"""The secrets of a detonation: opened before anything runs, and refused where they are ordinary words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from harness.diagnostics import HarnessError
from harness.scenario.atomic_command import Rendered
from harness.telemetry.lab.guard import Refusal
from harness.telemetry.lab.inventory import Inventory, LabHost
from harness.telemetry.lab.ordinary_word import describe_ordinary_word
from harness.telemetry.lab.secret import Secret, SecretName


def open_passwords(inventory: Inventory, hosts: Sequence[LabHost], *, needed: bool) -> dict[str, Secret]:
    """The passwords of hosts, and those of all others that can be had, so that none of them is shown or written.

    Raises HarnessError for a host of which it is needed and not there.
    """
    for host in inventory.hosts.values():
        if host.entry.password:
            with suppress(HarnessError):
                host.open_password()
    if not needed:
        return {}
    return {host.name: host.open_password() for host in hosts if host.entry.password}


def open_arguments(variables: Mapping[str, str]) -> dict[str, Secret]:
    """The secrets that arguments take from environment variables. Raises HarnessError where one is not set."""
    return {name: SecretName(env=variable).open() for name, variable in variables.items()}


def refuse_ordinary_words(
    inventory: Inventory, passwords: Mapping[str, Secret], arguments: Mapping[str, Secret], tests: Iterable[Rendered]
) -> Iterator[Refusal]:
    """Refusals of secrets that cannot be told from what hosts record anyway."""
    texts = [(test.atomic.name, text) for test in tests for text in list_texts(test)]
    for host, secret in passwords.items():
        entry = inventory.hosts[host].entry
        names = {
            "the account's name": entry.user,
            "the host's name": host,
            "the host's address": entry.address,
            "the lab's name": inventory.lab,
        }
        reason = describe_ordinary_word(secret, names, texts)
        if reason:
            message = f"the password of {host} ({secret.name}) is a word of ordinary telemetry: {reason}"
            allow = f"give the account on {host} another password (net user NAME *), and {secret.name} the same"
            yield Refusal(rule="ordinary-password", message=message, allow=allow)
    for name, secret in arguments.items():
        reason = describe_ordinary_word(secret, {}, texts)
        if reason:
            message = f"the secret of the argument `{name}` ({secret.name}) is a word of ordinary telemetry: {reason}"
            allow = f"give {secret.name} another value, or give the argument with --set if it is no secret"
            yield Refusal(rule="ordinary-password", message=message, allow=allow)


def list_texts(test: Rendered) -> Iterator[str]:
    """What the library writes of a test, without the values that it is given."""
    yield from (text for _, text in test.atomic.commands())
    yield from (str(argument.default) for argument in test.atomic.test.input_arguments.values())
