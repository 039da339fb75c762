"""One request of a client of Splunk's management port, read within bounds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request

from harness.serve.splunk.faults import SplunkError

if TYPE_CHECKING:
    from harness.serve.splunk.state import SplunkState

MOST_PARAMETERS = 2_000
FORM = "application/x-www-form-urlencoded"
YES_WORDS = frozenset({"1", "true", "t", "yes", "y", "on"})


@dataclass(slots=True, kw_only=True)
class RestCall:
    """What a client asks: its path without the namespace, the namespace, its parameters, its body.

    `user` is who asks, `secret` what opened the door. `groups` are the parts of the path that the endpoint names.
    """

    state: SplunkState
    method: str
    path: str
    owner: str
    app: str
    parameters: Mapping[str, Sequence[str]]
    body: bytes
    headers: Mapping[str, str]
    user: str = ""
    secret: str = ""
    groups: Mapping[str, str] = field(default_factory=dict)

    def one(self, name: str, otherwise: str = "") -> str:
        """The last value of a parameter."""
        found = self.parameters.get(name)
        return found[-1] if found else otherwise

    def number(self, name: str, otherwise: int) -> int:
        """A parameter that is a whole number. Raises SplunkError."""
        text = self.one(name, str(otherwise))
        try:
            return int(float(text)) if text else otherwise
        except (ValueError, OverflowError):
            raise SplunkError(400, f"Invalid value for argument {name}: {text[:60]}") from None

    def flag(self, name: str, otherwise: bool = False) -> bool:
        """A parameter that says yes or no."""
        found = self.one(name).strip().lower()
        return found in YES_WORDS if found else otherwise

    @property
    def mode(self) -> str:
        """The output mode: `xml` unless it says otherwise."""
        return self.one("output_mode", "xml").lower()


def read_parameters(request: Request, body: bytes) -> dict[str, list[str]]:
    """Parameters of the address and of a form. Raises SplunkError where they are too many."""
    written = [request.url.query]
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if kind == FORM and body:
        written.append(body.decode("utf-8", "replace"))
    found: dict[str, list[str]] = {}
    try:
        for text in written:
            for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS):
                found.setdefault(name, []).append(value)
    except ValueError:
        # A raw text that a client sends without saying so is no form.
        if not request.url.query and not body.startswith(b"{"):
            raise SplunkError(400, "Too many arguments") from None
    return found


def find_secret(headers: Mapping[str, str]) -> tuple[str, str]:
    """Scheme and secret of a request: of its authorization, or of its cookie."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("splunk", "bearer") and secret.strip():
        return "token", secret.strip()
    if scheme.lower() == "basic":
        try:
            return "basic", base64.b64decode(secret, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
    for cookie in headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name.startswith("splunkd_"):
            return "token", value.strip('"')
    return "", ""
