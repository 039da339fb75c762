"""What providers of Windows events say of their data: names in their order, numbers in hexadecimal, GUIDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

from harness.record import record
from harness.telemetry.events.windows_names import fold_name

MANIFESTS_FILE = Path(__file__).with_name("manifests.tsv")

PROVIDER_CHANNELS = {
    "Microsoft-Windows-Sysmon": "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-Security-Auditing": "Security",
    "Microsoft-Windows-PowerShell": "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-Windows Defender": "Microsoft-Windows-Windows Defender/Operational",
    "Microsoft-Windows-TaskScheduler": "Microsoft-Windows-TaskScheduler/Operational",
    "Microsoft-Windows-DNS-Client": "Microsoft-Windows-DNS-Client/Operational",
    "Microsoft-Windows-WMI-Activity": "Microsoft-Windows-WMI-Activity/Operational",
    "Service Control Manager": "System",
    "PowerShell": "Windows PowerShell",
    "Linux-Sysmon": "Linux-Sysmon/Operational",
}
"""The channel to which a provider writes, where it is one only."""

PROVIDER_GUIDS = {
    "Microsoft-Windows-Sysmon": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    "Microsoft-Windows-Security-Auditing": "{54849625-5478-4994-A5BA-3E3B0328C30D}",
    "Microsoft-Windows-PowerShell": "{A0C1853B-5C40-4B15-8766-3CF1C58F985A}",
    "Microsoft-Windows-Windows Defender": "{11CD958A-C507-4EF3-B3F2-5FD9DFBD2C78}",
}
"""Identities of providers as Windows prints them; shippers write small letters."""

CHANNEL_PROVIDERS = {
    channel.lower(): provider
    for provider, channel in PROVIDER_CHANNELS.items()
    # Many providers write to it.
    if channel != "System"
}

LOWER_CASE_PROVIDERS = ("Microsoft-Windows-Bits-Client", "Microsoft-Windows-WindowsUpdateClient")
"""Providers whose data begin with small letters in the log itself."""


@record
class ManifestForm:
    """One form of an event: the names of its data in their order, those in hexadecimal, and those that are GUIDs."""

    names: tuple[str, ...]
    hexadecimal: frozenset[str]
    guids: frozenset[str]


@cache
def read_manifests() -> Mapping[tuple[str, str], tuple[ManifestForm, ...]]:
    """All known forms by provider and EventID."""
    found: dict[tuple[str, str], tuple[ManifestForm, ...]] = {}
    for line in MANIFESTS_FILE.read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        provider, event, spelled = line.split("\t")
        typed = [name.partition(":") for name in spelled.split("|")]
        form = ManifestForm(
            names=tuple(name for name, _, _ in typed),
            hexadecimal=frozenset(name for name, _, kind in typed if kind == "x"),
            guids=frozenset(name for name, _, kind in typed if kind == "g"),
        )
        found[provider, event] = (*found.get((provider, event), ()), form)
    return found


def list_manifest_forms(provider: str, event: str) -> tuple[ManifestForm, ...]:
    """The known forms of an event, the newest first; none where the event is unknown."""
    return read_manifests().get((provider, event), ())


def name_inserts(provider: str, event: str, values: Sequence[str]) -> dict[str, str] | None:
    """Values in the order of the manifest under their names; None where no form has so many."""
    for form in list_manifest_forms(provider, event):
        if len(form.names) == len(values):
            return dict(zip(form.names, values, strict=True))
    return None


@lru_cache(maxsize=4096)
def restore_data_names(provider: str, event: str, names: tuple[str, ...]) -> Mapping[str, str]:
    """The log's own spelling of names whose case or blanks a shipper changed, by the shipper's."""
    known = {fold_name(own): own for form in list_manifest_forms(provider, event) for own in form.names}
    capital = provider not in LOWER_CASE_PROVIDERS
    return {name: known.get(fold_name(name)) or (capitalise(name) if capital else name) for name in names}


def capitalise(name: str) -> str:
    """A name of data with a capital at its beginning; `param1` and its like have none in the log."""
    return name if name.startswith("param") else name[:1].upper() + name[1:]


@lru_cache(maxsize=4096)
def list_typed_names(provider: str, event: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names of the data that the log prints in hexadecimal, and of those that are GUIDs."""
    forms = list_manifest_forms(provider, event)
    return frozenset().union(*(f.hexadecimal for f in forms)), frozenset().union(*(f.guids for f in forms))


def known_data_names(provider: str, event: str) -> frozenset[str]:
    """The names that any form of the event has."""
    return frozenset(name for form in list_manifest_forms(provider, event) for name in form.names)


def find_provider(channel: str, event: str, names: Iterable[str] = ()) -> str | None:
    """The provider of an event that names only its channel; None where several write there and none is known."""
    provider = CHANNEL_PROVIDERS.get(channel.lower())
    # Security has events of the event log service too: 1102 is not Security-Auditing's.
    if provider == "Microsoft-Windows-Security-Auditing" and not list_manifest_forms(provider, event):
        return provider if event.startswith(("46", "47", "48", "49", "50", "51", "53")) else None
    return provider
