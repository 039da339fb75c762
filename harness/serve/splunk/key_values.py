"""The KV store: collections, their documents, and the queries that find these.

Reference: Splunk, REST API Reference Manual, KV store endpoint descriptions
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from secrets import token_hex
from typing import Any

from starlette.responses import JSONResponse, Response

from harness.serve.splunk.call import RestCall
from harness.serve.splunk.conf import find_stanza
from harness.serve.splunk.endpoints import Endpoints
from harness.serve.splunk.entity_kind import EntityKind, register_kind
from harness.serve.splunk.faults import SplunkError
from harness.telemetry.indexing.props import compile_setting_regex

ENDPOINTS = Endpoints()
DATA = "storage/collections/data"
KEPT = "splunk kv"
# limits.conf: max_documents_per_batch_save, max_rows_per_query.
MOST_SAVED, MOST_FOUND = 50_000, 50_000

QUERY_ARGUMENTS = frozenset({"query", "fields", "sort", "limit", "skip"})

KvDocument = Mapping[str, Any]
DocumentTest = Callable[[KvDocument], bool]

register_kind(
    ENDPOINTS,
    EntityKind(path="storage/collections/config", file="collections", title="collections-conf",
               defaults={"enforceTypes": "false", "replicate": "false"}),
)  # fmt: skip


def collection_name(call: RestCall) -> str:
    """Where the documents of a collection are. Raises SplunkError for a collection that there is not."""
    name = call.groups["collection"]
    found = find_stanza(call.state.backend, "collections", name)
    if found is None:
        raise SplunkError(404, f"Could not find collection {name[:60]}")
    return f"{KEPT} {found.app} {call.owner} {name}"


def read_json(call: RestCall, text: str | bytes) -> Any:
    """The JSON that a call brings. Raises SplunkError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise SplunkError(400, "JSON in the request is invalid.") from None


@ENDPOINTS.answer(DATA + "/{collection}", "GET", "POST", "DELETE")
async def answer_collection(call: RestCall) -> Response:
    """Documents that a query finds, a new one, or those that a query finds removed."""
    kept = collection_name(call)
    documents = call.state.backend.documents
    if call.method == "POST":
        return JSONResponse({"_key": save_document(call, kept, read_json(call, call.body))}, 201)
    found = query_documents(call, kept, {name: call.one(name) for name in call.parameters})
    if call.method == "DELETE":
        for each in found:
            documents.remove(kept, each["_key"])
        return Response(status_code=200)
    return JSONResponse(found)


@ENDPOINTS.answer(DATA + "/{collection}/batch_save", "POST")
async def save_batch(call: RestCall) -> Response:
    """Documents made or replaced."""
    kept, given = collection_name(call), read_json(call, call.body)
    if not isinstance(given, list) or len(given) > MOST_SAVED:
        raise SplunkError(400, f"Must supply an array of at most {MOST_SAVED} documents.")
    return JSONResponse([save_document(call, kept, each, replaced=True) for each in given])


@ENDPOINTS.answer(DATA + "/{collection}/batch_find", "POST")
async def find_batch(call: RestCall) -> Response:
    """What each of several queries finds."""
    kept, given = collection_name(call), read_json(call, call.body)
    queries = given if isinstance(given, list) else [given]
    # Conditions alone, or among the other arguments of a query.
    whole = [each if isinstance(each, dict) and each.keys() <= QUERY_ARGUMENTS else {"query": each} for each in queries]
    return JSONResponse([query_documents(call, kept, each) for each in whole])


@ENDPOINTS.answer(DATA + "/{collection}/{key}", "GET", "POST", "PUT", "DELETE")
async def answer_document(call: RestCall) -> Response:
    """One document, seen, replaced or removed."""
    kept, key = collection_name(call), call.groups["key"]
    documents = call.state.backend.documents
    found = documents.read(kept, key)
    if found is None:
        raise SplunkError(404, "Could not find object.")
    if call.method == "DELETE":
        documents.remove(kept, key)
        return Response(status_code=200)
    if call.method in ("POST", "PUT"):
        return JSONResponse(
            {"_key": save_document(call, kept, {**read_json(call, call.body), "_key": key}, replaced=True)}
        )
    return JSONResponse(dict(found))


