"""Places in a document as editors count them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.editor.document_text import DocumentText

# An emoji of two units, one of several characters, a combining accent, every end of line, what is none.
TEXT = "a😀b\r\ne\u0301👩‍💻x\rz\x0c\u2028y\n"


@pytest.mark.parametrize(
    ("encoding", "columns"),
    [("utf-16", [1, 3, 7]), ("utf-8", [1, 5, 14]), ("utf-32", [1, 2, 5])],
)
def test_columns_are_counted_in_the_units_that_were_agreed_on(encoding, columns):
    document = DocumentText(TEXT, encoding)
    places = [document.find_place(TEXT.index(c)) for c in ("😀", "b", "x")]
    assert places == [(0, columns[0]), (0, columns[1]), (1, columns[2])]
    assert [document.find_offset(*p) for p in places] == [TEXT.index(c) for c in ("😀", "b", "x")]


def test_lines_end_at_line_feeds_and_carriage_returns_alone():
    document = DocumentText(TEXT)
    assert [TEXT[s:].partition("\n")[0][:1] for s in document.starts] == ["a", "e", "z", ""]


def test_a_place_beyond_a_line_or_the_text_is_its_end():
    document = DocumentText("ab\r\ncd")
    assert [document.find_offset(*p) for p in ((0, 99), (1, 99), (9, 0), (-1, 5))] == [2, 6, 6, 0]


def test_a_column_within_a_character_is_before_it():
    assert DocumentText("😀").find_offset(0, 1) == 0


ENDS = st.sampled_from(["\n", "\r\n", "\r", "😀", "e\u0301", "x", "\x0c", "|"])


@given(st.lists(ENDS, max_size=12).map("".join), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_each_character_is_found_again_by_its_place(text, encoding):
    document = DocumentText(text, encoding)
    # The line feed of a pair has no place of its own.
    inside = {i for i in range(1, len(text)) if text[i - 1 : i + 1] == "\r\n"}
    for offset in set(range(len(text) + 1)) - inside:
        assert document.find_offset(*document.find_place(offset)) == offset


def test_changes_are_made_where_the_editor_says():
    document = DocumentText("a😀b\nc").replace((0, 3), (1, 0), "X\r\n")
    assert document.text == "a😀X\r\nc"
    assert document.starts == [0, 5]
