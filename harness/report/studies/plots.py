"""Pictures of studies, where the extra `plots` is installed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError
from harness.output_file import replace_file

PLOT_SUFFIXES = (".svg", ".png")


def plot_study(kind: str, found: Any, path: Path) -> None:
    """Draws a study of a kind (`tuning`, `envelope`, `mutation`, `latency`) into a file; its suffix is the format."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise HarnessError("unknown-format", f"{path} is neither SVG nor PNG", help="write --plot FILE.svg")
    try:
        drawing = import_module("harness.report.studies.matplotlib_plots")
    except ModuleNotFoundError as error:
        # A missing module of our own is a defect and must not read as a missing extra.
        if error.name is None or not error.name.startswith("matplotlib"):
            raise
        hint = "pip install 'detlab[plots]'"
        raise HarnessError("no-plots", "drawing needs matplotlib, which is not installed", help=hint) from error
    with replace_file(path) as beside:
        drawing.write_drawing(kind, found, beside)
