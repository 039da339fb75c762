"""Plain logs in conformance pages: texts that are indexed as a file of that sourcetype would be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.detection.language import Settings
from harness.telemetry.events.event import Telemetry, merge_telemetry
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.platform import View, platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The text of one file, its sourcetype, and metadata where the page gives some."""

    sourcetype: str
    text: str
    source: str = "page.log"
    host: str = "localhost"


def parse_logs(blocks: Iterable[tuple[str, str]]) -> tuple[Log, ...]:
    """The blocks `log SOURCETYPE [source=NAME] [host=NAME]` of a case."""
    found = []
    for word, body in blocks:
        first, *rest = word.split() or [""]
        if first == "log" and rest:
            given = dict(part.split("=", 1) for part in rest[1:] if "=" in part)
            known = {name: given[name] for name in ("source", "host") if name in given}
            found.append(Log(sourcetype=rest[0], text=body, **known))
    return tuple(found)


def index_logs(given: Iterable[Log], settings: Settings) -> tuple[View, ...]:
    """The events of the logs as Splunk has them; where one has no time of its own it is the search's now."""
    with TemporaryDirectory() as folder:
        telemetry = merge_telemetry(read_log(Path(folder) / f"{i}.log", log, settings) for i, log in enumerate(given))
    return platform("splunk").present(telemetry, {}, raw=True)


def read_log(path: Path, log: Log, settings: Settings) -> Telemetry:
    """The events of one log."""
    # newline="" keeps the page's line ends, on which breaking into events depends.
    path.write_text(log.text, encoding="utf-8", newline="")
    # An event without a time takes the file's, so that is set to the search's now.
    os.utime(path, (settings.now, settings.now))
    reading = Input(
        sourcetype=log.sourcetype,
        source=log.source,
        host=log.host,
        props=settings.props,
        transforms=settings.transforms,
    )
    return read_telemetry(path, reading)
