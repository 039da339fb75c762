"""What runs of the conformance pages through the command showed of each command and function of a language.

The file `evidence.json` beside a language holds it, page by page; `detlab conformance --through-command --write` makes
it anew for pages that have changed, and `detlab docs` says nothing of a language that does not stand there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from pathlib import Path

from harness.detection.conformance import Checked, SettlingState
from harness.detection.language import ReferenceEntry, SupportState
from harness.record import record

LANGUAGES = Path(__file__).parent / "languages"


@record(kw_only=True)
class PageEvidence:
    """What a page's cases showed: how many are right, which cannot be run there and why, which are wrong and how.

    `entries` counts right cases of each command and function by how well they are known, `blamed` says what differs.
    """

    digest: str
    right: int = 0
    argued: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    blamed: Mapping[str, str] = field(default_factory=dict)


@record(kw_only=True)
class LanguageEvidence:
    """The pages of a language by name, and what the command said of names that it does not run."""

    pages: Mapping[str, PageEvidence] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def find_evidence_file(name: str) -> Path:
    """Where the evidence of a language stands."""
    return LANGUAGES / name / "evidence.json"


def read_evidence(path: Path) -> LanguageEvidence:
    """The evidence of a file; none where there is no file."""
    if not path.is_file():
        return LanguageEvidence()
    document = json.loads(path.read_text("utf-8"))
    pages = {name: PageEvidence(**page) for name, page in document["pages"].items()}
    return LanguageEvidence(pages=pages, refused=document["refused"])


def encode_evidence(found: LanguageEvidence) -> bytes:
    """The text of an evidence file."""
    document = {"pages": {n: asdict(p) for n, p in sorted(found.pages.items())}, "refused": found.refused}
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def digest_page(path: Path) -> str:
    """What tells a page from another text of it, whatever its line ends."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:16]


def name_entry(entry: ReferenceEntry) -> str:
    """The name under which an entry stands in a file."""
    return f"{entry.kind}:{entry.name}"


def gather_page_evidence(page: Path, checked: Sequence[Checked], listed: Sequence[ReferenceEntry]) -> PageEvidence:
    """What the runs of a page's cases show of the entries of its language."""
    entries: dict[str, Counter[str]] = {}
    blamed: dict[str, str] = {}
    for each in checked:
        used = [name_entry(e) for e in listed if find_usage(e).search(each.case.query)]
        if each.state is SettlingState.HOLDS:
            for name in used:
                entries.setdefault(name, Counter())[each.case.evidence.partition(",")[0].split(" ")[0]] += 1
        elif each.state is not SettlingState.NOT_RUN:
            concerned = {w.strip() for w in each.case.facts.get("Concerns", "").split(",") if w.strip()}
            reason = each.case.known_gap or f"{each.case.title}: {each.problem.partition(chr(10))[0]}"
            blamed |= {n: reason for n in used if not concerned or {n, n.partition(":")[2]} & concerned}
    return PageEvidence(
        digest=digest_page(page),
        right=sum(c.state is SettlingState.HOLDS for c in checked),
        argued={c.case.title: c.problem for c in checked if c.state is SettlingState.NOT_RUN},
        wrong={
            c.case.title: c.case.known_gap or c.problem.partition("\n")[0]
            for c in checked
            if c.state not in (SettlingState.HOLDS, SettlingState.NOT_RUN)
        },
        entries={n: dict(sorted(c.items())) for n, c in sorted(entries.items())},
        blamed=blamed,
    )


def settle_entry(entry: ReferenceEntry, found: LanguageEvidence) -> tuple[SupportState, Mapping[str, int], str]:
    """The state of an entry, its evidence, and why it is not supported, all by what runs showed."""
    name = name_entry(entry)
    counted: Counter[str] = Counter()
    for page in found.pages.values():
        counted.update(page.entries.get(name, {}))
    blame = next((p.blamed[name] for p in found.pages.values() if name in p.blamed), None)
    if blame is not None:
        return SupportState.DIVERGING, counted, blame
    if counted:
        return SupportState.SUPPORTED, counted, ""
    if name in found.refused:
        return SupportState.REFUSED, {}, entry.because or found.refused[name]
    return SupportState.UNTESTED, {}, "no run says what becomes of it"


def find_usage(entry: ReferenceEntry) -> re.Pattern[str]:
    """Where a query has an entry: as it says, or a call of its name."""
    return re.compile(entry.usage or rf"(?<![\w:.$]){re.escape(entry.name)}\s*\(", re.I)


def list_stale_pages(found: LanguageEvidence, pages: Iterable[Path]) -> list[Path]:
    """The pages that have changed since, or were not there."""
    return [p for p in pages if p.name not in found.pages or found.pages[p.name].digest != digest_page(p)]


def count_cases(found: LanguageEvidence) -> Mapping[str, int]:
    """How many cases are right, argued and wrong."""
    return {
        "right": sum(p.right for p in found.pages.values()),
        "argued": sum(len(p.argued) for p in found.pages.values()),
        "wrong": sum(len(p.wrong) for p in found.pages.values()),
    }
