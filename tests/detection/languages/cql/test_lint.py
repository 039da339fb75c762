"""What LogScale rejects or gets silently wrong: each finding with its place, its severity and its mended text."""

import pytest

from harness.detection.language import Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.diagnostics import RejectedError, Severity, Source, mend

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
REJECTED = [
    ("unnamed-argument", "x := if(a > 1, 2, 3)", "2, 3", "x := if(a > 1, then=2, else=3)"),
    ("unnamed-argument", 'regex("x", a)', "a", 'regex("x", field=a)'),
    ("unnamed-argument", 'cidr(ip, "10.0.0.0/8")', '"10.0.0.0/8"', 'cidr(ip, subnet="10.0.0.0/8")'),
    ("and-in-expression", "test(a > 1 and b > 2)", "and", "test(if(a > 1, then=b > 2, else=false))"),
    ("and-in-expression", "test((a > 1) && b)", "&&", "test(if((a > 1), then=b, else=false))"),
    ("or-in-expression", "test(a > 1 or b > 2)", "or", "test(if(a > 1, then=true, else=b > 2))"),
    (
        "and-in-expression",
        "x := if(a and b and c, then=1, else=0)",
        "and",
        "x := if(a, then=if(b, then=if(c, then=1, else=0), else=0), else=0)",
    ),
    ("not-in-expression", "test(not (a == 1))", "not", "test(!(a == 1))"),
    ("single-equals", "test(a = 1)", "=", "test(a == 1)"),
    ("double-equals", "a == 1", "==", "a = 1"),
    ("trailing-comma", "groupBy([a, b,])", ",", "groupBy([a, b])"),
    ("single-quotes", "a = 'x'", "'x'", 'a = "x"'),
    ("in-operator", "a in [1, 2]", "in ", "in(a, values=[1, 2])"),
    ("in-operator", "a not in (1, 2)", "not in ", "!in(a, values=[1, 2])"),
    ("and-sign", "a=1 && b=2", "&&", "a=1 and b=2"),
    ("or-sign", "(a=1 || b=2)", "||", None),
    ("bare-slash", "a=/(x/y)/", "/", r"a=/(x\/y)/"),
    ("glued-comment", "a=b//", "//", "a=b //"),
    ("bare-slash", "a=/https?://x/i", "/", r"a=/https?:\/\/x/i"),
    ("and-sign", "a=1 & b=2", "&", "a=1 and b=2"),
    ("not-equal-sign", "a <> 1", "<>", "a != 1"),
    ("regex-operator", "a =~ /x/", "=~", "a = /x/"),
    ("regex-operator", "a !~ /x/", "!~", "a != /x/"),
    ("regex-flag", "a=/x/s", "s", "a=/x/d"),
    ("stray-character", "groupBy(a)'", "'", "groupBy(a)"),
    ("function-in-or", "a=1 or in(b, values=[1])", "in(b, values=[1])", None),
    ("negated-sample", "!sample(50)", "!sample(50)", None),
    ("not-in-preamble", "setTimeInterval(start=1d) | setTimeInterval(start=2d)", "setTimeInterval(start=2d)", None),
    ("join-beside-table", "defineTable(query={*}, name=t, include=[a]) | selfJoin(a, where=[{*}])", None, None),
    ("unquoted-text", "replace(regex=^a$, with=b, field=c)", "^a$", 'replace(regex="^a$", with=b, field=c)'),
    ("array-in-filter", "n[]=b", "n[]=b", 'array:contains("n[]", value=b)'),
    ("array-in-filter", "n[]!=/b/", "n[]!=/b/", '!array:regex("n[]", regex=/b/)'),
    ("missing-pipe", "x := 1 y := 2", "y", "x := 1 | y := 2"),
    ("missing-pipe", "a=1\nx := 1", "x", "a=1\n| x := 1"),
    ("missing-pipe", "case { a=1; * } groupBy(a)", "g", "case { a=1; * } | groupBy(a)"),
    ("missing-semicolon", "case {\na=1 | x := 1\n* | x := 2 }", "*", "case {\na=1 | x := 1\n; * | x := 2 }"),
    ("missing-semicolon", "a match { 1 => x := 1 2 => x := 2 }", "2", "a match { 1 => x := 1 ; 2 => x := 2 }"),
    ("empty-branch", "case { a=1;; * }", ";", None),
    ("empty-branch", "a match { 1 => ; * => x := 1 }", None, None),
    ("reserved-word", "a=1 count", "count", 'a=1 "count"'),
    ("unnamed-argument", 'in(a, "x", "y")', '"x", "y"', 'in(a, values=["x", "y"])'),
    ("unnamed-argument", "groupBy(a, count())", "count()", "groupBy(a, function=count())"),
    ("unnamed-argument", "sort(a, asc)", "asc", "sort(a, order=asc)"),
    ("not-in-preamble", 'a=1 | defineTable(query={a=1}, name="t", include=a)', None, None),
    ("not-a-number", '@timestamp > "2024-01-01"', '"2024-01-01"', None),
    ("regex-unsupported", "a=/(?>x)/", "/(?>x)/", None),
    ("regex-unsupported", r"a=/\h/", r"/\h/", None),
    ("regex-unsupported", "a=/[[:alpha:]]/", "/[[:alpha:]]/", None),
    ("regex-unsupported", "a=/[a-z&&[b]]/", "/[a-z&&[b]]/", None),
    ("regex-brace", r"a=/-c \"{/i", "{", r"a=/-c \"\{/i"),
    ("regex-brace", r"a=/[{]x{2}\{{y/", "{", r"a=/[{]x{2}\{\{y/"),
    ("regex-brace", r"a=/(?<j>{.*})$|{b|x{/", "{", r"a=/(?<j>{.*})$|{b|x\{/"),
    ("free-text-after-aggregate", "count() | needle", "needle", None),
    ("aggregate-in-case", "case { a=1 | count(); * }", "count()", None),
    ("unknown-parameter", "in(a, value=[1])", "value=[1]", None),
    ("missing-parameter", "in(a)", "in(a)", None),
    ("too-many-arguments", "worldMap(a)", "a", None),
    ("regex-unsupported", "a=/(?<=x)y/", "/(?<=x)y/", None),
    ("regex-unsupported", "a=/(?P<n>y)/", "/(?P<n>y)/", None),
]
TOLERATED = [
    ("or-sign", WARNING, "a=1 || b=2", "||"),
    ("text-in-min-max", WARNING, 't := formatTime("%H", field=x) | min(t)', "min(t)"),
    ("text-in-min-max", WARNING, "t := time:dayOfWeekName(x) | max(t)", "max(t)"),
    ("unnamed-list", WARNING, "groupBy(a, b)", "a, b"),
    ("function-as-value", WARNING, "a=lower(b)", "lower"),
    ("inline-flag", WARNING, "a=/(?i)x|y/", "/(?i)x|y/"),
    ("misspelt-function", WARNING, "groupBi (a=1)", "groupBi"),
    ("blank-in-value", WARNING, "path=C:\\Program Files\\x.exe", "Files\\x.exe"),
    ("value-after-or", WARNING, "a=x or y", "y"),
    ("sum-in-filter", WARNING, "x = a + 1", "+"),
    ("text-in-sum", WARNING, 'x := a + "-"', '"-"'),
    ("sign-in-name", WARNING, "x := a%2", "a%2"),
    ("duration-as-field", WARNING, "test(a > now() - 1d)", "1d"),
    ("null-as-text", WARNING, "a != null", "null"),
    ("percent-in-like", WARNING, "a like %x%", "%x%"),
    ("comment-sign", WARNING, "# note", "#"),
    ("group-in-or", WARNING, "a=/(?<n>x)/ or b=1", "a=/(?<n>x)/"),
    ("apply-without-field", WARNING, "a =~ text:contains(substring=x)", "text:contains(substring=x)"),
    ("regex-unsupported", WARNING, r"a=/\d++/", r"/\d++/"),
    ("groupby-limit", NOTE, "groupBy(a)", "groupBy(a)"),
    ("stddev-convention", NOTE, "stdDev(a)", "stdDev(a)"),
    ("implied-tail", NOTE, "a=1", "a=1"),
]


