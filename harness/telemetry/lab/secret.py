"""Secrets: values that no repr, log, traceback, report, journal or JSON shows, only where each is kept."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape as html_escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import msgspec

from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.late_pattern import late_pattern
from harness.record import record

if TYPE_CHECKING:
    from xml.sax import saxutils
else:
    # It brings all of HTTP along, and every simulated attack knows this module.
    saxutils = LateModule("xml.sax.saxutils")

HIDDEN = "<secret>"
# A shorter one would be replaced within ordinary words; a longer one that is a word still is.
SHORTEST_REDACTED = 4
DOUBLE_QUOTE, SINGLE_QUOTE = {'"': "&quot;"}, {"'": "&apos;"}
MARKUP = late_pattern(r"</[A-Za-z][\w:.-]*\s*>|<[A-Za-z][^<>]*/>")


@record(kw_only=True)
class SecretName:
    """Where a secret is kept: an environment variable, or a service and a user in the system's keyring."""

    env: str = ""
    keyring: str = ""
    user: str = ""

    def __str__(self) -> str:
        if self.env:
            return f"the environment variable {self.env}"
        return f"the keyring's entry {self.keyring} for {self.user}" if self.keyring else "a secret without a name"

    def open(self) -> Secret:
        """The secret itself. Raises HarnessError where it is not to be had."""
        return from_environment(self.env) if self.env else from_keyring(self.keyring, self.user)


OPENED: dict[str, SecretName] = {}


class SecretSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a secret is kept: the name of an environment variable, or a service in the system's keyring."""

    env: str = ""
    keyring: str = ""

    def open(self, user: str) -> Secret:
        """The secret itself. Raises HarnessError where there is none."""
        if bool(self.env) == bool(self.keyring):
            help = "write password: {env: NAME}"
            raise HarnessError(
                "secret-source", "a secret is either in an environment variable or in a keyring", help=help
            )
        return SecretName(env=self.env, keyring=self.keyring, user=user if self.keyring else "").open()


class Secret:
    """A text that is shown to nobody; only `reveal` gives it, to the library that needs it."""

    __slots__ = ("_text", "name")

    def __init__(self, text: str, name: SecretName | None = None) -> None:
        """Keeps the text, and remembers it and where it is kept so that other texts need not show it."""
        self._text = text
        self.name = name or SecretName()
        if name or text not in OPENED:
            OPENED[text] = self.name

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    __hash__ = None  # type: ignore[assignment]


def from_environment(name: str) -> Secret:
    """The secret in an environment variable."""
    text = os.environ.get(name, "")
    if not text:
        raise HarnessError(
            "no-secret", f"the environment variable {name} is not set", help=f"read -rs {name}; export {name}"
        )
    return Secret(text, SecretName(env=name))


def from_keyring(service: str, user: str) -> Secret:
    """The secret that the system's keyring holds for a service and a user."""
    try:
        text = import_module("keyring").get_password(service, user)
    except ImportError as error:
        raise HarnessError(
            "no-keyring", "the package `keyring` is not there", help="pip install detlab[lab]"
        ) from error
    except Exception as error:
        raise HarnessError("no-keyring", f"the system's keyring does not answer: {type(error).__name__}") from error
    if not text:
        hint = f"keyring set {service} {user}"
        raise HarnessError("no-secret", f"the keyring has no entry {service} for {user}", help=hint)
    return Secret(text, SecretName(keyring=service, user=user))


def list_spellings(text: str) -> set[str]:
    """A secret as it stands in plain text, in a URL, in JSON and in XML."""
    xml = {
        saxutils.escape(text, {**double, **single}) for double in ({}, DOUBLE_QUOTE) for single in ({}, SINGLE_QUOTE)
    }
    coded = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html_escape(text)}
    return {text, quote(text, safe=""), quote(text), *coded, *xml}


def compile_secrets() -> tuple[re.Pattern[str], Mapping[str, SecretName]] | None:
    """A pattern of every spelling of every secret that was opened, and whose spelling each is; None without secrets."""
    spellings = {
        s: name for text, name in OPENED.items() if len(text) >= SHORTEST_REDACTED for s in list_spellings(text)
    }
    if not spellings:
        return None
    longest_first = sorted(spellings, key=len, reverse=True)
    return re.compile("|".join(re.escape(s) for s in longest_first)), spellings


def hide_secrets(text: str) -> tuple[str, int]:
    """The text for people without any secret that was opened, and how many values are hidden; XML stays XML."""
    compiled = compile_secrets()
    if compiled is None:
        return text, 0
    return compiled[0].subn(saxutils.escape(HIDDEN) if MARKUP.search(text) else HIDDEN, text)


def redact_secrets(text: str) -> str:
    """The text for people without any secret that was opened: for screens, logs and reports, never to be executed."""
    return hide_secrets(text)[0]


def count_secrets(texts: Iterable[str]) -> Mapping[SecretName, int]:
    """How often each secret that was opened occurs in texts."""
    compiled = compile_secrets()
    if compiled is None:
        return {}
    pattern, spellings = compiled
    return Counter(spellings[m.group()] for text in texts for m in pattern.finditer(text))


def redacted_data(value: Any) -> Any:
    """Plain data for people without any secret that was opened."""
    if isinstance(value, str):
        return redact_secrets(value)
    if isinstance(value, dict):
        return {redact_secrets(str(k)): redacted_data(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_data(v) for v in value]
    return value
