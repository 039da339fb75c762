"""Targets that take a text: both languages, scenarios and pages, configuration, inventories, command lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from fuzz.promise import BrokenPromiseError, Target
from harness.detection.conformance_page import parse_cases
from harness.detection.language import Settings, Strictness, language, list_languages
from harness.diagnostics import HarnessError, Source
from harness.scenario.conf import stanzas
from harness.scenario.document import load
from harness.telemetry.lab.bounded_http import Budget
from harness.telemetry.lab.command_targets import find_servers
from harness.telemetry.lab.guard import refuse_target
from harness.telemetry.lab.inventory import parse_inventory
from harness.telemetry.lab.server_name import is_allowed_target
from harness.telemetry.lab.wsman import build_adapter

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
PLACES = (ROOT / "scenarios", ROOT / "tests", ROOT / "lab", SHARED / "corpora", SHARED / "cases")
# Chosen, no source: libFuzzer runs all seeds before it changes any.
MOST_SEEDS = 400
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def find_seed_files(pattern: str) -> list[bytes]:
    """Real files to begin with, spread over all folders."""
    found = [p for place in PLACES if place.is_dir() for p in sorted(place.rglob(pattern)) if p.is_file()]
    return [p.read_bytes() for p in found[:: max(1, len(found) // MOST_SEEDS)]]


def find_queries(name: str) -> list[bytes]:
    """Rules, and the queries of the conformance pages, which have every command and function."""
    pages = sorted((ROOT / "tests" / "conformance" / name).rglob("*.md"))
    blocks = [m[2].encode() for p in pages for m in BLOCK.finditer(p.read_text("utf-8")) if m[1] == name]
    return [*find_seed_files(f"*.{name}"), *blocks]


def decode(data: bytes) -> str:
    """An input as the text that a reader of files would make of it."""
    return data.decode("utf-8", "replace")


def check_query(name: str, data: bytes) -> None:
    """A query is parsed, linted, planned and printed, and what is printed is the same query."""
    spoken, source = language(name), Source(f"fuzz.{name}", decode(data))
    spoken.lint(source)
    with suppress(HarnessError):
        spoken.parse(source, Strictness.STRICT)
    first = spoken.parse(source)
    printed = first.render()
    try:
        again = spoken.parse(Source(f"printed.{name}", printed))
    except HarnessError as error:
        raise BrokenPromiseError(f"what was printed cannot be read: {printed!r}\n{error.render()}") from error
    if again.render() != printed:
        raise BrokenPromiseError(f"printed twice it differs:\n{printed!r}\n{again.render()!r}")
    # Over no columns; `run_spl` and `run_cql` plan over real ones.
    first.plan({}, Settings())


def check_text(read: Callable[[str], object], data: bytes) -> None:
    """A document is read, or an error is told."""
    read(decode(data))


def check_inventory(data: bytes) -> None:
    """An inventory is read, and each of its hosts has an address that can be connected to."""
    inventory = parse_inventory(Source("hosts.yaml", decode(data)), ROOT)
    for host in inventory.hosts.values():
        assert host.endpoint, inventory.targets
        build_adapter(host, Budget(1))


def check_command(data: bytes) -> None:
    """Every server of a command is allowed or refused with a reason."""
    for target in find_servers(decode(data)):
        if not is_allowed_target(target, ("198.51.100.1", "sink.lab")):
            assert str(refuse_target("T1-1", target))


def find_commands() -> Sequence[bytes]:
    """Command lines: spellings of servers, and what atomics run."""
    return list(iterate_commands())


def iterate_commands() -> Iterator[bytes]:
    """Each line of the lists of spellings, and each block of the atomics beside the checkout."""
    for file in (ROOT / "tests/telemetry/lab/guard_spellings.tsv", SHARED / "cases" / "guard.txt"):
        if file.is_file():
            yield from (line.split(b"\t")[0] for line in file.read_bytes().splitlines() if line.strip())
    atomics = sorted((SHARED / "samples" / "dev" / "atomics").rglob("*.yaml"))
    for file in atomics[:: max(1, len(atomics) // 60)]:
        yield from re.findall(rb"command: \|-?\n((?: {4,}.*\n)+)", file.read_bytes())


INVENTORY = b"""lab: lab-1
sinks: [sink.lab, 198.51.100.1]
hosts:
  win10:
    address: 192.0.2.10
    user: detonator
    password: {env: DETLAB_PASSWORD}
    wire: psrp
    authentication: ntlm
    port: 5986
    ca: lab-ca.pem
    events: {channels: [Security]}
    connect_timeout: 20
  "v6": {address: "2001:db8::5", user: "a", scheme: http, password: {keyring: k}, reconnect: 1.5}
"""

TEXT_TARGETS: dict[str, Target] = {
    **{n: Target(check=partial(check_query, n), seeds=partial(find_queries, n)) for n in list_languages()},
    "yaml": Target(
        check=partial(check_text, lambda text: load(Source("fuzz.yaml", text))),
        seeds=partial(find_seed_files, "*.yaml"),
    ),
    "conf": Target(
        check=partial(check_text, lambda text: list(stanzas(text))), seeds=partial(find_seed_files, "*.conf")
    ),
    "page": Target(
        check=partial(check_text, lambda text: parse_cases(Source("fuzz.md", text), "spl")),
        seeds=partial(find_seed_files, "*.md"),
    ),
    "inventory": Target(
        check=check_inventory, seeds=lambda: [INVENTORY, *find_seed_files("hosts*.yaml")], words=(b"certificate",)
    ),
    "guard": Target(check=check_command, seeds=find_commands),
}
