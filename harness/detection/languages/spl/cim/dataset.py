"""Contract: a dataset of a data model, and what an add-on says of the events that it knows.

Reference: reference/spl.md 9.3

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from harness.record import record


@record(kw_only=True)
class EventOrigin:
    """Where events come from: a field ends in a text, and another field holds the code that tells their kinds."""

    field: str
    ends: str
    code: str = "EventCode"


# `XmlWinEventLog:Security` and `WinEventLog:Security`: the two renderings end alike.
def channel(name: str) -> EventOrigin:
    """The events of a Windows event log, rendered as XML or not."""
    return EventOrigin(field="source", ends=f"WinEventLog:{name}")


@record(kw_only=True)
class EventGroup:
    """Events of one origin, told by their codes (all of them if there are none), with tags and common fields.

    Every field is an eval expression over the event's own fields. The tags in `disputed` are there only if the switch
    `switch` has the value `value`.
    """

    origin: EventOrigin
    codes: tuple[str, ...] = ()
    eventtypes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str]
    disputed: tuple[str, ...] = ()
    switch: str = ""
    value: str = ""


def split_names(text: str) -> tuple[str, ...]:
    """Names separated by blanks."""
    return tuple(text.split())


def print_file_name_eval(field: str) -> str:
    """The part of a path behind the last backslash."""
    return rf'replace({field}, "^.*\\\\", "")'


# The same text as the file name's, but not the same idea: a domain may be left out where there is no backslash.
def account(field: str) -> str:
    """The part of an account behind the domain."""
    return rf'replace({field}, "^.*\\\\", "")'


def print_hyphen_test(field: str) -> str:
    """A field unless it is a lone hyphen."""
    return f'if({field}="-", null(), {field})'


def print_dns_answers_eval(field: str) -> str:
    """The names and addresses in what Windows says of a request: `type:  5 a.example;192.0.2.1;`, or a lone hyphen."""
    return rf'if({field}="-", null(), split(replace(trim({field}, ";"), "type:\s+\d+\s+", ""), ";"))'


def program(image: str) -> dict[str, str]:
    """Common fields of the process whose image is in a field."""
    return {
        "process_name": print_file_name_eval(image),
        "process_exec": print_file_name_eval(image),
        "process_path": image,
    }


def parent(image: str) -> dict[str, str]:
    """Common fields of the parent process whose image is in a field."""
    name = print_file_name_eval(image)
    return {"parent_process_name": name, "parent_process_exec": name, "parent_process_path": image}


def print_case_eval(field: str, table: Mapping[str, str], otherwise: str = "null()") -> str:
    """What a table says of a field's value."""
    # case() needs an argument.
    if not table:
        return otherwise
    cases = ", ".join(f'{field}="{key}", "{value}"' for key, value in table.items())
    return f"case({cases}, true(), {otherwise})"


# As the data models of CIM compose it when an add-on does not (reference/spl.md 9.2).
VENDOR_PRODUCT = (
    'case(isnotnull(vendor_product), vendor_product, isnotnull(vendor) AND isnotnull(product), vendor." ".product, '
    'isnotnull(vendor), vendor." unknown", isnotnull(product), "unknown ".product, isnotnull(sourcetype), sourcetype)'
)


@record(kw_only=True)
class CimDataset:
    """One dataset: the tags that its events have, its fields, and those that are `unknown` rather than missing.

    `calculated` are eval expressions over the common fields, made before missing ones are filled. `condition` is one
    more thing that is true of its events. A dataset with a `parent` is a part of that one; one with an `index` is an
    index of its own instead of a tag.
    """

    model: str
    name: str
    tags: tuple[str, ...] = ()
    index: str = ""
    fields: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    calculated: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    condition: str = ""


def about(*names: str) -> str:
    """What an asset or an identity brings besides itself: business unit, category, priority."""
    return " ".join(f"{n} {n}_bunit {n}_category {n}_priority" for n in names)


def build_root_dataset(
    model: str,
    name: str,
    tags: str,
    fields: str,
    filled: str,
    calculated: Mapping[str, str] | None = None,
    condition: str = "",
) -> CimDataset:
    """A dataset with names separated by blanks; every one has `tag`, most a calculated `vendor_product`."""
    made = dict(calculated or {})
    if "vendor_product" in fields.split():
        made.setdefault("vendor_product", VENDOR_PRODUCT)
        filled += " vendor_product"
    return CimDataset(
        model=model,
        name=name,
        tags=split_names(tags),
        fields=split_names(fields + " tag"),
        filled=split_names(filled),
        calculated=made,
        condition=condition,
    )


def build_child_dataset(
    of: CimDataset, name: str, condition: str = "", *, tags: str = "", fields: str = ""
) -> CimDataset:
    """A dataset that is a part of another, by a condition on fields or by more tags."""
    return CimDataset(
        model=of.model,
        name=name,
        parent=of.name,
        condition=condition,
        tags=split_names(tags),
        fields=split_names(fields),
    )
