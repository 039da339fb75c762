"""Who may ask: the server's token, users with passwords, tokens and sessions that were given out."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass, field
from secrets import token_hex

from harness.serve.documents import Documents

USERS, TOKEN_KIND = "users", "tokens"
# As Splunk's sessionTimeout.
SESSION_SECONDS = 3600.0
# A bound for clients that log in for each request and never out.
MOST_SESSIONS = 10_000
SCRYPT = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 64 << 20}


@dataclass(slots=True)
class Access:
    """The server's own token, which is also the password of its first user, and what was given out."""

    token: str
    user: str
    documents: Documents
    sessions: dict[str, tuple[str, float]] = field(default_factory=dict)

    def find_user(self, secret: str) -> str | None:
        """Whose token or session a secret is."""
        if hmac.compare_digest(secret.encode(), self.token.encode()):
            return self.user
        session = self.sessions.get(secret)
        if session is not None and time.monotonic() < session[1]:
            self.sessions[secret] = (session[0], time.monotonic() + SESSION_SECONDS)
            return session[0]
        self.sessions.pop(secret, None)
        named = self.documents.read(TOKEN_KIND, hash_token(secret))
        return None if named is None or named.get("status") != "enabled" else str(named["user"])

    def log_in(self, user: str, password: str) -> str | None:
        """A new session; None for a wrong name or password."""
        if not self.is_password(user, password):
            return None
        while len(self.sessions) >= MOST_SESSIONS:
            self.sessions.pop(next(iter(self.sessions)))
        made = token_hex(32)
        self.sessions[made] = (user, time.monotonic() + SESSION_SECONDS)
        return made

    def log_out(self, session: str) -> None:
        """Ends a session."""
        self.sessions.pop(session, None)

    def is_password(self, user: str, password: str) -> bool:
        """Whether it is the user's password."""
        held = self.documents.read(USERS, user)
        if held is None or "password" not in held:
            return user == self.user and hmac.compare_digest(password.encode(), self.token.encode())
        salt, _, known = str(held["password"]).partition("$")
        return hmac.compare_digest(known, hash_password(password, salt))


def hash_token(secret: str) -> str:
    """What is kept of a token: it is random, so a plain hash tells nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def keep_password(password: str) -> str:
    """What is kept of a password: its salt and its hash."""
    salt = token_hex(16)
    return f"{salt}${hash_password(password, salt)}"


def hash_password(password: str, salt: str) -> str:
    """The hash of a password."""
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), dklen=32, **SCRYPT).hex()
