"""What detlab does of each language, counted against the names that products document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from harness.detection.evidence import LanguageEvidence, count_cases, find_evidence_file, read_evidence, settle_entry
from harness.detection.language import ReferenceEntry, SupportState, Switch, language
from harness.record import record


@record(kw_only=True)
class Reference:
    """A language's commands and functions with their states, its switches, and its cases by what became of them."""

    language: str
    product: str
    entries: tuple[ReferenceEntry, ...]
    switches: tuple[Switch, ...]
    cases: Mapping[str, int] = field(default_factory=dict)

    def count(self, state: SupportState) -> int:
        """How many entries are in a state."""
        return sum(e.state is state for e in self.entries)


def reference(name: str, found: LanguageEvidence | None = None) -> Reference:
    """The reference of a language by what runs showed, those that come with the package unless others are given."""
    spoken = language(name)
    evidence = read_evidence(find_evidence_file(name)) if found is None else found
    listed = sorted(spoken.reference(), key=lambda e: (e.kind, e.name.lower()))
    entries = tuple(apply_evidence(e, evidence) for e in listed)
    return Reference(
        language=name,
        product=spoken.product,
        entries=entries,
        switches=spoken.switches,
        cases=count_cases(evidence),
    )


def apply_evidence(entry: ReferenceEntry, found: LanguageEvidence) -> ReferenceEntry:
    """An entry with its state and its evidence."""
    state, counted, because = settle_entry(entry, found)
    return replace(entry, state=state, evidence=dict(counted), because=because)