def lint(text):
    return LANGUAGE.lint(Source("query.cql", text))


@pytest.mark.parametrize(("code", "text", "place", "mended"), REJECTED)
def test_strict_reading_refuses_what_logscale_would_reject(code, text, place, mended):
    found = [f for f in lint(text) if f.code == code]
    assert found[0].severity is ERROR
    assert place in (None, found[0].span.text)
    with pytest.raises(RejectedError) as refused:
        LANGUAGE.parse(Source("query.cql", text), Strictness.STRICT)
    assert code in {f.code for f in refused.value.findings}
    if mended is not None:
        assert mend(Source("query.cql", text), [e for f in found for e in f.edits]) == mended
        assert LANGUAGE.parse(Source("query.cql", mended), Strictness.STRICT).deviations == ()


READ_TOO = [r for r in REJECTED if r[0] not in ("not-a-number",)]


@pytest.mark.parametrize(("code", "text", "place", "mended"), READ_TOO)
def test_lenient_reading_records_it_as_a_deviation(code, text, place, mended):
    assert code in {d.code for d in LANGUAGE.parse(Source("query.cql", text)).deviations}


@pytest.mark.parametrize(("code", "severity", "text", "place"), TOLERATED)
def test_what_logscale_accepts_is_no_reason_to_refuse(code, severity, text, place):
    found = [f for f in lint(text) if f.code == code]
    assert (found[0].severity, found[0].span.text) == (severity, place)
    LANGUAGE.parse(Source("query.cql", text), Strictness.STRICT)


def test_findings_come_in_the_order_of_the_text():
    found = lint("test(a and b) | x := if(c, 1, 2) | groupBy([a,])")
    assert [f.span.start for f in found] == sorted(f.span.start for f in found)
    assert len(found) == 4


def test_what_cannot_be_read_is_the_only_finding():
    assert [f.code for f in lint("groupBy(a")] == ["syntax"]


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("a=1", False),
        ("needle", True),
        ("/re/", True),
        ("?filter", False),
        ('regex("x")', True),
        ('regex("x", field=a)', False),
        ("@rawstring = *x*", True),
        ("parseJson()", True),
        ("parseJson(a)", False),
        ("kvParse()", True),
        ('parseTimestamp("yyyy")', True),
        ('parseTimestamp("yyyy", field=a)', False),
        ("eventSize()", True),
    ],
)
def test_a_query_says_whether_it_reads_the_text_of_events(text, raw):
    assert LANGUAGE.parse(Source("query.cql", text)).raw is raw
