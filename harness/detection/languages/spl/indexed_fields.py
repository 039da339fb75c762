"""What `tstats` sees without a data model: the fields that an index keeps beside the events, and their terms.

Reference: reference/spl.md 9.1; Splunk Search Reference, tstats
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.detection.languages.spl.cim.groups import split_names
from harness.detection.languages.spl.coercion import literal
from harness.detection.languages.spl.free_text import MAJOR
from harness.detection.languages.spl.mentions import walk_query
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Comparison, Measure, OneOf, StatisticsArguments, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed

INDEXED = frozenset(
    split_names(
        "index source sourcetype host splunk_server linecount punct date_hour date_mday date_minute date_month "
        "date_second date_wday date_year date_zone timestartpos timeendpos"
    )
)
PREFIX = re.compile(r"PREFIX\((.+)\)", re.S)


def named_fields(arguments: StatisticsArguments) -> Iterator[Word]:
    """The fields that are read: by aggregates, by BY and by WHERE."""
    for measure in arguments.measures:
        if isinstance(measure.argument, Word):
            yield measure.argument
    yield from arguments.keys
    for part in walk_query(arguments.where) if arguments.where is not None else ():
        if isinstance(part, Comparison | OneOf):
            yield part.field


def only_indexed(scope: Scope, arguments: StatisticsArguments) -> None:
    """Leaves the events nothing but indexed fields, unless all of their fields are said to be indexed."""
    kept = {n for n in scope.columns if n in INDEXED or n[0] in "_@"}
    others = [w for w in named_fields(arguments) if w.text in scope.columns and w.text not in kept]
    if not others or scope.session.switch("indexed_fields") == "all":
        return
    for word in others:
        message = f"`tstats` does not see `{word.text}`, which is no field of the index"
        scope.session.warn("not-indexed", message, word.span, "search a data model, or use `stats`")
    scope.keep([n for n in scope.columns if n in kept])


def name_prefix_fields(arguments: StatisticsArguments) -> StatisticsArguments:
    """The arguments with each `PREFIX(term=)` as a field of that name."""

    def named(word: Any) -> Any:
        prefix = PREFIX.fullmatch(word.text) if isinstance(word, Word) else None
        return word if prefix is None else Word(prefix[1].strip().strip('"'), True, word.span)

    keys = tuple(named(k) for k in arguments.keys)
    measures: tuple[Measure, ...] = tuple(replace(m, argument=named(m.argument)) for m in arguments.measures)
    return replace(arguments, keys=keys, measures=measures)


def derive_prefix_fields(scope: Scope, arguments: StatisticsArguments) -> None:
    """Adds the field of each `PREFIX(term=)`, made of the terms that begin so."""
    found: dict[str, Word] = {}
    for word in (*arguments.keys, *(m.argument for m in arguments.measures if isinstance(m.argument, Word))):
        prefix = PREFIX.fullmatch(word.text)
        if prefix is not None:
            found.setdefault(prefix[1], Word(prefix[1].strip().strip('"'), True, word.span))
    for word in found.values():
        scope.derive([(word.text, behind(scope, word.text))], word.span)


def behind(scope: Scope, prefix: str) -> Typed:
    """What stands behind a prefix in a term of the event's text, in lower case as the index keeps it."""
    raw = scope.typed("_raw")
    if raw.kind is Kind.NULL:
        return TYPED_NULL
    pattern = f"(?:^|[{MAJOR}]){re.escape(prefix)}([^{MAJOR}]+)"
    return ops.lower(ops.regex_extract(raw, literal(pattern), literal("i"), literal(1.0)))
