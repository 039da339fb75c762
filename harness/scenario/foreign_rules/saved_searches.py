"""Saved searches of a Splunk app, as contentctl builds them: the stanzas of savedsearches.conf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.late_pattern import late_pattern
from harness.scenario.foreign_rule import Published
from harness.scenario.sigma.choice import SigmaChoice

# Annotations are JSON of several shapes; a technique is told by its form wherever it stands in them.
TECHNIQUE_IN_TEXT = late_pattern(r"\bT\d{4}(?:\.\d{3})?\b")
FROM_THE_APP = {"description": "description", "action.correlationsearch.label": "title"}


def recognises(content: Any) -> bool:
    """Whether a document is the stanzas of such a file."""
    return isinstance(content, dict) and content.keys() == {"savedsearches"}


def read(path: Path, content: Any, choice: SigmaChoice) -> tuple[Published, ...]:
    """A rule for each stanza that has a search; settings of `[default]` hold for all."""
    every = content["savedsearches"]
    # As Splunk layers settings within one file.
    shared = every.get("default", {})
    found = []
    for name, own in every.items():
        given = {**shared, **own}
        if name != "default" and given.get("search", "").strip():
            found.append(
                Published(name=name, language="spl", text=given["search"], page=build_stanza_page(name, given))
            )
    return tuple(found)


def build_stanza_page(name: str, given: dict[str, str]) -> dict[str, Any]:
    """The page of a stanza: label, description and first technique."""
    said = {ours: given[key] for key, ours in FROM_THE_APP.items() if given.get(key)}
    technique = TECHNIQUE_IN_TEXT.search(given.get("action.correlationsearch.annotations", ""))
    return {"title": name, "platform": "Splunk", **said, "technique": technique[0] if technique else ""}
