"""Regular expressions in PCRE's syntax: what RE2 gets, what the library gets, and what is an error where."""

import duckdb
import pytest

from harness.detection.plan.values.pcre import PatternError
from harness.detection.plan.values.regex import (
    compile_check,
    extract_backtracking,
    list_capture_groups,
    match_backtracking,
    re2,
    replace_backtracking,
    split_backtracking,
)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        (r"(?<user>\w+)@", r"([0-9A-Za-z_]+)@"),
        (r"(?P<a>x)(?'b'y)", "(x)(y)"),
        (r"(?<user.name[0]>x)", "(x)"),
        (r"(?i)cmd|powershell", "(?i:cmd)|(?i:powershell)"),
        (r"x(a(?i)b|c)d", "x(a(?i:b)|(?i:c))d"),
        (r"a$", r"a(?:\n?\z)"),
        (r"(?x) a b  # a comment", "ab"),
        (r"a(?#why)b", "ab"),
        (r"\Qa.b\E+", r"a\.b+"),
        (r"[\w-z]", r"[0-9A-Za-z_\-z]"),
        (r"[]a]", r"[\]a]"),
        (r"\x41\x{42}\t\e", r"\x{41}\x{42}\x{9}\x{1b}"),
        (r"\h\R\N", r"[\t\x{20}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"
                    r"(?:\r\n|[\n-\r\x{85}\x{2028}\x{2029}])[^\n]"),
        (r"a{,3}", r"a\{,3\}"),
        (r"\_\/\"", r"_\/\""),
        (r"\z\Z\A", r"\z\n?\z\A"),
        ("a b", "a b"),
    ],
)  # fmt: skip
def test_a_pattern_is_written_for_re2_with_the_same_meaning(pattern, wanted):
    compile_check(pattern)
    assert re2(pattern) == wanted


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^(?!.*chrome).*\.exe$", "cmd.exe", True),
        (r"^(?!.*chrome).*\.exe$", "chrome.exe", False),
        (r"(?<=\\)cmd", r"C:\cmd", True),
        (r"(a)\1", "aa", True),
        (r"(?<q>['\"]).*\k<q>", "'x'", True),
        (r"(?>a+)b", "aab", True),
        (r"a++a", "aa", False),
        (r"(\((?:[^()]|(?1))*\))", "(a(b))", True),
        (r"a{1001}", "a" * 1001, True),
        (r"(?|a(b)|c(d))", "cd", True),
        (r"^(?<n>a)?(?(n)b|c)$", "ab", True),
    ],
)
def test_what_re2_lacks_the_library_finds(pattern, text, found):
    compile_check(pattern)
    assert re2(pattern) is None
    assert match_backtracking(text, pattern, "") is found


@pytest.mark.parametrize(
    ("pattern", "message", "position"),
    [
        ("ab(c", "a group is not closed", 2),
        ("ab)c", "a bracket is closed that was not opened", 2),
        ("a[bc", "a character class is not closed", 1),
        ("a**", "a quantifier has nothing to repeat", 2),
        ("*a", "a quantifier has nothing to repeat", 0),
        ("(?:|+)", "a quantifier has nothing to repeat", 4),
        ("a{3,1}", "a repetition ends before it begins", 1),
        ("[z-a]", "bad character range z-a", 0),
        ("abc\\", "a backslash ends the pattern", 3),
        ("(?Q)a", "`Q` is no flag", 0),
        (r"a\k<b>", "there is no group called `b`", 6),
        ("(?#a", "a comment is not closed", 0),
        ("(" * 300 + ")" * 300, "groups nest too deep", 250),
    ],
)
def test_a_pattern_that_is_none_is_an_error_with_its_place(pattern, message, position):
    with pytest.raises(PatternError) as error:
        compile_check(pattern)
    assert (error.value.message, error.value.position) == (message, position)


def test_groups_have_numbers_and_some_have_names():
    found = list_capture_groups(r"(?<a>x)(y)(?:z)(?P<b>w)")
    assert (len(found), found.all) == (3, ("a", None, "b"))
    assert (found.number("b"), found.number("c"), found.number(2), found.number(4)) == (3, None, 2, None)


def test_a_dollar_that_would_take_the_line_end_with_it_is_left_to_the_library():
    assert re2("a$", whole_match=True) is None
    assert extract_backtracking("a\n", "(a$)", "", 1) == "a"
    assert replace_backtracking("a\n", "a$", "", "b", True) == "b\n"


def test_flags_outside_the_pattern():
    assert re2("a.b", "is") == "(?is)a.b"
    assert match_backtracking("A\nB", "a.b(?=$)", "is") is True


def test_empty_matches_do_not_divide_a_text():
    assert split_backtracking("abc", "x*", "") == ["abc"]


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        ("(a{100}){10}", False),
        ("(a{100}){11}", True),
        ("(?:a{2,}){501}", True),
        ("(?:a{2,}){500}", False),
        ("(a{0,500}){2,3}", True),
        ("((a{10})*){101}", True),
        (r"(\{100}){9}x{1000}", False),
        (r"[{]a{1000}\p{L}{9}", False),
        (r"\p{L}{1000}", True),
        ("(a{30}|b{30}){9}c{300}", False),
    ],
)
def test_what_re2_would_have_to_copy_too_often_is_left_to_the_library(pattern, refused):
    assert (re2(pattern) is None) == refused
    statement = "SELECT regexp_matches('x', ?)"
    if refused:
        with pytest.raises(duckdb.Error):
            duckdb.execute(statement, [pattern])
    else:
        assert duckdb.execute(statement, [re2(pattern)]).fetchone() == (False,)
