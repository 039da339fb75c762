"""Say how many scenarios a folder holds."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.screen import out
from harness.scenario.pack import find_scenarios


@click.command("count-scenarios")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> int:
    """Counts the scenarios in FOLDER."""
    out(f"{len(find_scenarios([folder]))} scenarios")
    return 0
