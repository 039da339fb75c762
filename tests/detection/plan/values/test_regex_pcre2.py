r"""Regular expressions against PCRE2 itself, on generated patterns and subjects.

Left out of the patterns, each for a reason: `{,2}` and `{ 1}` (quantifiers only since PCRE2 10.43, literal before);
`\x{..}` and `\u` (this binding reads them as JavaScript does); a hyphen beside a whole class as in `[\w-.]` (an error
since PCRE2 10.2, literal before, and published); references to the group that they stand in (the library refuses them).
"""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Select, Values
from harness.detection.plan.values.regex import (
    PatternError,
    compile_check,
    extract_all_backtracking,
    extract_backtracking,
    list_capture_groups,
    match_backtracking,
    re2,
    replace_backtracking,
)

pcre2 = pytest.importorskip("pcre2", reason="the binding of PCRE2 is not installed")

OPENED = open_engine("duckdb")
OPENED.load(())


def read_words(text):
    """The words of a text."""
    return text.split()


BLANKS = [" ", "\n"]
ATOMS = BLANKS + read_words(r"""
    a b A B 1 _ - . / é Ä . \\ \. \( \- \/ \d \D \w \W \s \S \h \H \v \V \R \N \x41 \t \n \r \e \cA \0 \012 \o{101}
    \Qa.b\E \Q\E \E \Q*\E \Q\\E \X \p{L} \pN \P{Lu} \p{^Lu} \_ \" \\Run \\Quar \\Roam (a)\1 (b)\g{-1}
    (?<q>a)\k<q> (?:a|b)
""")
PLACES = read_words(r"^ $ \b \B \A \z \Z")
FAULTS = read_words(r"\y \j \Run \l \g \7 [:alpha:] [z-a] [ ) (?Q) [\B] [[.a.]] (*NOPE)")
MEMBERS = BLANKS + read_words(r"""
    a b A B 1 z ^ ] . _ [ & | ~ é \d \D \w \W \s \S \h \v \b \n \t \\ \] \- \^ \x41 \[ [:alpha:] [:^digit:] [:space:]
    [:word:] [:punct:] a-c A-Z 0-9 \Qa-b\E \p{L} \H \1 \101 [:a && \e \/ \.
""")
COUNTS = read_words("* + ? *? +? ?? *+ ++ ?+ {2} {1,2} {0,1} {2,} {1,2}? { {a} {2,1}")
HEADS = read_words("( (?: (?<n> (?P<m> (?'o' (?i: (?im-s: (?= (?! (?<= (?<! (?> (?| (?x: (?^:")
SWITCHES = read_words("(?i) (?s) (?m) (?x) (?-i) (?^) (?#c) (?J)")
CHARACTERS = [*"abAB1z._-\\ /\n\r\té É(*]^[Ä\x0b\x85\u2028\0", "a.b", "Run", "\r\n", "Quar"]
INSIDE = st.lists(st.sampled_from(MEMBERS), max_size=3).map("".join)
CLASS = st.builds(lambda head, inside: f"[{head}{inside}]", st.sampled_from(["", "^", "]", "^]"]), INSIDE)
PIECE = st.one_of(*(st.sampled_from(pieces) for pieces in (ATOMS, ATOMS, PLACES, COUNTS, SWITCHES, "|")), CLASS)
PIECES = st.lists(PIECE, min_size=1, max_size=4).map("".join)
GROUP = st.builds(lambda head, inside: f"{head}{inside})", st.sampled_from(HEADS), PIECES)
PATTERNS = st.lists(st.one_of(PIECES, GROUP), min_size=1, max_size=3).map("".join)
SUBJECTS = st.lists(st.lists(st.sampled_from(CHARACTERS), max_size=9).map("".join), min_size=1, max_size=8)


def compile_pcre2(pattern):
    """The pattern as PCRE2 compiles it, without Unicode properties for `\\w` and its like; None where it refuses."""
    try:
        return pcre2.compile(pattern, pcre2.ASCII)
    except pcre2.PatternError:
        return None


def is_readable(pattern):
    """Whether the reader takes it."""
    try:
        compile_check(pattern)
    except PatternError as error:
        # The library's own limit, told with a caret as every refusal is.
        assume("open group" not in error.message)
        return False
    return True


def list_matches(compiled, subject):
    """Each match: its text and its groups."""
    return [(m.group(), *m.groups()) for m in compiled.finditer(subject)]


def replace_matches(compiled, subject):
    """The subject with `<match>` for each match."""
    made, at = [], 0
    for match in compiled.finditer(subject):
        made.extend((subject[at : match.start()], "<", match.group(), ">"))
        at = match.end()
    return "".join((*made, subject[at:]))


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.one_of(PATTERNS, PATTERNS, st.builds(str.__add__, PATTERNS, st.sampled_from(FAULTS))))
def test_what_pcre2_refuses_is_refused_and_nothing_else(pattern):
    assume(not any(c + "-" in pattern for c in ("d", "D", "w", "W", "s", "S", "h", "H", "v", "}", ":]", "E")))
    assert is_readable(pattern) == (compile_pcre2(pattern) is not None)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(PATTERNS, SUBJECTS)
def test_the_library_finds_what_pcre2_finds(pattern, subjects):
    compiled = compile_pcre2(pattern)
    assume(compiled is not None and is_readable(pattern))
    for subject in subjects:
        wanted = list_matches(compiled, subject)
        assert match_backtracking(subject, pattern, "") is bool(wanted)
        for group in range(len(list_capture_groups(pattern)) + 1):
            first = wanted[0][group] if wanted else None
            assert extract_backtracking(subject, pattern, "", group) == first, (subject, group)
        if all(w[0] for w in wanted):
            assert (extract_all_backtracking(subject, pattern, "", 0) or []) == [w[0] for w in wanted]
            assert replace_backtracking(subject, pattern, "", r"<\0>", True) == replace_matches(compiled, subject)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(PATTERNS, SUBJECTS)
def test_the_engine_finds_what_pcre2_finds(pattern, subjects):
    compiled = compile_pcre2(pattern)
    assume(compiled is not None and is_readable(pattern) and re2(pattern) is not None)
    text, flags = Literal(pattern), Literal("")
    groups = range(len(list_capture_groups(pattern)) + 1)
    asked = [
        ops.regex_found(Column("x"), text, flags),
        ops.regex_extract_all(Column("x"), text, flags, Literal(0.0)),
        ops.regex_replace(Column("x"), text, flags, Literal(r"<\0>"), Literal(True)),
        *(ops.regex_extract(Column("x"), text, flags, Literal(float(g))) for g in groups),
    ]
    source = Values(columns={"x": Kind.TEXT}, rows=tuple((s,) for s in subjects))
    rows = OPENED.run(Select(source=source, columns=tuple((f"y{i}", e) for i, e in enumerate(asked)))).rows
    for subject, (found, every, replaced, *first) in zip(subjects, rows, strict=True):
        wanted = list_matches(compiled, subject)
        assert found is bool(wanted), subject
        assert tuple(first) == (wanted[0] if wanted else (None,) * len(groups)), subject
        if all(w[0] for w in wanted):
            assert list(every or ()) == [w[0] for w in wanted], subject
            assert replaced == replace_matches(compiled, subject), subject
