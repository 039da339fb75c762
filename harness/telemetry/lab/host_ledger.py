"""Which journals a host has and how far each goes: by it a journal that is gone, or that lost its end, is noticed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from harness.diagnostics import HarnessError
from harness.record import record

LEDGER_VERSION = 1
LARGEST_LEDGER = 16 << 20
LEDGERS = "hosts"
LEDGER_SUFFIX = ".json"


@record(kw_only=True)
class Chain:
    """How far a journal goes: how many records, and the hash of the last."""

    count: int = 0
    digest: str = ""


@dataclass(slots=True, kw_only=True)
class HostLedger:
    """A host's runs with how far their journals go; damaged journals that a person accepted, by name and hash."""

    path: Path
    host: str
    runs: dict[str, Chain] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)

    def note(self, run: str, chain: Chain) -> None:
        """Notes how far a run's journal goes, and waits until the disk has it. Raises OSError."""
        self.runs[run] = chain
        self.save()

    def save(self) -> None:
        """Writes the ledger whole or not at all. Raises OSError."""
        runs = {run: [chain.count, chain.digest] for run, chain in self.runs.items()}
        body = {"v": LEDGER_VERSION, "host": self.host, "runs": runs, "accepted": self.accepted}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, (json.dumps({**body, "check": compute_check(body)}, sort_keys=True) + "\n").encode())


def compute_check(body: Mapping[str, Any]) -> str:
    """The hash of what a ledger says."""
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Puts a file whole in the place of what is there, and waits until the disk has it. Raises OSError."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Waits until the disk has a folder's own list of files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def quote_host(host: str) -> str:
    """A host's name as a part of a file's name, from which it can be read again."""
    return quote(host, safe="").replace(".", "%2E") if host.startswith(".") else quote(host, safe="")


def ledger_of(state: Path, host: str) -> Path:
    """The ledger of a host."""
    return state / LEDGERS / (quote_host(host) + LEDGER_SUFFIX)


def list_ledger_hosts(state: Path) -> list[str]:
    """The hosts that have a ledger."""
    return sorted(unquote(p.name.removesuffix(LEDGER_SUFFIX)) for p in (state / LEDGERS).glob("*" + LEDGER_SUFFIX))


def read_ledger(state: Path, host: str) -> HostLedger:
    """The ledger of a host; an empty one where there is none. Raises HarnessError where it is not what was written."""
    path = ledger_of(state, host)
    try:
        if path.stat().st_size > LARGEST_LEDGER:
            raise HarnessError("ledger", f"{path} is larger than {LARGEST_LEDGER >> 20} MiB")
        found = json.loads(path.read_bytes())
        check = found.pop("check")
        if check != compute_check(found) or found["v"] != LEDGER_VERSION or found["host"] != host:
            raise HarnessError("ledger", f"{path} is damaged: it is not what was written")
        runs = {run: Chain(count=count, digest=digest) for run, (count, digest) in found["runs"].items()}
        return HostLedger(path=path, host=host, runs=runs, accepted=dict(found["accepted"]))
    except FileNotFoundError:
        return HostLedger(path=path, host=host)
    except OSError as error:
        raise HarnessError("ledger", f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HarnessError("ledger", f"{path} is damaged: it is no ledger") from error
