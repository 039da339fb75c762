"""LogScale's exports: saved queries, alerts, scheduled searches and dashboards of a package; lists from its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.scenario.foreign_rule import Published, as_texts_tuple, find_at_keys
from harness.scenario.sigma.choice import SigmaChoice


def recognises(content: Any) -> bool:
    """Whether a document holds at least one query of LogScale."""
    return next(queries(content), None) is not None


def read(path: Path, content: Any, choice: SigmaChoice) -> tuple[Published, ...]:
    """A rule for each query of the document."""
    return tuple(
        Published(name=name, language="cql", text=text, page=build_export_page(name, entry))
        for name, text, entry in queries(content)
    )


def queries(content: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, text and entry of each query: of the document itself, of the widgets of a dashboard, of a list."""
    entries = content if isinstance(content, list) else [content]
    for entry in entries:
        # Sigma and security_content have such keys and may have a `query` as well.
        if not isinstance(entry, dict) or "detection" in entry or "search" in entry:
            continue
        name = str(entry.get("name") or entry.get("title") or "query")
        for text in (
            entry.get("queryString"),
            find_at_keys(entry, "query", "queryString"),
            find_at_keys(entry, "query", "query"),
        ):
            if isinstance(text, str):
                yield name, text, entry
                break
        widgets = entry.get("widgets")
        if isinstance(widgets, dict):
            for key, widget in widgets.items():
                if isinstance(widget, dict) and isinstance(widget.get("queryString"), str):
                    yield f"{name} - {widget.get('title') or key}", widget["queryString"], entry


def build_export_page(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The page of an exported query."""
    return {
        "title": name,
        "id": str(entry.get("id") or ""),
        "description": str(entry.get("description") or ""),
        "author": ", ".join(as_texts_tuple(entry.get("author"))),
        "license": str(entry.get("license") or ""),
        "platform": "LogScale",
    }
