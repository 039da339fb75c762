"""Who clients are: login, tokens, users, roles, capabilities."""

from __future__ import annotations

import time
from collections.abc import Mapping
from secrets import token_urlsafe
from typing import Any

from starlette.responses import Response

from harness.serve.access import SESSION_SECONDS, TOKENS, USERS, hash_token, keep_password
from harness.serve.splunk.atom import Entry, Feed, respond_entry, respond_values
from harness.serve.splunk.call import RestCall
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_page import respond_page
from harness.serve.splunk.faults import SplunkError
from harness.serve.splunk.roles import CAPABILITIES, ROLES, list_roles, list_user_roles

ENDPOINTS = Endpoints()


@ENDPOINTS.answer("auth/login", "POST", open=True)
async def log_in(call: RestCall) -> Response:
    """A session for a name and a password."""
    session = call.state.backend.access.log_in(call.one("username"), call.one("password"))
    if session is None:
        raise SplunkError(401, "Login failed", "WARN")
    answer = respond_values({"sessionKey": session}, call.mode)
    if call.flag("cookie"):
        answer.set_cookie("splunkd_8089", session, httponly=True, secure=True, max_age=int(SESSION_SECONDS))
    return answer


@ENDPOINTS.answer("authentication/current-context(?:/context)?")
async def show_context(call: RestCall) -> Response:
    """Who asks."""
    content = {
        "username": call.user,
        "realname": call.user,
        "email": "",
        "roles": list_user_roles(call.state.backend, call.user),
        "capabilities": list(CAPABILITIES),
        "defaultApp": "search",
        "tz": "",
    }
    entry = Entry(name="context", path="authentication/current-context", content=content, removable=False)
    return respond_entry(call.mode, entry, "current-context")


@ENDPOINTS.answer("authentication/httpauth-tokens(?:/(?P<name>[^/]+))?", "GET", "DELETE")
async def end_session(call: RestCall) -> Response:
    """Sessions; the one in the path ends."""
    if call.method == "DELETE":
        call.state.backend.access.log_out(call.groups["name"])
    return Feed(title="httpauth-tokens", path="authentication/httpauth-tokens", entries=[]).respond(call.mode)


@ENDPOINTS.answer("authorization/tokens", "POST")
async def create_token(call: RestCall) -> Response:
    """A token for a user, which is shown once."""
    user = call.one("name")
    if user not in user_entries(call):
        raise SplunkError(400, f'User "{user[:60]}" does not exist')
    secret, number = token_urlsafe(48), token_urlsafe(12)
    document = {"id": number, "user": user, "audience": call.one("audience"), "status": "enabled", "made": time.time()}
    call.state.backend.documents.write(TOKENS, hash_token(secret), document)
    entry = token_entry(document, {"token": secret, "id": number})
    return respond_entry(call.mode, entry, "tokens", 201)


@ENDPOINTS.answer("authorization/tokens", "GET")
async def list_tokens(call: RestCall) -> Response:
    """The tokens that there are, without themselves."""
    entries = [token_entry(held) for _, held in call.state.backend.documents.list(TOKENS)]
    return respond_page(call, "tokens", "authorization/tokens", entries)


@ENDPOINTS.answer("authorization/tokens/{name}", "DELETE", "POST")
async def change_tokens(call: RestCall) -> Response:
    """Takes back a user's tokens, or one of them, or lets them hold or not."""
    documents = call.state.backend.documents
    for key, held in [*documents.list(TOKENS)]:
        chosen = call.one("id") == held["id"] if call.one("id") else held["user"] == call.groups["name"]
        if chosen and call.method == "DELETE":
            documents.remove(TOKENS, key)
        elif chosen:
            documents.write(TOKENS, key, {**held, "status": call.one("status", str(held["status"]))})
    return Feed(title="tokens", path="authorization/tokens", entries=[]).respond(call.mode)


def token_entry(held: Mapping[str, Any], shown: Mapping[str, Any] | None = None) -> Entry:
    """A token as an entity."""
    claims = {"sub": held["user"], "aud": held["audience"], "iat": int(held["made"]), "exp": 0}
    content = shown or {"claims": claims, "status": held["status"], "lastUsed": 0}
    return Entry(name=str(held["id"]), path="authorization/tokens", content=content, published=held["made"])


def user_entries(call: RestCall) -> dict[str, Entry]:
    """All users."""
    backend = call.state.backend
    held = {backend.access.user: {}, **dict(backend.documents.list(USERS))}
    return {name: user_entry(call, name, document) for name, document in sorted(held.items())}


def user_entry(call: RestCall, name: str, held: Mapping[str, Any]) -> Entry:
    """A user as an entity; nothing of the password."""
    content = {
        "defaultApp": held.get("defaultApp", "launcher"),
        "defaultAppIsUserOverride": "defaultApp" in held,
        "defaultAppSourceRole": "system",
        "password": "********",
        "email": held.get("email", ""),
        "realname": held.get("realname", ""),
        "roles": list_user_roles(call.state.backend, name),
        "capabilities": list(CAPABILITIES),
        "type": "Splunk",
        "tz": held.get("tz", ""),
    }
    return Entry(name=name, path="authentication/users", content=content)


@ENDPOINTS.answer("authentication/users", "GET")
async def list_users(call: RestCall) -> Response:
    """All users."""
    return respond_page(call, "users", "authentication/users", [*user_entries(call).values()])


