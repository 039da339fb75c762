"""Names of time zones as LogScale takes them."""

from __future__ import annotations

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


def zone_name(text: str) -> str:
    """An IANA name or an offset; what is neither stays for the engine to refuse."""
    return ABBREVIATIONS.get(text.strip().lower(), text.strip() or "UTC")
