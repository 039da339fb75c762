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
        (r"(?<user>\w+)@", r"([0-9A-Z_a-z]+)@"),
        (r"(?P<a>x)(?'b'y)", "(x)(y)"),
        (r"(?i)cmd|powershell", "(?i:cmd)|(?i:powershell)"),
        (r"x(a(?i)b|c)d", "x(a(?i:b)|(?i:c))d"),
        (r"a$", r"a(?:\n?\z)"),
        (r"(?x) a b  # a comment", "ab"),
        (r"a(?#why)b", "ab"),
        (r"\Qa.b\E+", r"a\.b+"),
        (r"[\w-z]", r"[0-9A-Z_a-z\-z]"),
        (r"[]a]", r"[\]a]"),
        (r"\x41\x{42}\t\e", r"AB\x{9}\x{1b}"),
        (r"\h\N", r"[\x{9}\x{20}\x{a0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}][^\n]"),
        (r"[\Q]-\E\d]", r"[\]\-0-9]"),
        (r"[\S]", r"[\x{0}-\x{8}\x{e}-\x{1f}\!-\x{10ffff}]"),
        (r"[[:alpha:][:^ascii:]]", r"[A-Za-z\x{80}-\x{10ffff}]"),
        (r"(?^)a\12", r"(?-ims:a\x{a})"),
        (r"(?m)^\w+=", r"(?m:^[0-9A-Z_a-z]+=)"),
        (r"a{,3}", r"a\{,3\}"),
        (r"\_\/\"", r"_\/\""),
        (r"\A\z\Z", r"\A\z(?:\n?\z)"),
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
        (r"^\R\n", "\r\n", False),
        (r"a$\n", "a\n", True),
        (r"(?m)^$", "a\n", False),
        (r"(?<n>a)(?P=n)\g{-1}\g<n>", "aaaa", True),
        (r"(?>[^B])|[^\n]", "\n", True),
        (r"\Bb", "ab", True),
        (r"(?|(a)|(b)(c))(d)\3", "bcdd", True),
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
        ("[z-a]", "the range `z-a` runs backwards", 1),
        (r"[a-\d]", "a range ends in a whole class", 1),
        (r"[\y]", r"`\y` stands for nothing in a character class", 1),
        ("[[.a.]]", "collating elements are not supported", 1),
        ("[[:foo:]]", "no character class is called `foo`", 1),
        ("a[:alpha:]", "a named class stands in a bracket of its own: `[[:alpha:]]`", 1),
        (r"a\Users", r"`\U` stands for nothing", 1),
        (r"\x{zz}", r"the number of `\x` cannot be read", 0),
        (r"\x{110000}", "there is no character 110000", 0),
        ("^*", "a quantifier has nothing to repeat", 1),
        (r"a\b+", "a quantifier has nothing to repeat", 3),
        ("a{70000}", "a repetition has at most 65535 turns", 1),
        (r"(a)\2", "there is no group 2", 3),
        (r"a\g{-1}", "there is no group -1", 1),
        (r"a\g", r"`\g` names no group", 1),
        ("(?<n>a)(?<n>b)", "two groups are called `n`", 7),
        ("(?<user.name>a)", "`user.name` is no name of a group: letters, digits and _ are", 0),
        ("(?<=a+)b", "a look-behind has no end", 5),
        ("(?U)a", "the flag `U` is not supported", 0),
        ("(*UCP)a", "`(*UCP)` is not supported", 0),
        ("a(*UTF)", "`(*UTF)` is not supported", 1),
        ("(?^-i)a", "`^` and `-` do not go together", 0),
        (r"\N{U+41}", "characters by name are not supported", 0),
        ("abc\\", "a backslash ends the pattern", 3),
        ("(?Q)a", "`Q` is no flag", 0),
        (r"a\k<b>", "there is no group called `b`", 1),
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


def test_groups_of_a_branch_reset_share_their_numbers():
    assert len(list_capture_groups("(?|(a)|(b)(c))(d)")) == 3


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
