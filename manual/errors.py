"""The reference of errors: a page a code."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report.error_manual import ErrorPage, list_error_pages
from manual.markdown import code, escape_cell, fence


def build_pages() -> Iterator[tuple[str, str]]:
    """A page for each code, and one of all."""
    pages = list_error_pages()
    rows = [f"* [`{page.code}`]({page.code}.md): {escape_cell(page.sentences[0].message)}" for page in pages]
    yield "errors/index.md", "\n".join(["# Errors by code", "", *rows]) + "\n"
    for page in pages:
        yield f"errors/{page.code}.md", "\n".join(describe_error(page)) + "\n"


def describe_error(page: ErrorPage) -> Iterator[str]:
    """What is said under a code and where, and a query that is answered so."""
    yield from (f"# `{page.code}`", "")
    for said in page.sentences:
        yield f"* {code(said.message)}"
        if said.help:
            yield f"    * to do: {code(said.help)}"
        yield f"    * said at `{said.file}`, line {said.line}"
    yield ""
    if page.query is not None and page.answer is not None:
        yield from ("## Example", "", *fence(page.query), *fence(page.answer))
