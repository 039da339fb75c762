"""What a listener of the lab has written down."""

import json
from typing import Any

from harness.telemetry.lab.services import Running


def seen_by(listener: Running) -> list[dict[str, Any]]:
    """Everything that it saw, in order."""
    return [json.loads(line) for line in listener.log.read_text("utf-8").splitlines()]
