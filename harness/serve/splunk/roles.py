"""Roles: what Splunk ships, what clients change, and which indexes a user's searches see by default."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from harness.serve.access import USERS
from harness.serve.backend import Backend
from harness.serve.splunk.index_names import Indexes

ROLES = "splunk roles"
CAPABILITIES = (
    "accelerate_search", "admin_all_objects", "change_own_password", "delete_by_keyword", "dispatch_rest_to_indexers",
    "edit_httpauths", "edit_indexer_cluster", "edit_input_defaults", "edit_monitor", "edit_roles", "edit_scripted",
    "edit_search_server", "edit_server", "edit_splunktcp", "edit_tcp", "edit_token_http", "edit_tokens_all",
    "edit_udp", "edit_user", "embed_report", "export_results_is_visible", "get_metadata", "get_typeahead",
    "indexes_edit",
    "input_file", "license_edit", "list_inputs", "list_settings", "output_file", "pattern_detect",
    "rest_apps_management",
    "rest_apps_view", "rest_properties_get", "rest_properties_set", "restart_splunkd", "rtsearch", "run_collect",
    "schedule_search", "search", "upload_lookup_files",
)  # fmt: skip
EVERYTHING = ["*", "_*"]
SHIPPED: Mapping[str, Mapping[str, Any]] = {
    "admin": {
        "imported_roles": ["power", "user"],
        "srchIndexesAllowed": EVERYTHING,
        "capabilities": list(CAPABILITIES),
    },
    "can_delete": {"capabilities": ["delete_by_keyword"]},
    "power": {"imported_roles": ["user"], "srchIndexesAllowed": ["*"], "capabilities": ["schedule_search", "search"]},
    "splunk-system-role": {"imported_roles": ["admin"], "srchIndexesAllowed": EVERYTHING},
    "user": {"srchIndexesAllowed": ["*"], "srchIndexesDefault": ["main"], "capabilities": ["search"]},
}


def list_roles(backend: Backend) -> dict[str, Mapping[str, Any]]:
    """All roles by name."""
    made = dict(backend.documents.list(ROLES))
    return {name: held for name, held in sorted({**SHIPPED, **made}.items()) if not held.get("removed")}


def list_user_roles(backend: Backend, user: str) -> list[str]:
    """The roles of a user; who has the server's token is an admin."""
    held = backend.documents.read(USERS, user) or {}
    found = [str(name) for name in held.get("roles", [])]
    return found or (["admin", "can_delete"] if user == backend.access.user else ["user"])


def list_default_indexes(backend: Backend, user: str) -> list[str]:
    """The indexes that a user's searches see where they name none."""
    patterns: list[str] = []
    roles = list_roles(backend)
    waiting, seen = list_user_roles(backend, user), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in roles:
            continue
        seen.add(name)
        patterns += roles[name].get("srchIndexesDefault", [])
        waiting += roles[name].get("imported_roles", [])
    return [name for name in Indexes.of(backend).names() if any(is_index(name, p) for p in patterns)]


def is_index(name: str, pattern: str) -> bool:
    """Whether an index is meant; a star alone does not stand for internal ones."""
    return fnmatchcase(name, pattern) and name.startswith("_") <= pattern.startswith("_")
