"""How values are written in props.conf and transforms.conf."""

from __future__ import annotations

import re

GROUP_REFERENCE = re.compile(r"\$(\d+)")
# A name may hold single colons; two of them end it.
TEMPLATE = re.compile(r"(\"[^\"]*\"|[^\s\":]+(?::[^\s\":]+)*)::(\"[^\"]*\"|\S+)")
FORMAT_STRING = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,\s][^,]*))\s*(?:,|$)', re.S)
BACKSLASH_ESCAPE = re.compile(r"\\(.)", re.S)
ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
YES, NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")


def parse_yes_no(written: str | None, default: bool) -> bool:
    """A boolean setting in any of Splunk's spellings; the default for another word."""
    word = (written or "").strip().lower()
    return True if word in YES else False if word in NO else default


def parse_whole_setting(written: str | None, default: int) -> int:
    """A whole-number setting of at most nine digits; the default for another text."""
    word = (written or "").strip()
    return int(word) if re.fullmatch(r"-?\d{1,9}", word) else default


def strings(written: str) -> list[str]:
    r"""A list of texts in quotes or bare; `\t` is a tab."""
    found = []
    for quoted, bare in FORMAT_STRING.findall(written.strip()):
        found.append(BACKSLASH_ESCAPE.sub(lambda m: ESCAPES.get(m[1], m[1]), quoted or bare.strip()))
    return [f for f in found if f]


def parse_format_pairs(written: str) -> list[tuple[str, str]]:
    """The pairs of a FORMAT: `name::value name::value`."""
    return [(key.strip('"'), value.strip('"')) for key, value in TEMPLATE.findall(written)]
