"""Values of Windows events as their XML has them, whatever decoders and shippers made of them; a column at a time."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.manifests import PROVIDER_GUIDS, list_typed_names
from harness.telemetry.events.text_columns import without_empty
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, repair_values
from harness.telemetry.events.windows_names import braced_guid, hexadecimal_keywords, level_number

OPCODE_NUMBERS = {"info": "0", "start": "1", "stop": "2", "open": "11", "close": "12"}
"""Names of opcodes that mean the same with every provider (winmeta.xml; Open and Close are PowerShell's use of it)."""

NUMBERED = frozenset({"Task", "Opcode", "Version"})
# A spreadsheet's or Kibana's number has commas between thousands.
COUNTED = frozenset({"EventRecordID", "Execution_ProcessID", "Execution_ThreadID"})

ISO_TIME = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"


def restore_values(name: str, provider: str, kind: str) -> Callable[[pa.Array], pa.Array]:
    """What is to be done to the distinct values of a field of the events of one kind."""
    if name in SYSTEM_FIELDS:
        return lambda values: restore_system_values(name, provider, without_empty(repair_values(values)))
    hexadecimal, guids = list_typed_names(provider, kind)
    if name in hexadecimal:
        return restore_hexadecimal
    return restore_guids if name in guids else repair_values


def restore_system_values(name: str, provider: str, values: pa.Array) -> pa.Array:
    """Values of a System field: levels and keywords as numbers, a GUID in braces, times only where they are ISO."""
    if name == "Level":
        # Security's events are of level 0, which Windows shows as Information too.
        information = "0" if provider == "Microsoft-Windows-Security-Auditing" else "4"
        return change_odd_values(values, r"^\d+$", lambda text: level_number(text, information))
    if name == "Keywords":
        return change_odd_values(values, r"^0x[0-9a-f]+$", hexadecimal_keywords)
    if name == "Provider_Guid":
        known = PROVIDER_GUIDS.get(provider, "")
        braced = change_odd_values(values, r"^\{", braced_guid)
        return (
            change_odd_values(braced, f"^{re.escape(known)}$", lambda text: restore_case(text, known))
            if known
            else braced
        )
    if name in ("Correlation_ActivityID", "Correlation_RelatedActivityID"):
        return restore_guids(values)
    if name == "Security_UserID":
        return change_odd_values(values, r"^S-1-", lambda text: None if text == "N/A" else text)
    if name == "SystemTime":
        return change_odd_values(values, ISO_TIME, lambda text: None)
    if name in COUNTED:
        return change_odd_values(values, r"^\d+$", lambda text: text.replace(",", ""))
    if name in NUMBERED:
        numbers = OPCODE_NUMBERS if name == "Opcode" else {}
        # A word for it is in the language of a machine, and no rule asks for that.
        return change_odd_values(values, r"^\d+$", lambda text: numbers.get(text.lower()))
    return values


def restore_provider_guid(values: pa.Array, known: str) -> pa.Array:
    """Identities of a provider in braces; that of a known one as Windows prints it."""
    braced = change_odd_values(values, r"^\{", braced_guid)
    if not known:
        return braced
    return change_odd_values(braced, f"^{re.escape(known)}$", lambda text: restore_case(text, known))


def restore_case(text: str, known: str) -> str:
    """The known spelling of a text that differs from it in case alone."""
    return known if text.lower() == known.lower() else text


def change_odd_values(values: pa.Array, usual: str, change: Callable[[str], str | None]) -> pa.Array:
    """The values with `change` made to those that do not look as usual."""
    odd = pc.invert(pc.match_substring_regex(values, usual))
    if not pc.any(odd).as_py():
        return values
    return pa.array(
        [change(text) if is_odd else text for text, is_odd in zip(values.to_pylist(), odd.to_pylist(), strict=True)],
        pa.string(),
    )


def restore_hexadecimal(values: pa.Array) -> pa.Array:
    """Numbers that the log prints in hexadecimal; decoders print their digits, or zeros before them."""
    return change_odd_values(values, r"^(0x[1-9A-Fa-f][0-9A-Fa-f]*|0x0|-|)$", format_hexadecimal)


def format_hexadecimal(text: str) -> str:
    """A number as `0x1a4`; other texts unchanged."""
    if text.isdecimal():
        return f"0x{int(text):x}"
    try:
        # Leading zeros are those of tools: 0x00000000000003E7.
        return f"0x{int(text, 16):x}" if text[:2].lower() == "0x" else text
    except ValueError:
        return text


# Either case and with or without braces: shippers write small letters, decoders leave the braces out.
ANY_GUID = r"^\{?([0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})\}?$"


def restore_guids(values: pa.Array) -> pa.Array:
    """GUIDs in braces and capitals, as the log prints data of that type."""
    upper = pc.utf8_upper(values)
    if pc.all(pc.and_(pc.equal(upper, values), pc.starts_with(values, "{"))).as_py():
        return values
    return pc.if_else(
        pc.match_substring_regex(values, ANY_GUID), pc.replace_substring_regex(upper, ANY_GUID, r"{\1}"), values
    )