def save_document(call: RestCall, kept: str, given: Any, *, replaced: bool = False) -> str:
    """Keeps a document; its key. Raises SplunkError."""
    if not isinstance(given, dict):
        raise SplunkError(400, "JSON in the request is invalid: a document is an object.")
    key = str(given.get("_key") or token_hex(12))
    if not replaced and call.state.backend.documents.read(kept, key) is not None:
        raise SplunkError(409, "A document with the same key and user already exists.")
    owner = call.owner if call.owner != "-" else "nobody"
    try:
        call.state.backend.documents.write(kept, key, {**given, "_user": owner, "_key": key})
    except ValueError as error:
        raise SplunkError(400, str(error)) from None
    return key


def query_documents(call: RestCall, kept: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The documents that a query finds: filtered, sorted, cut, some fields of them. Raises SplunkError."""
    condition = query.get("query") or {}
    test = compile_query(read_json(call, condition) if isinstance(condition, str) else condition)
    found = [dict(held) for _, held in call.state.backend.documents.list(kept) if test(held)]
    for name, down in reversed(read_sort(query.get("sort") or "")):
        found.sort(key=lambda each: sortable(each.get(name)), reverse=down)
    first, most = int(query.get("skip") or 0), int(query.get("limit") or 0) or MOST_FOUND
    return [choose_fields(each, query.get("fields") or "") for each in found[first : first + min(most, MOST_FOUND)]]


def read_sort(given: Any) -> list[tuple[str, bool]]:
    """Fields to sort by, and whether each goes down: `a:1,b:-1`, or an object."""
    pairs = given.items() if isinstance(given, Mapping) else (p.partition(":")[::2] for p in str(given).split(",") if p)
    return [(name.strip(), str(way).strip().startswith("-")) for name, way in pairs]


def sortable(value: Any) -> tuple[int, float, str]:
    """What a value is sorted by: nothing, numbers, texts."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, float(value), "")
    return (2, 0.0, str(value))


def choose_fields(document: dict[str, Any], given: Any) -> dict[str, Any]:
    """A document with the fields that are asked for, or without those that are not: `a,b:0`."""
    listed: Iterable[str] = given.split(",") if isinstance(given, str) else [f"{k}:{v}" for k, v in dict(given).items()]
    pairs = [name.partition(":") for name in listed if name]
    chosen = {name.strip() for name, _, how in pairs if how.strip() != "0"}
    dropped = {name.strip() for name, _, how in pairs if how.strip() == "0"}
    return {k: v for k, v in document.items() if k not in dropped and (not chosen or k in chosen)}


KV_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda held, wanted: sortable(held) > sortable(wanted),
    "$gte": lambda held, wanted: sortable(held) >= sortable(wanted),
    "$lt": lambda held, wanted: held is not None and sortable(held) < sortable(wanted),
    "$lte": lambda held, wanted: held is not None and sortable(held) <= sortable(wanted),
    "$ne": lambda held, wanted: held != wanted,
    "$eq": lambda held, wanted: held == wanted,
    "$in": lambda held, wanted: held in wanted,
    # Within a bound of time: it is a client's.
    "$regex": lambda held, wanted: compile_setting_regex(str(wanted)[:200]).search(str(held or "")) is not None,
}


def compile_query(given: Any, depth: int = 0) -> DocumentTest:
    """A query as a test of documents. Raises SplunkError."""
    if not isinstance(given, Mapping) or depth > 10:
        raise SplunkError(400, "The query is no object, or lies too deep.")
    tests = [compile_term(name, wanted, depth) for name, wanted in given.items()]
    return lambda document: all(test(document) for test in tests)


def compile_term(name: str, wanted: Any, depth: int) -> DocumentTest:
    """One member of a query. Raises SplunkError."""
    if name in ("$and", "$or"):
        parts: Sequence[DocumentTest] = [compile_query(each, depth + 1) for each in wanted]
        how = all if name == "$and" else any
        return lambda document: how(part(document) for part in parts)
    if name == "$not":
        part = compile_query(wanted, depth + 1)
        return lambda document: not part(document)
    if isinstance(wanted, Mapping) and any(key.startswith("$") for key in wanted):
        unknown = [key for key in wanted if key not in KV_OPERATORS]
        if unknown:
            raise SplunkError(400, f"Unsupported operator {unknown[0][:20]}.")
        return lambda document: all(KV_OPERATORS[key](document.get(name), value) for key, value in wanted.items())
    return lambda document: document.get(name) == wanted
