"""Which names the Internet's registries give out: the Public Suffix List, as a package carries it (no network)."""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList


@cache
def read_suffix_list() -> PublicSuffixList:
    """The list; a zone that is not on it has no public names."""
    return PublicSuffixList(accept_unknown=False)


def find_registrable_label(name: str) -> str | None:
    """The label that is registered below a public suffix; nothing for a suffix itself, None where none is public."""
    suffix = read_suffix_list().publicsuffix(name)
    if suffix is None:
        return None
    return name[: -len(suffix)].rstrip(".").rpartition(".")[2]
