"""Names of time zones as LogScale takes them."""

from __future__ import annotations

import re

from harness.detection.plan.values.time_format import resolve_zone

ABBREVIATIONS = {
    "z": "UTC",
    "utc": "UTC",
    "gmt": "UTC",
    "pst": "-08:00",
    "pdt": "-07:00",
    "mst": "-07:00",
    "mdt": "-06:00",
    "cst": "-06:00",
    "cdt": "-05:00",
    "est": "-05:00",
    "edt": "-04:00",
    "bst": "+01:00",
    "cet": "+01:00",
    "cest": "+02:00",
    "ist": "+05:30",
    "jst": "+09:00",
    "aest": "+10:00",
}
OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", re.I)


def normalise_zone(text: str) -> str:
    """An IANA name or an offset `+hh:mm`; what is neither stays as it is."""
    plain = text.strip()
    found = OFFSET.fullmatch(plain)
    if found:
        return f"{found[1]}{int(found[2]):02}:{found[3] or '00'}"
    return ABBREVIATIONS.get(plain.lower(), plain or "UTC")


def known_zone(name: str) -> bool:
    """Whether a name that `zone_name` gave is a zone."""
    return resolve_zone(name) is not None
