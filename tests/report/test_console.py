import pytest

from harness.report.console import (
    Paper,
    clip_indented_line,
    clip_line,
    escape_controls,
    format_count,
    one_line,
    printed_width,
    shorten_line,
)


def test_control_characters_bidi_marks_and_surrogates_are_spelled_out():
    assert escape_controls("a\x1b[31mb\x07\x9b\u202ec\ud800\td\n") == "a\\x1b[31mb\\x07\\x9b\\u202ec\\ud800\td\n"


def test_one_line_has_no_line_breaks():
    assert one_line(" a\r\n\tb  c ") == "a b c"


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (34, "stats count by host, DestinationIp"),
        (24, "stats count by .. tionIp"),
        (8, "stats .."),
    ],
)
def test_a_long_text_loses_its_middle(width, shown):
    text = "stats count by host, DestinationIp"
    assert shorten_line(text, width) == shown
    assert len(shown) <= width


def test_a_long_text_loses_its_end():
    assert clip_line("stats count by host", 12) == "stats coun.."
    assert clip_indented_line("    stats count by host", 16) == "    stats coun.."


def test_counts_agree_with_their_nouns():
    assert format_count(1, "event") == "1 event"
    assert format_count(1204, "event") == "1,204 events"
    assert format_count(2, "switch", "switches") == "2 switches"


def test_paper_without_colour_has_no_escape_sequences():
    assert Paper().paint("lost", "bad") == "lost"
    assert Paper(colour=True).paint("lost", "bad") == "\x1b[31mlost\x1b[0m"
    assert printed_width("\x1b[31mlost\x1b[0m") == 4


def test_a_table_is_never_wider_than_its_paper():
    lines = Paper(width=40).table(["host", "Image"], [["WS01", "C:\\Windows\\" + "x" * 200], ["WS02", "short"]])
    assert max(len(line) for line in lines) <= 40
    assert lines[0].split() == ["host", "Image"]
    assert lines[2].split() == ["WS02", "short"]


def test_numbers_stand_right_in_a_table():
    assert Paper().table(["n"], [["1"], ["1,000"]], right=frozenset({0})) == ["    n", "    1", "1,000"]


def test_a_paragraph_is_indented_and_starts_with_its_word():
    lines = Paper(width=40).paragraph("one two three four five six seven eight nine ten", indent=8, first="kinds")
    assert lines == ["kinds   one two three four five six", "        seven eight nine ten"]
