"""What a client's search means: its text, its stretch of time, the indexes that it may see, what it refers to."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from harness.detection.language import Settings
from harness.late_pattern import late_pattern
from harness.serve.backend import Backend
from harness.serve.search import SearchRequest
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.index_names import Indexes
from harness.serve.splunk.knowledge import collect_settings
from harness.serve.splunk.roles import list_default_indexes

QUOTED_TEXT = late_pattern(r'"(?:[^"\\]|\\.)*"', re.S)
INLINE_BOUNDS = {
    "earliest": re.compile(r"\b(?:earliest|starttimeu?|starttime|_index_earliest)\s*="),
    "latest": re.compile(r"\b(?:latest|endtimeu?|endtime|_index_latest)\s*="),
}
NAMES_INDEX = late_pattern(
    r"\bindex\s*(?:=|!=|::|\bIN\b)|\b(?:tstats|datamodel|from|metadata|metasearch|mstats|`)", re.I
)
NAMES_INTERNAL = late_pattern(r"\bindex\s*(?:=|::|IN\b)\s*(?:[^|\])]*[\s\"',(])?_", re.I)
FIRST_WORD = late_pattern(r"\s*(\w+)")


def build_search(
    backend: Backend, text: str, user: str, parameters: Mapping[str, str], *, app: str = "search"
) -> SearchRequest:
    """The request of a text. Raises SplunkError for times that are none."""
    now = read_moment(parameters.get("now") or "now", time.time(), "now") or time.time()
    bare = QUOTED_TEXT.sub('""', text)
    settings = collect_settings(backend, app)
    bounds: dict[str, str | float | None] = {}
    for name in ("earliest", "latest"):
        given = parameters.get(f"{name}_time") or parameters.get(f"dispatch.{name}_time") or ""
        bounds[name] = None if INLINE_BOUNDS[name].search(bare) else read_time_bound(given, now, f"{name}_time")
    if INLINE_BOUNDS["earliest"].search(bare):
        # What a search says itself counts, and then it ends now unless it says when.
        bounds["earliest"] = bounds["latest"] = None
    return SearchRequest(
        language="spl",
        text=text,
        now=now,
        begin=bounds["earliest"],
        end=bounds["latest"],
        indexes=choose_indexes(backend, text, user, settings),
        settings=replace(settings, now=now),
    )


def choose_indexes(backend: Backend, text: str, user: str, settings: Settings) -> frozenset[str] | None:
    """The indexes that a search sees: those of the user's roles where it names none; internal ones by name only."""
    names = Indexes.of(backend).names()
    # A macro may name an index.
    whole = text + " ".join(
        str(held.get("definition", ""))
        for name, held in settings.macros.items()
        if f"`{name.partition('(')[0]}" in text
    )
    if not NAMES_INDEX.search(whole):
        return frozenset(list_default_indexes(backend, user))
    if NAMES_INTERNAL.search(whole):
        return frozenset(names)
    return frozenset(name for name in names if not name.startswith("_"))


def read_time_bound(text: str, now: float, name: str) -> float | str | None:
    """A bound of time: a moment, a modifier for the search to work out, None for none. Raises SplunkError."""
    if text.lower().startswith("rt"):
        message = f"Invalid value '{text[:40]}' for {name}: searches in real time are not supported"
        raise SplunkError(400, message, "FATAL")
    found = read_moment(text, now, name)
    return text.strip() if found is None and text.strip() and text.strip() != "0" else found


def read_moment(text: str, now: float, name: str) -> float | None:
    """Epoch seconds of a moment as clients write them; None for none, or where it is a modifier. Raises SplunkError."""
    written = text.strip()
    if written in ("", "0", "all", "alltime"):
        return None
    if written in ("now", "now()"):
        return now
    try:
        return float(written)
    except ValueError:
        pass
    if re.match(r"\d{4}-\d\d-\d\d", written):
        try:
            found = datetime.fromisoformat(written.replace("%2B", "+"))
        except ValueError:
            raise SplunkError(400, f"Invalid {name}.", "FATAL") from None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if not re.fullmatch(r"[+\-@\w]+", written):
        raise SplunkError(400, f"Invalid {name}.", "FATAL")
    return None


def check_first_word(text: str) -> None:
    """Raises SplunkError for a text that begins with neither a pipe nor `search`."""
    written = text.strip()
    if not written:
        raise SplunkError(400, "Empty search.", "FATAL")
    found = FIRST_WORD.match(written)
    # What the API takes is a pipeline; only the search bar puts `search` before it.
    if written[0] in "|[`(" or (found and found[1].lower() == "search"):
        return
    raise SplunkError(400, f"Unknown search command '{(found[1] if found else written[:20])}'.", "FATAL")
