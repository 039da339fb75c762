"""A program of a world: where it lies, what starts it, how often, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec


class During(StrEnum):
    """When a piece of software does something: while its host is on, while its user is logged on or really works."""

    ON = "on"
    SESSION = "session"
    WORKING = "working"


ACCOUNTS = ("", "SYSTEM", "NETWORK SERVICE", "LOCAL SERVICE")
"""Accounts that a program runs as; the first is whoever is logged on."""
INTEGRITIES = ("", "AppContainer", "Low", "Medium", "High", "System")

Rates = dict[str, float]
"""How many, by template: of each run of a program, of each hour of one that stands all along."""


class Program(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""A program that hosts of some roles start again and again, or one that stands there all along (`standing`).

    Texts are templates (`C:\Users\{user}\{hex:8}.tmp`). `lines` are command lines, the first the most frequent. `lasts`
    is the median of a lognormal in seconds, `spread` its sigma; `together` how many start at once in the mean.
    """

    image: str
    on: tuple[str, ...] = ()
    share: float = 1.0
    account: str = ""
    parent: str = ""
    integrity: str = ""
    during: During = During.ON
    standing: bool = False
    per_hour: float = 0.0
    at_start: float = 0.0
    per_parent: float = 0.0
    together: float = 1.0
    lasts: float = 5.0
    spread: float = 1.0
    lines: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    files: Rates = {}
    registry: Rates = {}
    libraries: Rates = {}
    pipes: Rates = {}
    names: Rates = {}
    calls: Rates = {}
    source: str = ""

    @property
    def effects(self) -> Mapping[str, Rates]:
        """What it leaves behind, by the key of the document."""
        return {name: getattr(self, name) for name in ("files", "registry", "libraries", "pipes", "names", "calls")}


MOST_PER_HOUR = 100_000
"""Starts and traces an hour; against slips of a digit."""


def find_program_faults(programs: Mapping[str, Program], roles: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Faults of programs beyond types: name, key and sentence of each."""
    before: set[str] = set()
    for name, program in programs.items():
        for role in program.on:
            if role not in roles:
                yield name, "on", f"no role is called `{role}`"
        if not 0 <= program.share <= 1:
            yield name, "share", "`share` is from 0 to 1"
        if program.account not in ACCOUNTS:
            yield name, "account", f"accounts are {', '.join(ACCOUNTS[1:])}, or none for the user"
        if program.integrity not in INTEGRITIES:
            yield name, "integrity", f"`integrity` is one of {', '.join(INTEGRITIES[1:])}"
        rates = (program.per_hour, program.at_start, program.per_parent)
        if any(not 0 <= r <= MOST_PER_HOUR for e in (*program.effects.values(),) for r in e.values()):
            yield name, "image", f"rates are from 0 to {MOST_PER_HOUR}"
        elif any(not 0 <= r <= MOST_PER_HOUR for r in rates) or not 1 <= program.together <= 1000:
            yield name, "per_hour", f"rates are from 0 to {MOST_PER_HOUR}, `together` is from 1 to 1000"
        if not 0 < program.lasts <= 30 * 86_400 or not 0 <= program.spread <= 5:
            yield name, "lasts", "`lasts` is more than 0 s and at most 30 days, `spread` is from 0 to 5"
        if program.per_parent and program.parent not in before:
            yield name, "parent", "`per_parent` is for a parent that is a program further up in the document"
        before.add(name)
