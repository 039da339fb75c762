"""The reference of the query languages: what is run, and the conformance pages that say what it means."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.detection.language import list_languages
from harness.detection.reference import Reference, reference
from harness.report.error_manual import find_pages
from manual.markdown import code, format_table


def build_pages() -> Iterator[tuple[str, str]]:
    """A page a language, and its conformance pages below it."""
    for name in list_languages():
        pages = sorted((find_pages() / name).glob("*.md"))
        yield f"{name}.md", "\n".join(describe_language(reference(name), pages)) + "\n"
        for page in pages:
            yield f"{name}/{page.name}", page.read_text("utf-8")


def describe_language(found: Reference, pages: list[Path]) -> Iterator[str]:
    """Every command and function with its state and evidence, the open questions, and where meanings are shown."""
    yield from (f"# {found.product} ({found.language.upper()})", "")
    yield from ("States are what runs of the conformance pages through `detlab query` showed; none is declared.", "")
    for kind in dict.fromkeys(each.kind for each in found.entries):
        yield from (f"## {kind.capitalize()}", "")
        entries = [e for e in found.entries if e.kind == kind]
        rows = []
        for e in entries:
            known = ", ".join(f"{number} {word}" for word, number in sorted(e.evidence.items()))
            rows.append((code(e.name), str(e.state), known or "none", e.because or e.summary, e.reference))
        yield from format_table(("name", "state", "evidence", "meaning, or why not", "source"), rows)
    yield from ("## Open questions", "")
    switches = [(code(s.name), " or ".join(s.values), s.question, s.settle) for s in found.switches]
    yield from format_table(("switch", "values", "question", "how to settle it"), switches)
    yield from ("## Meaning by example", "")
    yield from (f"* [{title_of(page)}]({found.language}/{page.name})" for page in pages)


def title_of(page: Path) -> str:
    """The heading of a page."""
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
