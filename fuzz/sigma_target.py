"""Sigma files: read with documented errors alone, and what pySigma makes of them finds the same events."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from fuzz.promise import BrokenPromiseError, Target
from fuzz.run_targets import collect_events, find_events
from fuzz.text_targets import SHARED, find_seed_files
from harness.diagnostics import HarnessError
from harness.scenario.sigma.collection import SigmaChoice, SigmaSubject, read_sigma_subjects
from harness.scenario.sigma.converter_faults import find_converter_faults
from harness.verdict.sigma.evaluation import form_opinion

RULE = b"""title: Shell that connects
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: ['\\powershell.exe', '\\cmd.exe']
    CommandLine|contains|all: ['-', 'e']
  parents: {ParentImage|startswith: 'C:\\Windows'}
  filter: {User: null}
  condition: selection and not filter or 1 of par*
"""
NETWORK = b"""title: Connection
logsource: {product: windows, category: network_connection}
detection:
  a: {Initiated: 'true', DestinationPort: [80, 443, 8888]}
  b: {Image|re: '.*\\\\p[a-z]+\\.exe', DestinationIp|cidr: 127.0.0.0/8}
  condition: a or not b
"""
DNS = b"""title: Lookup
logsource: {product: windows, service: sysmon}
detection:
  a: {EventID: 22, QueryName|contains: '.'}
  words: ['powershell']
  condition: a
"""


COLLECTION = b"""title: Shell
name: shell
logsource: {product: windows, category: process_creation}
detection:
  s: {CommandLine|windash|contains: ' -e', User|fieldref: ParentUser}
  condition: [s, not s]
---
title: Many
correlation: {type: event_count, rules: [shell], group-by: [Computer], timespan: 10m, condition: {gte: 2}}
---
title: But not these
logsource: {product: windows}
filter: {rules: any, a: {User|startswith: 'LAB'}, condition: not a}
"""


@cache
def open_folder() -> Path:
    """A folder that holds nothing but the file that is tried."""
    return Path(mkdtemp(prefix="detlab-fuzz-"))


def read_subjects(data: bytes) -> list[SigmaSubject]:
    """The rules of a file with these bytes."""
    path = open_folder() / "rule.yml"
    path.write_bytes(data)
    return read_sigma_subjects(path, SigmaChoice())


def check_sigma_text(data: bytes) -> None:
    """A file is read, and what its rules say is evaluated on events, with documented errors alone."""
    for subject in read_subjects(data):
        opinion = form_opinion(subject, collect_events(), (), ())
        if opinion is not None and opinion.added:
            raise BrokenPromiseError("events were added without a query")


def check_sigma(data: bytes) -> None:
    """The conversions of a rule find the same events, where both are such as detlab runs and no fault is known."""
    conversion = import_module("harness.scenario.sigma.conversion")
    for subject in read_subjects(data):
        found: dict[str, frozenset[int]] = {}
        made = conversion.convert_subject(subject, SigmaChoice())
        texts = {name: each.text for name, each in made.items() if each.error is None}
        if any(find_converter_faults(subject, name, text) for name, text in texts.items()):
            continue
        for name, text in texts.items():
            with suppress(HarnessError):
                found[name] = find_events(name, text)
        if len(found) == len(made) and len(set(found.values())) > 1:
            differing = {name: sorted(events)[:10] for name, events in found.items()}
            raise BrokenPromiseError(f"the conversions find other events: {differing}\n{texts}")


def list_rules() -> list[bytes]:
    """Sigma rules of ours, and of others where they are beside the checkout."""
    folder = SHARED / "samples" / "dev" / "sigma_regression"
    near = [p.read_bytes() for p in sorted(folder.rglob("*.yml"))[:200]]
    return [RULE, NETWORK, DNS, COLLECTION, *near, *(d for d in find_seed_files("*.yml") if b"logsource" in d)]


SIGMA_TARGETS: dict[str, Target] = {"sigma_text": Target(check=check_sigma_text, seeds=list_rules)}
if find_spec("sigma") is not None:
    SIGMA_TARGETS["sigma"] = Target(check=check_sigma, seeds=list_rules)
