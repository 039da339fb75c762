"""Pictures of studies, where the extra `plots` is installed."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.diagnostics import HarnessError
from harness.output_file import replace_file, write_file
from harness.report.studies.envelope import list_edge_rows
from harness.report.studies.latency import list_latency_rows
from harness.report.studies.mutate import list_survivor_rows
from harness.report.studies.tune import list_point_rows

PLOT_SUFFIXES = (".svg", ".png", ".html")
StudyTable = tuple[Sequence[str], Sequence[Sequence[str]]]
STUDY_TABLES: dict[str, tuple[str, Callable[[Any], StudyTable]]] = {
    "tuning": ("What the numbers of a rule catch and cost", list_point_rows),
    "envelope": ("Which variants a rule sees", list_edge_rows),
    "mutation": ("Which changes of a rule its tests notice", list_survivor_rows),
    "latency": ("How soon a rule sees an attack", list_latency_rows),
}
"""Each kind of study: what it shows, and its table, what matters most first."""


def plot_study(kind: str, found: Any, path: Path) -> None:
    """Draws a study of a kind (`tuning`, `envelope`, `mutation`, `latency`) into a file; its suffix is the format.

    A page has the plot and the table beside it.
    """
    suffix = path.suffix.lower()
    if suffix not in PLOT_SUFFIXES:
        raise HarnessError("unknown-format", f"{path} is neither SVG, PNG nor HTML", help="write --plot FILE.svg")
    try:
        drawing = import_module("harness.report.studies.matplotlib_plots")
    except ModuleNotFoundError as error:
        # A missing module of our own is a defect and must not read as a missing extra.
        if error.name is None or not error.name.startswith("matplotlib"):
            raise
        hint = "pip install 'detlab[plots]'"
        raise HarnessError("no-plots", "drawing needs matplotlib, which is not installed", help=hint) from error
    if suffix == ".html":
        write_file(path, write_study_page(kind, found, drawing).encode("utf-8"))
        return
    with replace_file(path) as beside:
        drawing.write_drawing(kind, found, beside)


def write_study_page(kind: str, found: Any, drawing: Any) -> str:
    """The plot of a study and its table on one page without anything from elsewhere."""
    title, list_rows = STUDY_TABLES[kind]
    head, rows = list_rows(found)
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "plot.svg"
        drawing.write_drawing(kind, found, picture)
        address = f"data:image/svg+xml;base64,{b64encode(picture.read_bytes()).decode('ascii')}"
    # Imported by name: Jinja2 is for pages alone.
    page = import_module("harness.report.formats.html")
    text: str = page.render_study(title=title, rule=Path(found.rule.name).name, address=address, head=head, rows=rows)
    return text
