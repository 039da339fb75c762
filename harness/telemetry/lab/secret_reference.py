"""Texts in which a secret stands by the name of its place, and the texts that they become when it is opened again."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from harness.telemetry.lab.secret import OPENED, SecretName

Reference = dict[str, str]
ReferenceText = str | list[str | Reference]
"""A text, or its pieces, of which some are secrets' names: `["net use /user:lab ", {"env": "LAB_PASSWORD"}]`."""


def refer_to_secrets(text: str) -> ReferenceText:
    """A text with the names of secrets in place of their values; itself where it holds none."""
    values = sorted((v for v, name in OPENED.items() if v and (name.env or name.keyring)), key=len, reverse=True)
    if not any(value in text for value in values):
        return text
    pieces = re.split("(" + "|".join(re.escape(v) for v in values) + ")", text)
    return [encode_name(OPENED[p]) if i % 2 else p for i, p in enumerate(pieces) if p]


def encode_name(name: SecretName) -> Reference:
    """A secret's name as data."""
    fields = {"env": name.env, "keyring": name.keyring, "user": name.user}
    return {key: value for key, value in fields.items() if value}


def decode_name(reference: Reference) -> SecretName:
    """The secret's name in data."""
    return msgspec.convert(reference, SecretName)


def open_references(text: ReferenceText) -> str:
    """The text itself. Raises HarnessError, which says the secret's name, where one is not to be had."""
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else decode_name(piece).open().reveal() for piece in text)


def print_references(text: ReferenceText) -> str:
    """The text for people: each secret by the name of its place."""
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else f"<secret: {decode_name(piece)}>" for piece in text)


def list_references(text: ReferenceText) -> Iterator[SecretName]:
    """The names of the secrets in a text."""
    if not isinstance(text, str):
        yield from (decode_name(piece) for piece in text if not isinstance(piece, str))
