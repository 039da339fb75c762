"""`storage/passwords`: kept for the time of the server only, in memory and never on disk."""

from __future__ import annotations

from starlette.responses import Response

from harness.serve.splunk.atom import Entry, respond_entry
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError

ENDPOINTS = Endpoints()
PASSWORDS_PATH = "storage/passwords"
MOST_PASSWORDS = 1_000
# How Splunk shows that it has one.
HIDDEN = "********"


def password_name(realm: str, user: str) -> str:
    """The name of a password: realm and user, each with a colon behind it; one of their own is escaped."""
    return "".join(f"{part.replace(':', chr(92) + ':')}:" for part in (realm, user))


def spell_password_name(realm: str, user: str) -> tuple[str, ...]:
    """How clients spell the name of a password."""
    return (password_name(realm, user), f"{realm}:{user}:", f"{user}:")


def password_entry(realm: str, user: str, secret: str) -> Entry:
    """A password as an entity, readable as it is in Splunk for who may."""
    content = {
        "clear_password": secret,
        "encr_password": "$7$" + HIDDEN,
        "password": HIDDEN,
        "realm": realm or None,
        "username": user,
    }
    return Entry(name=password_name(realm, user), path=PASSWORDS_PATH, content=content, app="search", sharing="app")


@ENDPOINTS.answer(PASSWORDS_PATH, "GET", "POST")
async def list_passwords(call: RestCall) -> Response:
    """All passwords, or a new one."""
    kept = call.state.passwords
    if call.method == "GET":
        entries = [password_entry(*parts, secret) for parts, secret in kept.items()]
        return respond_page(call, "passwords", PASSWORDS_PATH, entries)
    user, realm, secret = call.one("name"), call.one("realm"), call.one("password")
    if not user or not secret:
        raise SplunkError(400, "The following required arguments are missing: name, password.")
    if (realm, user) in kept:
        raise SplunkError(409, f"Unable to create: {user[:60]} already exists.")
    if len(kept) >= MOST_PASSWORDS:
        raise SplunkError(503, "There are too many passwords.")
    kept[realm, user] = secret
    return respond_entry(call.mode, password_entry(realm, user, secret), "passwords", 201)


@ENDPOINTS.answer(PASSWORDS_PATH + "/{name}", "GET", "POST", "DELETE")
async def change_password(call: RestCall) -> Response:
    """One password, seen, changed or removed."""
    kept = call.state.passwords
    name = call.groups["name"]
    # Clients leave out an empty realm.
    found = next(
        (parts for parts in kept if name in (password_name(*parts), ":".join((*parts, "")), f"{parts[1]}:")), None
    )
    if found is None:
        raise SplunkError(404, f"Could not find object id={name[:100]}")
    if call.method == "DELETE":
        del kept[found]
        call.method = "GET"
        return await list_passwords(call)
    if call.method == "POST":
        kept[found] = call.one("password") or kept[found]
    return respond_entry(call.mode, password_entry(*found, kept[found]), "passwords")
