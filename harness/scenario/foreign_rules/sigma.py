"""Sigma rules: converted by pySigma for Splunk and for LogScale."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError
from harness.scenario.foreign_rule import Published, as_texts_tuple

TECHNIQUE_TAG = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.I)
# The licence asks that author and licence go with the rule and with what it finds.
LICENCE = "DRL-1.1 (SigmaHQ) unless the rule says otherwise"


def recognises(content: Any) -> bool:
    """Whether a document is one Sigma rule."""
    return isinstance(content, dict) and {"title", "logsource", "detection"} <= content.keys()


def read(path: Path, content: Any) -> tuple[Published, ...]:
    """The rule in both languages."""
    try:
        conversion: Callable[[str], dict[str, str]] = import_module("harness.scenario.sigma_conversion").convert_sigma
    except ImportError as error:
        hint = "pip install 'detlab[sigma]'"
        raise HarnessError("needs-extra", f"{path} is a Sigma rule, and pySigma is not installed", help=hint) from error
    texts = conversion(path.read_text("utf-8-sig"))
    name = str(content["title"])
    about = build_sigma_page(content)
    return tuple(
        Published(name=name, language=each, text=text, page=about, converted=True) for each, text in texts.items()
    )


def build_sigma_page(content: Any) -> dict[str, Any]:
    """The page of a Sigma rule; author and licence stay with it."""
    techniques = [m[1].upper() for m in map(TECHNIQUE_TAG.fullmatch, as_texts_tuple(content.get("tags"))) if m]
    source = content.get("logsource")
    return {
        "title": str(content["title"]),
        "id": str(content.get("id") or ""),
        "description": str(content.get("description") or ""),
        "author": ", ".join(as_texts_tuple(content.get("author"))),
        "license": str(content.get("license") or LICENCE),
        "technique": techniques[0] if techniques else "",
        "level": str(content.get("level") or ""),
        "data_sources": tuple(f"{k}: {v}" for k, v in source.items()) if isinstance(source, dict) else (),
        "false_positives": as_texts_tuple(content.get("falsepositives")),
        "references": as_texts_tuple(content.get("references")),
    }
