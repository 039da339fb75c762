"""The reference of what packs hold: behaviours with their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from harness.cli.commands.list import LISTINGS
from manual.markdown import code, format_table


def build_pages() -> Iterator[tuple[str, str]]:
    """The behaviours."""
    yield "behaviours.md", "\n".join(describe_behaviours()) + "\n"


def describe_behaviours() -> Iterator[str]:
    """Each behaviour that a scenario of any pack can name."""
    yield from ("# Behaviours", "", "What a scenario's `simulate:` names; parameters stand below `given:`.", "")
    rows = LISTINGS["behaviours"]([])
    yield from format_table(
        ("behaviour", "meaning", "parameters"),
        [(code(r["behaviour"]), r["meaning"], ", ".join(code(p) for p in r["parameters"].split(", "))) for r in rows],
    )
