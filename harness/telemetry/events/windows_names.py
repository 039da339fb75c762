"""What shippers call the System fields of a Windows event, and how they print their values."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.late_pattern import late_pattern

SPELLINGS = {
    "Provider_Name": "provider providername provider_name system_provider_name source sourcename eventsourcename",
    "Provider_Guid": "providerguid providerid sourceguid",
    "EventID": "eventid eventcode id eventidvalue eventidid eventidentifier eventidtext",
    "Version": "version eventversion",
    "Level": "level eventlevel severitylevel leveltext",
    "Task": "task taskcategoryid eventcategory",
    "Opcode": "opcode opcodevalue opcodeid",
    "Keywords": "keywords keyword keywords0",
    "SystemTime": "timecreated timecreatedsystemtime systemtime timegenerated",
    "EventRecordID": "eventrecordid recordid recordnumber eventrecordnumber",
    "Correlation_ActivityID": "activityid correlationactivityid correlation",
    "Correlation_RelatedActivityID": "relatedactivityid correlationrelatedactivityid",
    "Execution_ProcessID": "processid executionprocessid processpid systemprocessid executionpid",
    "Execution_ThreadID": "threadid executionthreadid processthreadid systemthreadid executiontid",
    "Channel": "channel logname eventlog log logfile eventchannel",
    "Computer": "computer computername machinename hostname",
    "Security_UserID": "userid securityuserid security useridentifier usersid sid systemuserid useridvalue securitysid",
    "Qualifiers": "qualifiers eventidqualifiers",
    "Provider_EventSourceName": "providereventsourcename",
}
"""Each System field's names with shippers, without marks and in lower case."""

NAMES_BY_SPELLING = {word.replace("_", ""): name for name, words in SPELLINGS.items() for word in words.split()}

LEVEL_NUMBERS = {
    "logalways": "0",
    "critical": "1",
    "error": "2",
    "warning": "3",
    "verbose": "5",
    "successaudit": "0",
    "failureaudit": "0",
}
"""Names of levels (winmeta.xml) with shippers."""

KEYWORD_BITS = {
    "classic": 1 << 55,
    "correlationhint": 1 << 52,
    "auditsuccess": 1 << 53,
    "auditfailure": 1 << 52,
    "sqm": 1 << 51,
    "wdidiagnostic": 1 << 50,
    "wdicontext": 1 << 49,
    "responsetime": 1 << 48,
}
"""Names of the keywords that all channels share (winmeta.xml)."""

# The Security channel sets it on all its events beside the audit's own bit.
AUDIT_CHANNEL = 1 << 63


@lru_cache(maxsize=8192)
def fold_name(name: str) -> str:
    """A name without marks and in lower case, by which two spellings of it are equal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def system_field(name: str) -> str | None:
    """The System field that a shipper calls so; None for a name that is none."""
    return NAMES_BY_SPELLING.get(fold_name(name))


@lru_cache(maxsize=256)
def level_number(level: str, information: str) -> str | None:
    """A level as the event's XML has it: a number, that of `information` given; None for an unknown word."""
    folded = fold_name(level)
    return information if folded in ("info", "information", "informational") else LEVEL_NUMBERS.get(folded)


@lru_cache(maxsize=1024)
def hexadecimal_keywords(keywords: str) -> str | None:
    """Keywords as the event's XML has them; shippers print a signed number, hexadecimal digits or words.

    None for words that not all channels share.
    """
    text = keywords.strip()
    if text.lstrip("-").isdecimal() and len(text) <= 20:
        # The same 64 bits: -9223372036854775808 is 0x8000000000000000.
        return f"0x{int(text) & 0xFFFFFFFFFFFFFFFF:x}"
    if text[:2].lower() == "0x":
        return text.lower()
    words = [fold_name(word) for word in re.split(r"[,;|]", text.strip("[]")) if word.strip()]
    if not words or any(word not in KEYWORD_BITS for word in words):
        return None
    bits = AUDIT_CHANNEL if any(word.startswith("audit") for word in words) else 0
    for word in words:
        bits |= KEYWORD_BITS[word]
    return f"0x{bits:x}"


BRACED_GUID = late_pattern(r"\{?([0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})\}?")


@lru_cache(maxsize=4096)
def braced_guid(text: str, *, upper: bool = False) -> str:
    """A GUID in its braces; other texts unchanged."""
    found = BRACED_GUID.fullmatch(text)
    return text if found is None else f"{{{found[1].upper() if upper else found[1]}}}"
