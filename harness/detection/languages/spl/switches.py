"""Meanings of SPL that no source settles, each with its default and a search that settles it.

Reference: reference/spl.md 17
"""

from __future__ import annotations

from harness.detection.language import Switch

SWITCHES: tuple[Switch, ...] = (
    Switch(
        name="significant_digits",
        values=("off", "on"),
        question="Q1: is the result of arithmetic rounded to the precision of its operands?",
        settle="| makeresults | eval a=7.5,b=0.7071067811865476 | eval r=b/a",
    ),
    Switch(
        name="multivalue_not_equal",
        values=("any", "all"),
        question="Q2: is f!=x true of several values if any of them differs, or only if all do?",
        settle='| makeresults | eval f=split("a,b",",") | search f!=a',
    ),
    Switch(
        name="null_logic",
        values=("three-valued", "two-valued"),
        question="Q3: is NOT of a comparison with a missing field null, or true?",
        settle='| makeresults | eval r=if(NOT (x="a"),1,0)',
    ),
    Switch(
        name="like_case",
        values=("sensitive", "insensitive"),
        question="Q4: does like() heed case?",
        settle='| makeresults | eval r=if(like("ABC","a%"),1,0)',
    ),
    Switch(
        name="rename_missing",
        values=("removes", "keeps"),
        question="Q5: does renaming a missing field onto an existing one remove that one?",
        settle="| makeresults | eval b=1 | rename nosuch AS b",
    ),
    Switch(
        name="regex_without_field",
        values=("keep", "drop"),
        question='Q6: does regex f!="re" keep rows without f?',
        settle='| makeresults | regex f!="a"',
    ),
    Switch(
        name="iplocation_unknown",
        values=("null", "empty"),
        question="Q7: are the fields of iplocation missing or empty for an address without a place?",
        settle='| makeresults | eval ip="10.0.0.1" | iplocation ip | eval t=isnull(City)',
    ),
    Switch(
        name="lookup_no_match",
        values=("cleared", "kept"),
        question="Q8: does OUTPUT clear an existing field where the table has no match?",
        settle='| makeresults | eval k="none", v="old" | lookup t k OUTPUT v',
    ),
    Switch(
        name="lookup_multivalue",
        values=("each", "none"),
        question="is each value of a field looked up, or is a field of several values found in no table?",
        settle='| makeresults | eval k=split("a,b",",") | lookup t k OUTPUT v',
    ),
    Switch(
        name="bin_text",
        values=("kept", "missing"),
        question="does bin leave a value that is no number as it is, or take it away?",
        settle='| makeresults | eval x="word" | bin x span=10 | eval t=isnull(x)',
    ),
    Switch(
        name="convert_num",
        values=("plain", "commas"),
        question="does num() of convert take 1,234 for no number and remove it, or for 1234?",
        settle='| makeresults | eval x="1,234" | convert num(x)',
    ),
    Switch(
        name="top_percent",
        values=("full", "six-decimals"),
        question="has percent of top and rare all digits, or six decimals?",
        settle='| makeresults count=3 | streamstats count as n | eval x=if(n=1,"a","b") | top x',
    ),
    Switch(
        name="return_outside",
        values=("text", "rows"),
        question="does return at the end of a search give the text that a search around it would get, or its rows?",
        settle="| makeresults count=3 | streamstats count as n | return 2 n",
    ),
    Switch(
        name="metadata_case",
        values=("insensitive", "sensitive"),
        question="Q10: do host=, source= and sourcetype= heed case?",
        settle='index=_internal sourcetype="SPLUNKD" | head 1',
    ),
    Switch(
        name="number_look_alikes",
        values=("decimal", "plain"),
        question="Q11: are `1e3`, `+5`, `.5` and `5.` numbers in comparisons and isnum(), or only such as `-12.5`?",
        settle='| makeresults | eval x="1e3" | eval r=if(isnum(x),1,0)',
    ),
    Switch(
        name="stats_order",
        values=("by-fields", "first-seen"),
        question="Q12: do rows of stats come ascending by their BY fields, or as their groups were first seen?",
        settle='| makeresults count=2 | streamstats count as n | eval k=if(n=1,"b","a") | stats count by k',
    ),
    Switch(
        name="equal_times",
        values=("as-recorded", "reversed"),
        question="which of several events of one time comes first: the one recorded first, or last?",
        settle="bring events of one time, and look at `index=* | head 1`",
    ),
    Switch(
        name="stats_of_nothing",
        values=("row", "none"),
        question="Q14: does stats without BY and without a count give a row where there are no events?",
        settle="| makeresults | where 1=2 | stats values(x) as v | stats count",
    ),
    Switch(
        name="tostring_null",
        values=("text", "missing"),
        question="is tostring() of a missing field the word Null, or missing too?",
        settle="| makeresults | eval r=tostring(nosuch), t=isnull(r)",
    ),
    Switch(
        name="percentiles",
        values=("interpolated", "nearest-rank"),
        question="Q9: does a percentile lie between two values, or is it one of them?",
        settle="| makeresults count=2 | streamstats count | stats median(count)",
    ),
    Switch(
        name="transaction_closed",
        values=("ends", "limits"),
        question="is a transaction without its begin or end closed where maxspan, maxpause or maxevents cut it off?",
        settle=(
            '| makeresults count=2 | streamstats count as n | eval _time=n*600, op=if(n=2,"end","begin") '
            '| sort - _time | transaction startswith=(op="begin") endswith=(op="end") maxspan=5m'
        ),
    ),
    Switch(
        name="timechart_span",
        values=("1h", "30m", "1d", "5m"),
        question="timechart without span: which one does the time range of the search give?",
        settle="index=* | timechart count",
    ),
    Switch(
        name="hour_bins",
        values=("epoch", "clock"),
        question="Q15: are spans of hours counted from the epoch, or from midnight of the user's zone?",
        settle='| makeresults | bin _time span=1h | eval t=strftime(_time, "%T")',
    ),
    Switch(
        name="indexed_fields",
        values=("metadata", "all"),
        question="does tstats without a data model see metadata alone, or all fields because they were indexed?",
        settle="| walklex index=* type=field | head 20",
    ),
    Switch(
        name="falcon_connections",
        values=("ports", "traffic"),
        question="are Falcon's connections in Endpoint.Ports alone, as the add-on for FDR tags them, or traffic too?",
        settle="tag=network tag=communicate sourcetype=crowdstrike:events:sensor | head 1",
    ),
)

SWITCH_BY_NAME = {s.name: s for s in SWITCHES}
