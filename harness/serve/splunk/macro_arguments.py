"""Macros as clients define them: their arguments counted in the name."""

from __future__ import annotations

from harness.late_pattern import late_pattern
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import ConfStanza
from harness.serve.splunk.faults import SplunkError

COUNT = late_pattern(r"\((\d+)\)$")


def check_macro(_: RestCall, stanza: ConfStanza) -> None:
    """Raises SplunkError for a macro without definition, or whose name counts other arguments than it has."""
    if "definition" not in stanza.settings:
        raise SplunkError(400, "The following required arguments are missing: definition.")
    found = COUNT.search(stanza.name)
    given = [name for name in str(stanza.settings.get("args", "")).split(",") if name.strip()]
    if (int(found[1]) if found else 0) != len(given):
        message = f"In handler 'macros': the name '{stanza.name[:60]}' does not count its {len(given)} arguments"
        raise SplunkError(400, message)
