"""Secrets: values that no repr, log, traceback, report, recording or JSON shows."""

from __future__ import annotations

import json
import os
from importlib import import_module
from typing import Any, NoReturn
from urllib.parse import quote
from xml.sax.saxutils import escape

import msgspec

from harness.diagnostics import HarnessError

HIDDEN = "<secret>"
# A shorter one would be replaced within ordinary words; a longer one that is a word still is.
SHORTEST_REDACTED = 4

OPENED: set[str] = set()


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
        return from_environment(self.env) if self.env else from_keyring(self.keyring, user)


class Secret:
    """A text that is shown to nobody; only `reveal` gives it, to the library that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keeps the text, and remembers it so that `redacted` can take it out of other texts."""
        self._text = text
        if len(text) >= SHORTEST_REDACTED:
            OPENED.add(text)

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
    return Secret(text)


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
    return Secret(text)


def redact_secrets(text: str) -> str:
    """The text without any secret that was opened, also not as it stands in a URL, in JSON or in XML."""
    # A secret may be a part of a longer one, which would then keep its rest.
    for secret in sorted(OPENED, key=len, reverse=True):
        for form in {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], escape(secret)}:
            text = text.replace(form, HIDDEN)
    return text


def redacted_data(value: Any) -> Any:
    """Plain data without any secret that was opened."""
    if isinstance(value, str):
        return redact_secrets(value)
    if isinstance(value, dict):
        return {redact_secrets(str(k)): redacted_data(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_data(v) for v in value]
    return value
