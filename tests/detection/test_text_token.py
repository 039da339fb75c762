"""Texts as tokens: quickly, whatever the text."""

import itertools
from time import process_time

import pytest

from harness.detection.text_token import TokenKind, find_token_table

UNCLOSED = {
    "spl": ['x "' + '\\"' * 50_000, "`" * 50_001, "``` " * 30_001, "'a " * 50_001, "[" * 50_000, "a=" * 50_000],
    "cql": ['x "' + '\\"' * 50_000, "/* " * 50_000, "=/a\\/" * 30_000, '$"\n' * 50_000, "{" * 50_000, "?{" * 50_000],
}


@pytest.mark.parametrize(
    ("language", "text"), [(n, t) for n, texts in UNCLOSED.items() for t in texts], ids=lambda v: v[:9]
)
def test_a_text_in_which_nothing_is_closed_takes_no_longer(language, text):
    table = find_token_table(language)
    began = process_time()
    tokens = table.scan(text)
    assert process_time() - began < 3
    # Nothing is lost and nothing is there twice.
    assert all(a.end <= b.start for a, b in itertools.pairwise(tokens))
    assert "".join(text[t.start : t.end] for t in tokens).replace(" ", "").replace("\n", "") == text.replace(
        " ", ""
    ).replace("\n", "")


@pytest.mark.parametrize(
    ("language", "text", "kinds"),
    [
        ("spl", 'a=1 | stats count by "x', "option operator number pipe command field keyword string"),
        ("spl", "a [search b] `m(1)` ```c```", "field mark command field mark macro comment"),
        ("cql", 'a=/x\\/y/i // c\n| f(b, c="d")', "option operator regex comment pipe function mark field mark"),
        ("cql", "a := b/c | $saved() ?p", "field operator field operator field pipe macro mark mark parameter"),
    ],
)
def test_what_a_stretch_of_text_looks_like(language, text, kinds):
    found = [str(t.kind) for t in find_token_table(language).scan(text)]
    assert found[: len(kinds.split())] == kinds.split()


def test_commands_are_the_first_words_of_stages():
    table = find_token_table("spl")
    text = "index=x | join a [ search y | stats count ] | table z"
    assert [text[t.start : t.end] for t in table.scan(text) if t.kind is TokenKind.COMMAND] == [
        "join",
        "search",
        "stats",
        "table",
    ]
