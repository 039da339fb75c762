"""What a person chose for a server; nothing heavy is imported here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from harness.diagnostics import HarnessError
from harness.record import record
from harness.supervisor import Limits, default_memory

if TYPE_CHECKING:
    from harness.detection.content import Content

DEFAULT_PORTS: Mapping[str, int] = {"splunk": 8089, "hec": 8088, "logscale": 8080}
"""The ports that the products have, by what they are called here; a family says on which it answers."""

LOOPBACK_NAMES = ("127.0.0.1", "::1", "localhost")
# Chosen, no source: half of the searches of a small installation; each may need its share of the memory.
SEARCHES_AT_ONCE = 4


@record(kw_only=True)
class ServeOptions:
    """Where a server listens, who may ask, where its events lie, and the limits of one search.

    `ports` are by name; 0 lets the system choose one. Without `tls` connections are plain. `content` are macros,
    lookups and saved searches that are there from the beginning. `switches` are meanings that a product leaves open,
    `zone` is the time zone of who asks.
    """

    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_PORTS))
    data: Path
    token: str
    user: str = "admin"
    tls: bool = True
    certificate: tuple[Path, Path] | None = None
    events: tuple[Path, ...] = ()
    content: Content | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    limits: Limits = field(default_factory=lambda: Limits(seconds=600, memory=default_memory() // SEARCHES_AT_ONCE))


def read_token(variable: str | None) -> str:
    """The token in an environment variable, or a new one where none is named. Raises HarnessError."""
    if variable is None:
        return token_urlsafe(24)
    found = os.environ.get(variable, "")
    # As long as a password that nobody guesses over a network; chosen.
    if len(found) < 8:
        state = "has fewer than 8 characters" if found else "is not set"
        raise HarnessError("no-token", f"the environment variable {variable} {state}", help=f"export {variable}=...")
    return found
