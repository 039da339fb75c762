"""A document for machines as text; every command that has `--json` writes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Readers compare it; new fields do not raise it.
VERSION = 1


def dumps(document: Mapping[str, Any]) -> str:
    """A document as text, two spaces deep."""
    # ASCII survives every terminal and log; NaN is no JSON, and a reader would fail far away from here.
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
