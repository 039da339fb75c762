"""One Sigma rule in both languages, as pySigma writes it: both have to find the same events."""

from __future__ import annotations

from contextlib import suppress

from harness.scenario.sigma_conversion import convert_sigma

from fuzz.promise import BrokenPromiseError, Target
from fuzz.run_targets import find_events
from fuzz.text_targets import SHARED, decode, find_seed_files
from harness.diagnostics import HarnessError

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


def check_sigma(data: bytes) -> None:
    """The conversions of a rule find the same events, where both are such as detlab runs."""
    try:
        texts = convert_sigma(decode(data))
    except HarnessError:
        return
    except Exception:
        # pySigma's own exceptions for documents that are no rules are many, and its to mend.
        return
    found: dict[str, frozenset[int]] = {}
    for name, text in texts.items():
        with suppress(HarnessError):
            found[name] = find_events(name, text)
    if len(found) == len(texts) and len(set(found.values())) > 1:
        differing = {name: sorted(events)[:10] for name, events in found.items()}
        raise BrokenPromiseError(f"the conversions find other events: {differing}\n{texts}")


def list_rules() -> list[bytes]:
    """Sigma rules of ours, and of others where they are beside the checkout."""
    folder = SHARED / "samples" / "dev" / "sigma_regression"
    near = [p.read_bytes() for p in sorted(folder.rglob("*.yml"))[:200]]
    return [RULE, NETWORK, DNS, *near, *(d for d in find_seed_files("*.yml") if b"logsource" in d)]


SIGMA_TARGETS: dict[str, Target] = {"sigma": Target(check=check_sigma, seeds=list_rules)}