@ENDPOINTS.answer("authentication/users", "POST")
async def create_user(call: RestCall) -> Response:
    """A new user."""
    name = call.one("name").strip().lower()
    if not name or not call.one("password"):
        raise SplunkError(400, "The following required arguments are missing: name, password.")
    if name in user_entries(call):
        raise SplunkError(400, f"User {name[:60]} already exists.")
    if not call.parameters.get("roles"):
        raise SplunkError(400, "At least one role is required.")
    return write_user(call, name, {}, 201)


@ENDPOINTS.answer("authentication/users/{name}", "GET", "POST", "DELETE")
async def change_user(call: RestCall) -> Response:
    """One user, seen, changed or removed."""
    name = call.groups["name"]
    known = user_entries(call)
    if name not in known:
        raise SplunkError(404, f"Could not find object id={name[:60]}")
    if call.method == "POST":
        return write_user(call, name, dict(call.state.backend.documents.read(USERS, name) or {}), 200)
    if call.method == "DELETE":
        if name in (call.user, call.state.backend.access.user):
            raise SplunkError(400, "You may not delete yourself.")
        call.state.backend.documents.remove(USERS, name)
        return respond_page(call, "users", "authentication/users", [*user_entries(call).values()])
    return respond_entry(call.mode, known[name], "users")


def write_user(call: RestCall, name: str, held: dict[str, Any], status: int) -> Response:
    """Keeps a user."""
    roles = [*call.parameters.get("roles", ())]
    unknown = [role for role in roles if role not in list_roles(call.state.backend)]
    if unknown:
        raise SplunkError(400, f"Role '{unknown[0][:60]}' does not exist.")
    for key in ("defaultApp", "email", "realname", "tz"):
        if key in call.parameters:
            held[key] = call.one(key)
    if roles:
        held["roles"] = roles
    if call.one("password"):
        held["password"] = keep_password(call.one("password"))
    call.state.backend.documents.write(USERS, name, held)
    entry = user_entry(call, name, held)
    return respond_entry(call.mode, entry, "users", status)


@ENDPOINTS.answer("authorization/capabilities")
async def list_capabilities(call: RestCall) -> Response:
    """All capabilities."""
    entry = Entry(
        name="capabilities",
        path="authorization/capabilities",
        content={"capabilities": list(CAPABILITIES)},
        removable=False,
    )
    return respond_entry(call.mode, entry, "capabilities")


LISTS = ("capabilities", "imported_roles", "srchIndexesAllowed", "srchIndexesDefault")
ROLE_DEFAULTS: Mapping[str, Any] = {
    "cumulativeRTSrchJobsQuota": 0,
    "cumulativeSrchJobsQuota": 0,
    "defaultApp": "",
    "imported_capabilities": [],
    "imported_rtSrchJobsQuota": 0,
    "imported_srchDiskQuota": 0,
    "imported_srchFilter": "",
    "imported_srchIndexesAllowed": [],
    "imported_srchIndexesDefault": [],
    "imported_srchJobsQuota": 0,
    "rtSrchJobsQuota": 6,
    "srchDiskQuota": 100,
    "srchFilter": "",
    "srchJobsQuota": 3,
    "srchTimeWin": -1,
    **{name: [] for name in LISTS},
}


def role_entry(name: str, held: Mapping[str, Any]) -> Entry:
    """A role as an entity."""
    return Entry(name=name, path="authorization/roles", content={**ROLE_DEFAULTS, **held})


@ENDPOINTS.answer("authorization/roles", "GET", "POST")
async def list_or_create_role(call: RestCall) -> Response:
    """All roles, or a new one."""
    known = list_roles(call.state.backend)
    if call.method == "GET":
        return respond_page(call, "roles", "authorization/roles", [role_entry(n, h) for n, h in known.items()])
    name = call.one("name").strip().lower()
    if not name:
        raise SplunkError(400, "The following required arguments are missing: name.")
    if name in known:
        raise SplunkError(400, f"Role '{name[:60]}' already exists.")
    return write_role(call, name, {}, 201)


@ENDPOINTS.answer("authorization/roles/{name}", "GET", "POST", "DELETE")
async def change_role(call: RestCall) -> Response:
    """One role, seen, changed or removed."""
    name = call.groups["name"]
    known = list_roles(call.state.backend)
    if name not in known:
        raise SplunkError(404, f"Could not find object id={name[:60]}")
    if call.method == "POST":
        return write_role(call, name, dict(known[name]), 200)
    if call.method == "DELETE":
        call.state.backend.documents.write(ROLES, name, {"removed": True})
        return respond_page(
            call, "roles", "authorization/roles", [role_entry(n, h) for n, h in known.items() if n != name]
        )
    return respond_entry(call.mode, role_entry(name, known[name]), "roles")


def write_role(call: RestCall, name: str, held: dict[str, Any], status: int) -> Response:
    """Keeps a role."""
    held.pop("removed", None)
    for key, values in call.parameters.items():
        if key in LISTS:
            # Some clients send one text with all of them, as authorize.conf has them.
            held[key] = [each.strip() for value in values for each in value.split(";") if each.strip()]
        elif key in ROLE_DEFAULTS:
            held[key] = values[-1]
    for capability in held.get("capabilities", []):
        if capability not in CAPABILITIES:
            raise SplunkError(400, f"Capability '{capability[:60]}' does not exist.")
    for role in held.get("imported_roles", []):
        if role not in list_roles(call.state.backend):
            raise SplunkError(400, f"Role '{role[:60]}' does not exist.")
    call.state.backend.documents.write(ROLES, name, held)
    entries = [role_entry(name, held)]
    return Feed(title="roles", path="authorization/roles", entries=entries, status=status).respond(call.mode)
