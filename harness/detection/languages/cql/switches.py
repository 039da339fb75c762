"""What is not known of LogScale: a name, possible values, and how the product settles it."""

from __future__ import annotations

from harness.detection.language import Switch

SWITCHES = (
    Switch(
        name="stddev",
        values=("sample", "population"),
        question="is stdDev() that of n - 1 (sample) or of n (population)?",
        settle='createEvents(["a=3", "a=7"]) | kvParse() | stdDev(a)',
    ),
    Switch(
        name="percentile",
        values=("sketch", "interpolated"),
        # One page of the manual fits a DDSketch in all of its values, the one value of another page nothing that was
        # tried (reference/cql.md, addenda).
        question="does percentile() answer with the value of a sketch's bucket, or with one between two numbers?",
        settle='createEvents(["a=12", "a=25", "a=50", "a=99"]) | kvParse() | percentile(a, percentiles=[50])',
    ),
    Switch(
        name="json-numbers",
        values=("bare", "quoted"),
        question="does writeJson() write a number bare, or as text in quotes?",
        settle='createEvents(["a.b=5"]) | kvParse() | writeJson(["a.b"])',
    ),
    Switch(
        name="missing-key",
        values=("keep", "drop"),
        question="does groupBy() of several fields form a group of events that lack one of them?",
        settle='createEvents(["a=1 b=2", "a=1"]) | kvParse() | groupBy([a, b])',
    ),
    Switch(
        name="missing-single-key",
        values=("drop", "keep"),
        question="does groupBy() of one field form a group of events that lack it?",
        settle='createEvents(["a=1", "b=1"]) | kvParse() | groupBy(a)',
    ),
    Switch(
        name="round-half",
        values=("away", "up"),
        question="does round() take -2.5 to -3, away from zero, or up to -2?",
        settle='createEvents(["a=-2.5"]) | kvParse() | round(a)',
    ),
    Switch(
        name="division-by-zero",
        values=("null", "infinity"),
        question="is x / 0 no value, or larger than every number?",
        settle='createEvents(["a=1"]) | kvParse() | x := a / 0 | y := if(x > 5, then=1, else=0)',
    ),
    Switch(
        name="missing-not-empty",
        values=("pass", "drop"),
        question='does `field != ""` let an event pass that lacks the field?',
        settle='createEvents(["a=1"]) | kvParse() | b != ""',
    ),
    Switch(
        name="numeric-equality",
        values=("numbers", "text"),
        question="does 404 equal 404.0 in filters and in `==`?",
        settle='createEvents(["a=404.0"]) | kvParse() | a = 404',
    ),
    Switch(
        name="empty-buckets",
        values=("leave", "fill"),
        question="does bucket() give a row for a stretch of time without events, as timeChart() does?",
        settle='createEvents(["t=0", "t=180000"]) | kvParse() | @timestamp := t | bucket(span=1m)',
    ),
    Switch(
        name="missing-sort-key",
        values=("last", "first"),
        question="does sort() put what is missing or no number last in both directions, or first?",
        settle='createEvents(["a=1", "a=x", "a=2"]) | kvParse() | sort(a, order=asc)',
    ),
    Switch(
        name="tail-order",
        values=("oldest-first", "newest-first"),
        question="in which order does tail() give its events?",
        settle='createEvents(["t=1", "t=2"]) | kvParse() | @timestamp := t | tail(2)',
    ),
    Switch(
        name="equal-times",
        values=("as-recorded", "reversed"),
        question="which of several events of one time comes first: the one recorded first, or last?",
        settle="bring events of one time, and look at `head(1)`",
    ),
    Switch(
        name="regex-lines",
        values=("text", "lines"),
        question="without flags, are ^ and $ in regex() and replace() the ends of the text, or those of each line?",
        settle=r'createEvents(["a"]) | x := "a\nb" | regex("^b", field=x)',
    ),
    Switch(
        name="format-missing",
        values=("null", "empty"),
        question="what does format() write for a field that is missing or no number: the word null, or nothing?",
        settle='createEvents(["a=1"]) | kvParse() | format("<%s>", field=[b])',
    ),
    Switch(
        name="missing-content",
        values=("pass", "refuse"),
        question="do events pass a saved query or a lookup that is not at hand unchanged, or is it an error?",
        settle="bring the saved query or the file",
    ),
)
DEFAULTS = {s.name: s.default for s in SWITCHES}
