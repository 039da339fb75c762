"""A document for machines as text; every command that has `--json` writes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.late_module import LateModule

if TYPE_CHECKING:
    import msgspec
else:
    msgspec = LateModule("msgspec")

# Readers compare it; new fields do not raise it.
VERSION = 1


def dumps(document: Mapping[str, Any]) -> str:
    """A document as text, two spaces deep."""
    # ASCII survives every terminal and log; NaN is no JSON, and a reader would fail far away from here.
    text = json.dumps(document, ensure_ascii=True, allow_nan=False)
    # Indented afterwards: with `indent` Python's own encoder writes it value by value, which takes three times as long.
    try:
        return msgspec.json.format(text, indent=2) + "\n"
    except msgspec.DecodeError:
        # Half of a character that UTF-16 writes as two is JSON by the grammar, and msgspec refuses it.
        return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=2) + "\n"
