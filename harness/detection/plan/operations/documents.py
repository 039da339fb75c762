# mypy: disable-error-code="empty-body"
"""JSON, XML and other notations in text; addresses; and the events that rows came from."""

from __future__ import annotations

from harness.detection.plan.operation import (
    Anything,
    Boolean,
    Events,
    Member,
    Multivalue,
    Number,
    Text,
    V,
    null_operation,
    operation,
)
from harness.diagnostics import Span


@operation
def json_text(text: Text[V], path: Text[V], *, span: Span | None = None) -> Text[V]:
    """The value at a path such as $.a.b[0] as text, objects as JSON; null if it is not there."""


@operation
def json_list(text: Text[V], path: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Every value that a path with [*] reaches, as text; null if none."""


@operation
def json_keys(text: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Names in the object."""


@operation
def json_paths(text: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Paths to all values that are no object or array, each once: $.a.b[*]; null of none."""


@operation
def xml_paths(text: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Paths to all texts and attributes, each once: a.b, a.b{@c}; null of none."""


# Never null, so that a condition made of it needs no third value.
@null_operation
def json_valid(text: Text[V], *, span: Span | None = None) -> Boolean[V]:
    """Whether it is JSON; never null of text."""


@null_operation
def json_object(*members: Member[V], span: Span | None = None) -> Text[V]:
    """An object of keys and values as text."""


@null_operation
def json_array(*values: Anything[V], span: Span | None = None) -> Text[V]:
    """An array as text."""


@null_operation
def to_json(value: Anything[V], *, span: Span | None = None) -> Text[V]:
    """Text quoted, number and boolean bare, a list as array."""


@operation
def json_value(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """Text as JSON: an object or an array is itself, other text is quoted."""


@operation
def json_inferred(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """The JSON that a text spells, `null` if it spells none."""


@operation
def json_native(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """What JSON holds: text bare, null as null, all else as JSON; null of what is none."""


@operation
def json_part(text: Text[V], path: Text[V], *, span: Span | None = None) -> Text[V]:
    """The JSON at a path, all of it as an array where that has [*]; null if it is not there."""


@operation
def json_elements(text: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """The elements of an array, each as JSON; null of anything else."""


@operation
def json_set(text: Text[V], path: Text[V], json: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` with a value at a path, whose keys are made; as it was where that does not fit."""


@operation
def json_append(text: Text[V], path: Text[V], json: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` with a value behind the array at a path; what is no array is put into one."""


@operation
def json_extend(text: Text[V], path: Text[V], json: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` with each element of an array behind the array at a path."""


@operation
def json_delete(text: Text[V], path: Text[V], *, span: Span | None = None) -> Text[V]:
    """`text` without the key at a path."""


@operation
def json_entries(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """An array of objects of `key` and `value`; null of what is no object."""


@operation
def json_nested(text: Text[V], numbers: Boolean[V], *, span: Span | None = None) -> Text[V]:
    """An object with the objects and arrays that its names a.b[0] spell, without nulls; `numbers` frees numbers."""


# One operation for all notations: languages differ in the names and options of their readers.
@operation
def record_fields(text: Text[V], reader: Text[V], options: Text[V], *, span: Span | None = None) -> Text[V]:
    """An object of the texts that a reader (json, key_value, xml, cef, leef) takes out; see `plan/values/records`."""


@operation
def table_rows(text: Text[V], header: Number[V], filter: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """The rows of a table in a text as objects; see `plan/values/text.py`."""


@operation
def xml_text(text: Text[V], path: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Texts of elements on a path a.b or a.b{2}, or of an attribute a.b{@c}; null of none."""


@operation
def key_value(text: Text[V], key: Text[V], pair: Text[V], delimiters: Text[V], *, span: Span | None = None) -> Text[V]:
    """The value of key=value in a text, quotes taken off; null if it is not there."""


@operation
def events_joined(events: Anything[V], *more: Anything[V], span: Span | None = None) -> Events[V]:
    """Provenance: the distinct events of all arguments, nulls left out."""


@operation
def xpath_text(text: Text[V], path: Text[V], *, span: Span | None = None) -> Multivalue[V]:
    """Texts of all elements, or of an attribute, that an XPath reaches; null if none."""


# A long table of patterns as two texts: as conditions it would be thousands of tests in each row.
@operation
def glob_payloads(
    text: Text[V], patterns: Text[V], payloads: Text[V], most: Number[V], cased: Boolean[V], *, span: Span | None = None
) -> Multivalue[V]:
    """Payloads of the first `most` rows of a table whose pattern with * fits the whole text; null if none fits.

    `patterns` and `payloads` are columns of the table as one text each, their rows apart by the character 1e. Case
    counts where `cased` is true.
    """


# One address has many spellings in IPv6, so that equal addresses are equal texts in one form only.
@operation
def ip_text(text: Text[V], *, span: Span | None = None) -> Text[V]:
    """An address in its canonical form; null of other text."""


# github.com/corelight/community-id-spec, version 1.
@operation
def community_id(
    seed: Number[V],
    protocol: Text[V],
    source: Text[V],
    target: Text[V],
    source_port: Text[V],
    target_port: Text[V],
    *,
    span: Span | None = None,
) -> Text[V]:
    """Community ID 1.0 of a connection, or of ICMP's type and code in place of ports; null of what is no connection."""


@operation
def ip_network(text: Text[V], bits: Number[V], *, span: Span | None = None) -> Text[V]:
    """The network of that many bits that an address is in; null of other text."""
