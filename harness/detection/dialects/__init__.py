"""Dialects of SQL that a rule can be printed in: each module of this folder has a function `open_writer`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from harness.detection.engine import DEFAULT_ENGINE
from harness.diagnostics import HarnessError, did_you_mean

if TYPE_CHECKING:
    from harness.detection.sql.writer import StatementWriter


def list_dialects() -> tuple[str, ...]:
    """All dialects there are: that of the engine here, and those of the modules of this folder."""
    return (DEFAULT_ENGINE, *sorted(m.name for m in iter_modules([str(Path(__file__).parent)])))


def open_dialect(name: str) -> StatementWriter:
    """A writer of statements in a dialect of that name; raises HarnessError for a name that there is not."""
    if name not in list_dialects()[1:]:
        hint = did_you_mean(name, list_dialects()) or f"dialects are {', '.join(list_dialects())}"
        raise HarnessError("unknown-dialect", f"no dialect of SQL is called `{name}`", help=hint)
    made: StatementWriter = import_module(f"harness.detection.dialects.{name}").open_writer()
    return made
