"""Times as logs write them, read as microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MOMENT_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def parse_microseconds(text: str | None) -> int | None:
    """An ISO time or an epoch number (seconds, milliseconds, micro- or nanoseconds); None for all else.

    A time without a zone is UTC: every log that writes one so means it.
    """
    if not text:
        return None
    try:
        # Cheaper than trying both: an ISO time has its first dash there, an epoch number never.
        if text[4:5] == "-":
            moment = datetime.fromisoformat(text)
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (zoned - MOMENT_ORIGIN) // MICROSECOND
        return from_epoch(text)
    except (ValueError, OverflowError):
        return None


def from_epoch(text: str) -> int | None:
    """An epoch number as microseconds; its size tells its unit: seconds up to the year 5138, else a thousandth part."""
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or len(whole) > 19 or (fraction and not fraction.isdecimal()):
        return None
    # 11 digits of seconds reach the year 5138; 14 of milliseconds the same, 17 of microseconds too.
    digits = len(whole)
    unit = 1_000_000 if digits <= 11 else 1_000 if digits <= 14 else 1
    number = int(whole)
    if digits > 17:
        return number // 1000
    return number * unit + (int(fraction.ljust(6, "0")[:6]) * unit // 1_000_000 if fraction else 0)
