"""What a dataset of a data model is.

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.detection.languages.spl.cim.groups import split_names

VENDOR_PRODUCT = (
    'case(isnotnull(vendor_product), vendor_product, isnotnull(vendor) AND isnotnull(product), vendor." ".product, '
    'isnotnull(vendor), vendor." unknown", isnotnull(product), "unknown ".product, isnotnull(sourcetype), sourcetype)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
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
