"""Detections as splunk/security_content and contentctl write them: YAML with a `search`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.scenario.foreign_rule import Published, as_texts_tuple, find_at_keys
from harness.scenario.sigma.choice import SigmaChoice


def recognises(content: Any) -> bool:
    """Whether a document is a detection, baseline or investigation."""
    return isinstance(content, dict) and isinstance(content.get("search"), str) and "name" in content


def read(path: Path, content: Any, choice: SigmaChoice) -> tuple[Published, ...]:
    """The rule of a detection, its `search`."""
    name = str(content["name"])
    return (Published(name=name, language="spl", text=content["search"], page=build_detection_page(content)),)


def build_detection_page(content: Any) -> dict[str, Any]:
    """The page of a detection."""
    techniques = as_texts_tuple(find_at_keys(content, "tags", "mitre_attack_id") or content.get("mitre_attack_id"))
    return {
        "title": str(content["name"]),
        "id": str(content.get("id") or ""),
        "description": str(content.get("description") or ""),
        "author": ", ".join(as_texts_tuple(content.get("author"))),
        "license": str(content.get("license") or ""),
        "technique": techniques[0] if techniques else "",
        "confidence": str(find_at_keys(content, "tags", "confidence") or ""),
        "platform": "Splunk",
        "data_sources": as_texts_tuple(content.get("data_source")),
        "false_positives": as_texts_tuple(content.get("known_false_positives")),
        "references": as_texts_tuple(content.get("references")),
    }
