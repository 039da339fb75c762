"""`python -m manual OUT`: writes the sources of the site into a folder: pages by hand and the generated reference."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from manual import commands, documents, errors, languages, telemetry

ROOT = Path(__file__).parents[1]
# What stands at the top of the repository belongs to the site as well.
TOP_PAGES = ("ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
FAMILIES = (commands, documents, languages, telemetry, errors)


def write_sources(out: Path) -> None:
    """Writes all pages below `out`, which is emptied."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(ROOT / "docs", out)
    for name in TOP_PAGES:
        shutil.copyfile(ROOT / name, out / name)
    for name, text in build_reference().items():
        path = out / "reference" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def build_reference() -> Mapping[str, str]:
    """Every generated page by its name below `reference/`."""
    pages = {name: text for family in FAMILIES for name, text in family.build_pages()}
    return {"index.md": "\n".join(list_pages(pages)) + "\n", **pages}


def list_pages(pages: Mapping[str, str]) -> Iterator[str]:
    """The index of the reference, a line a page but for those of single errors."""
    yield from ("# Reference", "", "Made from the code of this version: nothing here is written by hand.", "")
    for name, text in pages.items():
        if not name.startswith("errors/") or name == "errors/index.md":
            yield f"* [{text.partition(chr(10))[0].removeprefix('# ')}]({name})"


if __name__ == "__main__":
    write_sources(Path(sys.argv[1]))
