"""Detections as splunk/security_content and contentctl write them: YAML with a `search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.scenario.foreign import Published, at, several


def recognises(content: Any) -> bool:
    """Whether a document is a detection, baseline or investigation."""
    return isinstance(content, dict) and isinstance(content.get("search"), str) and "name" in content


def read(path: Path, content: Any) -> tuple[Published, ...]:
    """The one rule."""
    name = str(content["name"])
    return (Published(name=name, language="spl", text=content["search"], page=page(content)),)


def page(content: Any) -> dict[str, Any]:
    """What the page says of its rule."""
    techniques = several(at(content, "tags", "mitre_attack_id") or content.get("mitre_attack_id"))
    return {
        "title": str(content["name"]),
        "id": str(content.get("id") or ""),
        "description": str(content.get("description") or ""),
        "author": ", ".join(several(content.get("author"))),
        "license": str(content.get("license") or ""),
        "technique": techniques[0] if techniques else "",
        "confidence": str(at(content, "tags", "confidence") or ""),
        "platform": "Splunk",
        "data_sources": several(content.get("data_source")),
        "false_positives": several(content.get("known_false_positives")),
        "references": several(content.get("references")),
    }
