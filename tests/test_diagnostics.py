"""Places, carets, hints and mended text."""

from harness.diagnostics import Edit, Finding, RejectedError, Severity, Source, SourceError, did_you_mean, mend


def test_an_error_shows_the_line_the_place_and_one_hint():
    source = Source("scenarios/T1583.004/mini.spl", "index=x\n| eval n=rond(2.5)")
    error = SourceError(
        "unknown-function",
        "no eval function is called `rond`",
        source.span(17, 21),
        help="did you mean `round`?",
    )
    assert str(error) == "\n".join(
        [
            "error[unknown-function]: no eval function is called `rond`",
            " --> scenarios/T1583.004/mini.spl:2:10",
            "  |",
            "2 | | eval n=rond(2.5)",
            "  |          ^^^^",
            "  = help: did you mean `round`?",
        ]
    )


def test_a_place_at_the_very_end_still_has_a_caret():
    source = Source("r.spl", "search (a")
    assert SourceError("open", "a parenthesis is open", source.span(9, 9)).render().endswith("|          ^")


def test_a_line_of_a_megabyte_is_cut_around_the_place():
    source = Source("long.spl", "a" * 500_000 + "?" + "b" * 500_000)
    shown = SourceError("odd", "odd character", source.span(500_000, 500_001)).render().splitlines()
    assert max(map(len, shown)) < 200
    assert shown[3][shown[4].index("^")] == "?"


def test_a_caret_of_many_lines_ends_with_its_first_line():
    source = Source("r.cql", "case {\n  a\n}")
    assert SourceError("x", "y", source.whole()).render().splitlines()[-1] == "  | ^^^^^^"


def test_positions_count_from_one_and_know_windows_line_ends():
    source = Source("r", "ab\r\ncd")
    assert (source.position(0), source.position(4), source.line(1)) == ((1, 1), (2, 1), "ab")


def test_mending_makes_all_edits_and_the_first_of_two_that_overlap():
    source = Source("r", "if(a, 1, 0)")
    edits = [Edit(source.span(9, 9), "else="), Edit(source.span(6, 6), "then="), Edit(source.span(5, 9), "never")]
    assert mend(source, edits) == "if(a,neverelse=0)"
    assert mend(source, edits[:2]) == "if(a, then=1, else=0)"


def test_a_rejection_lists_every_place_then_counts_them():
    source = Source("r.cql", "a\nb")
    findings = [
        Finding(code="one", span=source.span(0, 1), message="first"),
        Finding(code="two", span=source.span(2, 3), message="second", severity=Severity.ERROR),
    ]
    shown = RejectedError("LogScale", findings).render()
    assert shown.index("error[one]: first") < shown.index("error[two]: second")
    assert shown.endswith("error[rejected]: LogScale rejects this in 2 places")


def test_the_nearest_known_word_is_proposed_whatever_its_case():
    assert did_you_mean("grupBy", ["groupBy", "sort"]) == "did you mean `groupBy`?"
    assert did_you_mean("zebra", ["groupBy", "sort"]) is None
