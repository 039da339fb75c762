"""Every code that anybody can be shown has a page, made from the place that says it."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report.error_manual import ErrorPage, list_error_pages, read_sentences
from tests.cli.command_line import detlab

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"\b(?:error|warning|note)\[([a-z][a-z0-9-]+)\]")
# Of tests that raise an error of their own.
INVENTED = {"interactive", "one", "two"}


@pytest.fixture(scope="module")
def pages() -> dict[str, ErrorPage]:
    return {page.code: page for page in list_error_pages()}


def test_each_code_that_a_page_or_a_test_shows_has_a_page(pages):
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
    files += (ROOT / "tests").rglob("*.py")
    shown = {code for file in files for code in SHOWN.findall(file.read_text("utf-8"))}
    assert len(shown) > 100
    assert shown - INVENTED - set(pages) == set()


def test_a_page_has_the_sentence_its_place_and_a_case_that_shows_it(pages):
    page = pages["unknown-aggregate"]
    assert page.sentences[0].message == "no statistical function is called `...`"
    assert page.sentences[0].file == "harness/detection/languages/spl/aggregates.py"
    assert page.answer is not None
    assert page.answer.startswith("error[unknown-aggregate]: no statistical function is called `")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('raise HarnessError("no-such", f"there is no {name}", help="look")', [("no-such", "there is no ...", "look")]),
        ('label("two-words", "x")', []),
        ('text = "a b"\nself.add("some-code", span, text)', [("some-code", "a b", None)]),
        ('code = "one-code" if x else "other-code"\nraise SourceError(code, "it is so", span)',
         [("one-code", "it is so", None), ("other-code", "it is so", None)]),
        ('raise HarnessError("yaml", problem)', [("yaml", "...", None)]),
    ],
)  # fmt: skip
def test_sentences_are_read_where_they_are_said(source: str, said: list[tuple[str, str, str | None]]):
    assert [(s.code, s.message, s.help) for s in read_sentences(source, "a.py")] == said


def test_the_command_explains_an_error_by_its_code_and_refuses_what_is_none():
    explained = detlab("docs", "error[unknown-aggregate]")
    assert explained.code == 0
    assert "for example" in explained.out
    refused = detlab("docs", "unknown-agregate")
    assert refused.code == 2
    assert "no command, function or error is called `unknown-agregate`" in refused.err


def test_an_error_on_a_terminal_names_its_page():
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "docs", "no-such-thing"]
    subprocess.run(command, stderr=theirs, timeout=60)
    os.close(theirs)
    assert "more: `detlab docs unknown-name`" in os.read(ours, 4096).decode()
    os.close(ours)
