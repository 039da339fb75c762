"""What Splunk says where it cannot do what a client asks."""

from __future__ import annotations


class SplunkError(Exception):
    """An answer with a status and a message; `kind` is that of the message."""

    def __init__(self, status: int, text: str, kind: str = "ERROR") -> None:
        super().__init__(text)
        self.status, self.text, self.kind = status, text, kind
