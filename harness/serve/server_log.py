"""The server's log: lines on stderr for whoever runs it, from whichever of its processes."""

from __future__ import annotations

import sys
import time

LONGEST_LOGGED = 300


def write_log(message: str) -> None:
    """Writes a line with the time; what clients sent may be in it."""
    safe = "".join(c if c.isprintable() else "?" for c in message[:LONGEST_LOGGED])
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {safe}\n")
    sys.stderr.flush()
