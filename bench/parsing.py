"""`python -m bench parsing`: how many published queries one core reads and plans in a second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.cli.main import collect_rarely
from harness.detection.content import read_content
from harness.detection.engine import open_engine
from harness.detection.language import Language, Settings, language, list_languages
from harness.detection.plan.expressions import Schema
from harness.diagnostics import HarnessError, Source
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.store import TelemetryStore

SHARED = Path(__file__).parents[2] / "shared"
OWN = Path(__file__).parents[1] / "scenarios"
# Queries a second and core, for both languages; chosen, no source.
BAR = 500


def arguments(parser: argparse._ArgumentGroup) -> None:
    """Adds the options of this measure."""
    parser.add_argument("--rules", type=Path, action="append", metavar="FOLDER", help="folders of .spl and .cql files")
    parser.add_argument("--schema", type=Path, metavar="EVENTS", help="events whose fields the queries see")


def measure(given: argparse.Namespace) -> bool:
    """Prints each language's rate and says whether all meet the bar."""
    corpora = SHARED / "corpora"
    folders = given.rules or [corpora if corpora.is_dir() else OWN]
    sample = SHARED / "samples" / "dev" / "cross" / "events.ndjson"
    schema = given.schema or (sample if sample.is_file() else None)
    rates = [rate(name, folders, schema) for name in list_languages()]
    return all(each is None or each >= BAR for each in rates)


def rate(name: str, folders: Sequence[Path], schema: Path | None) -> float | None:
    """Queries a CPU second of one language; None where there are none. A query that is refused counts like any."""
    texts = [Source(str(p), p.read_text("utf-8")) for folder in folders for p in sorted(folder.rglob(f"*.{name}"))]
    if not texts:
        return None
    # A fixed time, so that plans do not depend on the day.
    spoken, settings = language(name), read_content(list(folders), lenient=True).settings(Settings(now=1.7e9))
    columns = columns_of(spoken, schema)
    # As the command does: parsing makes millions of small objects that live on.
    collect_rarely()
    # CPU time: other jobs on the machine would be measured along.
    began = time.process_time()
    done = sum(planned(spoken, text, columns, settings) for text in texts)
    spent = time.process_time() - began
    found = len(texts) / spent
    print(
        f"{name}: {len(texts):,} queries read and planned over {len(columns):,} fields in {spent:.2f} s of CPU: "
        f"{found:,.0f} a second; bar {BAR}; {done:,} of them give a plan"
    )
    return found


def columns_of(spoken: Language, schema: Path | None) -> Schema:
    """The fields of some events as the language's platform has them."""
    if schema is None:
        return {}
    telemetry, opened = replay(schema), open_engine("duckdb")
    columns = TelemetryStore(opened, lambda _: telemetry).load(spoken.platform, {}, raw=True)
    opened.close()
    return columns


def planned(spoken: Language, text: Source, columns: Schema, settings: Settings) -> bool:
    """Whether a query gives a plan."""
    with suppress(HarnessError):
        spoken.parse(text, settings=settings).plan(columns, settings)
        return True
    return False
