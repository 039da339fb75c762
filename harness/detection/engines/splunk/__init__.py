"""A real Splunk: searches run over its REST interface, their events made by `makeresults`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from harness.detection.engine import ResultRows
from harness.detection.remote_engine import (
    ProductRecord,
    RejectedByProductError,
    Server,
    build_rows,
    quote_query_text,
    server,
)
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record

REMOTE = True
EXPORT = "/services/search/v2/jobs/export"
INFO = "/services/server/info?output_mode=json"
# Commands that begin a search without events before them (reference/spl.md 2).
GENERATING = late_pattern(
    r"\s*\|\s*(makeresults|inputlookup|inputcsv|tstats|mstats|mcatalog|datamodel|from|rest|metadata|metasearch|"
    r"eventcount|dbinspect|gentimes|loadjob|savedsearch|union|multisearch|pivot|search\s+index)\b",
    re.I,
)
# SYMBOL FOR UNIT SEPARATOR: printable and in no event of a case; no source but that.
MAKERESULTS_SEPARATOR = "\u241f"


@record
class SplunkEngine:
    """A search head."""

    server: Server
    name: str = "splunk"

    def version(self) -> str:
        """The product's name and version."""
        entries = json.loads(self.server.send("GET", INFO, None, {})).get("entry") or [{}]
        return f"Splunk {entries[0].get('content', {}).get('version', 'of unknown version')}"

    def answer(self, text: str, events: Sequence[ProductRecord], *, now: float = 0.0) -> ResultRows:
        """The rows of a search over these events."""
        # Verbose as in the search bar's mode of that name: all fields, not only those that the search names.
        form = {"search": prepend_makeresults(text, events), "output_mode": "json", "adhoc_search_level": "verbose"}
        if now:
            form["now"] = f"{now:.0f}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return build_rows(list(parse_results(self.server.send("POST", EXPORT, urlencode(form), headers))))


def parse_results(answer: str) -> Iterator[dict[str, object]]:
    """The final results among the lines of an answer; what Splunk says against the search is raised."""
    for line in answer.splitlines():
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise RejectedByProductError("rejected", "Splunk's answer is no JSON") from error
        for message in found.get("messages") or ():
            if message.get("type") in ("FATAL", "ERROR"):
                raise RejectedByProductError("rejected", str(message.get("text", "")))
        # Rows of a preview are unfinished; the final ones follow.
        if not found.get("preview") and isinstance(found.get("result"), dict):
            yield found["result"]


def prepend_makeresults(text: str, events: Sequence[ProductRecord]) -> str:
    """The search with its events in front."""
    if GENERATING.match(text):
        if events:
            raise HarnessError("cannot-supply", "the search makes its own events and would not see those of the case")
        return text
    rest = text if text.lstrip().startswith("|") else f"| search {text}"
    return f"{build_makeresults(events)} {rest}"


def build_makeresults(events: Sequence[ProductRecord]) -> str:
    """A pipeline that yields these events: `makeresults`, then each field by the event's number."""
    if not events:
        # makeresults gives at least one row.
        return "| makeresults count=1 | where false()"
    names = list(dict.fromkeys(name for event in events for name in event))
    steps = [f"| makeresults count={len(events)} | streamstats count AS __n"]
    for name in names:
        cases = [f"__n={n},{print_eval_literal(event[name])}" for n, event in enumerate(events, 1) if name in event]
        steps.append(
            f"| eval '{name}'=case({','.join(cases)})"
            if not is_bare_field_name(name)
            else f"| eval {name}=case({','.join(cases)})"
        )
    # makeresults adds `_time` of its own, which events without a time must not have.
    dropped = "__n" if "_time" in names else "__n _time"
    return " ".join([*steps, f"| fields - {dropped}"])


def is_bare_field_name(name: str) -> bool:
    """Whether a field's name needs no quotes."""
    return re.fullmatch(r"[A-Za-z_]\w*", name) is not None


def print_eval_literal(value: str | list[str] | float) -> str:
    """One value as an eval expression."""
    if isinstance(value, list):
        return f"split({quote_query_text(MAKERESULTS_SEPARATOR.join(value))},{quote_query_text(MAKERESULTS_SEPARATOR)})"
    return quote_query_text(value) if isinstance(value, str) else repr(value)


def connect(url_name: str = "SPLUNK_URL", token_name: str = "SPLUNK_TOKEN") -> SplunkEngine:
    """The search head that two environment variables name: its management address and a token."""
    return SplunkEngine(server("Splunk", url_name, token_name))
