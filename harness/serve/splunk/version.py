"""Which Splunk the server says it is: the one whose behaviour the project's captures show."""

from __future__ import annotations

SPLUNK_VERSION = "10.4.0"
BUILD = "detlab"
SERVER_NAME = "detlab"
