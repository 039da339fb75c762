"""Physical names: SQL engines take `ProcessId` and `ProcessID` for the same column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class PhysicalNames:
    """Distinct physical names for logical ones, the same in a whole statement and its store, given in order of asking.

    A name keeps its own spelling unless one that differs only in case was there before: then it becomes `Name~2`. One
    that begins with `~` gets another in front: `~` is the column of a relation without any, `~:x` a lambda's parameter.
    """

    def __init__(self, known: Mapping[str, str] | Iterable[str] = ()) -> None:
        self.physical: dict[str, str] = {}
        # Case-folded: DuckDB compares identifiers without case even where they are quoted, events have both spellings.
        self.taken: set[str] = set()
        if isinstance(known, Mapping):
            self.physical.update(known)
            self.taken.update(p.casefold() for p in known.values())
        else:
            for name in known:
                self(name)

    def __call__(self, name: str) -> str:
        """The physical name of a column."""
        if name not in self.physical:
            plain = name.replace("\0", "?")
            # SQL has no empty identifier ("zero-length delimited identifier" in DuckDB); a field of an
            # event may have that name.
            plain = "~" + plain if plain.startswith("~") else plain or "~."
            made, count = plain, 1
            while made.casefold() in self.taken:
                count += 1
                made = f"{plain}~{count}"
            self.taken.add(made.casefold())
            self.physical[name] = made
        return self.physical[name]
