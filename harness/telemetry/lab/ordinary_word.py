"""Passwords that cannot be told from ordinary telemetry: where one is hidden or counted, evidence would be too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.telemetry.lab.secret import Secret

# Eight characters are the least of NIST SP 800-63B, 3.1.1.2; one word of letters that long is in any dictionary.
SHORTEST_PASSWORD = 8
LONGEST_WORD = 15
LETTERS = str.maketrans("013457@$!|", "oleastasil")
COMMON_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    admin administrator administrators ansible appdata application atomic atomics atomicredteam autumn baseball blueteam
    change changeme company computer default desktop detection detlab detonator docker documents domain downloads dragon
    event events football guest hello iloveyou letmein local login master microsoft monkey network operational passwd
    passwort password powershell princess process program programdata programfiles public purple qwerty qwertz redteam
    remote roaming root secret secure security server service services shadow spring summer sunshine superman sysmon
    system systemroot task tasks temp test tester testing trustno user username users vagrant virtual welcome windows
    windowsdefender winter work workgroup workstation
    """,
    )
)
COMMON_ROWS = ("1234567890", "0987654321", "qwertyuiop", "qwertzuiop", "asdfghjkl", "abcdefghijklmnopqrstuvwxyz")


def describe_ordinary_word(secret: Secret, names: Mapping[str, str], texts: Iterable[tuple[str, str]]) -> str:
    """Why a secret is a word of ordinary telemetry; nothing where it is none.

    `names` are what events hold (a user, a host) by what each is called, `texts` the tests' own by their names.
    """
    text = secret.reveal()
    low = text.lower()
    if len(text) < SHORTEST_PASSWORD:
        return f"it has fewer than {SHORTEST_PASSWORD} characters"
    for what, name in names.items():
        if name and low in name.lower():
            return f"it is {what} or a part of it"
    if is_common(low):
        return "it is a common word, with or without figures"
    if text.isalpha() and len(text) <= LONGEST_WORD:
        return "it is one word of letters"
    if re.fullmatch(r"[\d\W_]+", text):
        return "it is figures and signs only, as times, numbers and addresses are"
    for name, found in texts:
        if low in found.lower():
            return f"it stands in the text of {name}"
    return ""


def is_common(low: str) -> bool:
    """Whether a word is common once its figures are read as letters, or left out at its ends."""
    bare = re.sub(r"^[\d\W_]+|[\d\W_]+$", "", low)
    candidates = {low, bare, bare.translate(LETTERS), low.translate(LETTERS), low.translate(LETTERS).rstrip("il")}
    return not COMMON_WORDS.isdisjoint(candidates) or any(low in row for row in COMMON_ROWS)
