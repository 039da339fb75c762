"""Tables of what a language has: an entry is one decorated function, whose docstring is its manual."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from harness.diagnostics import HarnessError

Definition = TypeVar("Definition", bound=Callable[..., Any])
Entry = TypeVar("Entry", bound="TableEntry[Any]")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TableEntry(Generic[Definition]):
    """What stands under one name: the function that does it, and what its docstring says to people."""

    name: str
    run: Definition

    @cached_property
    def lines(self) -> list[str]:
        """The lines of its manual."""
        return (inspect.getdoc(self.run) or "").splitlines()

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return self.lines[0] if self.lines else ""

    @property
    def examples(self) -> tuple[tuple[str, str], ...]:
        """What stands before and behind each arrow of its indented lines; what is before one may go over several."""
        made, begun = [], ""
        for line in self.lines:
            begun = f"{begun} {line.strip()}".strip() if line.startswith("    ") else ""
            if " -> " in begun:
                left, _, right = begun.rpartition(" -> ")
                made.append((left.strip(), right.strip()))
                begun = ""
        return tuple(made)

    @property
    def manual(self) -> str:
        """What there is to say beyond the summary, examples and references left out."""
        kept = [line for line in self.lines[1:] if not line.startswith(("    ", "Reference: "))]
        return "\n".join(kept).strip()

    @property
    def reference(self) -> str:
        """Where it is documented."""
        return next((r.removeprefix("Reference: ") for r in self.lines if r.startswith("Reference: ")), "")


class FunctionTable(dict[str, Entry]):
    """Entries by documented name; `names` has that name by the one in lower case. `holds` is what each is called."""

    holds: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def add(self, entry: Entry) -> None:
        """Puts an entry into the table, in which its name is new. Raises HarnessError where it is not."""
        if entry.name.lower() in self.names:
            message = f"the {self.holds} `{entry.name}` is defined twice"
            raise HarnessError("registration", message, help="give one of them another name")
        self.names[entry.name.lower()] = entry.name
        self[entry.name] = entry
