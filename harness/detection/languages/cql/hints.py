"""What people write who come from other query languages, and what CQL has for it."""

from __future__ import annotations

import re

from harness.diagnostics import did_you_mean
from harness.late_pattern import late_pattern

CQL_COMMAND_HINTS = {
    "where": "a condition stands as a step by itself: `| field > 5`, or `| test(a > b)` for two fields",
    "filter": "a condition stands as a step by itself: `| field = value`",
    "search": "a condition stands as a step by itself: `| field = value`",
    "stats": "`groupBy([fields], function=[count()])`",
    "summarize": "`groupBy([fields], function=[count()])`",
    "eventstats": "`join`, `selfJoinFilter`, or `groupBy` with `collect`",
    "streamstats": "`accumulate`, `slidingWindow` or `neighbor`",
    "timechart": "`timeChart(series=field, span=1h)`",
    "chart": "`groupBy([fields], function=count())`",
    "bin": "`bucket(span=1h)`",
    "eval": "`name := expression`",
    "extend": "`name := expression`",
    "let": "`name := expression`",
    "set": "`name := expression`",
    "var": "`name := expression`",
    "groupby": "`groupBy([fields], function=[count()])`",
    "count": "`count()`, or `groupBy([fields], function=count())`",
    "table": "`table([a, b])`",
    "fields": "`select([a, b])`, or `drop([a, b])` to take fields away",
    "project": "`select([a, b])`",
    "keep": "`select([a, b])`",
    "drop": "`drop([a, b])`",
    "rename": "`rename(old, as=new)`",
    "sort": "`sort(field, order=desc, limit=200)`",
    "order": "`sort(field, order=desc, limit=200)`",
    "head": "`head(10)`",
    "tail": "`tail(10)`",
    "take": "`tail(10)`",
    "limit": "`tail(10)`, or `limit=` of `sort` and `table`",
    "top": "`top(field, limit=10)`",
    "rare": "`groupBy(field) | sort(_count, order=asc)`",
    "dedup": "`groupBy(field, function=tail(1))`",
    "distinct": "`groupBy(field, function=[])`",
    "rex": '`regex("(?<name>...)", field=field)`',
    "regex": "`field = /expression/`",
    "replace": "`replace(regex, with=text, field=field)`",
    "lookup": '`match(file="name.csv", field=field)`',
    "inputlookup": '`readFile("name.csv")`',
    "join": "`join({sub-query}, field=a, key=b, include=[c])`",
    "fillnull": "`default(value=0, field=[a, b])`",
    "mvexpand": "`split(field)`",
    "spath": "`parseJson(field)`",
    "transaction": "`groupBy(field, function=session())`",
    "index": "the repository is chosen outside the query, or with `#repo=name`",
}
ANYWHERE = frozenset({"let", "set", "var"})
# A word, blanks and another word: in CQL these are two free texts, which only commands of others resemble.
FOREIGN_COMMAND = late_pattern(r"([A-Za-z]+)[ \t]+(?![=!<>|(){};,:]|and\b|or\b|match\b|like\b|//|/\*|$)(?=[^\s])", re.I)
CQL_FUNCTION_HINTS = {
    "isnull": "`field != *` asks whether a field is missing",
    "isnotnull": "`field = *` asks whether a field exists",
    "isempty": '`field = ""` asks for the empty text, `field != *` for a missing field',
    "isnotempty": "`field = *` asks whether a field exists",
    "len": "`length(field)`",
    "strlen": "`length(field)`",
    "tolower": "`lower(field)`",
    "toupper": "`upper(field)`",
    "to_lower": "`lower(field)`",
    "to_upper": "`upper(field)`",
    "lcase": "`lower(field)`",
    "ucase": "`upper(field)`",
    "substr": "`text:substring(field, begin=0, end=3)`",
    "substring": "`text:substring(field, begin=0, end=3)`",
    "strftime": "`formatTime(format, field=field, as=name)`",
    "strptime": "`parseTimestamp(format, field=field)`",
    "dc": "`count(field, distinct=true)`",
    "dcount": "`count(field, distinct=true)`",
    "distinct_count": "`count(field, distinct=true)`",
    "countdistinct": "`count(field, distinct=true)`",
    "values": "`collect([field])`",
    "list": "`collect([field])`",
    "make_set": "`collect([field])`",
    "make_list": "`collect([field])`",
    "first": "`selectFromMin(field=@timestamp, include=[field])`",
    "earliest": "`min(@timestamp)`, or `selectFromMin(field=@timestamp, include=[field])`",
    "last": "`selectLast([field])`",
    "latest": "`max(@timestamp)`, or `selectLast([field])`",
    "arg_max": "`selectFromMax(field=a, include=[b])`",
    "arg_min": "`selectFromMin(field=a, include=[b])`",
    "mean": "`avg(field)`",
    "stdev": "`stdDev(field)`",
    "perc": "`percentile(field, percentiles=[95])`",
    "countif": "`function={ condition | count() }`",
    "count_if": "`function={ condition | count() }`",
    "sumif": "`function={ condition | sum(field) }`",
    "cidrmatch": '`cidr(field, subnet="10.0.0.0/8")`',
    "ipv4_is_in_range": '`cidr(field, subnet="10.0.0.0/8")`',
    "like": '`field like "text"`',
    "contains": '`field like "text"`, or `text:contains` in an expression',
    "has": '`field like "text"`',
    "startswith": '`field = "text*"`, or `text:startsWith` in an expression',
    "endswith": '`field = "*text"`, or `text:endsWith` in an expression',
    "matches": "`field = /expression/`",
    "rex": '`regex("(?<name>...)", field=field)`',
    "extract": '`regex("(?<name>...)", field=field)`',
    "iff": "`if(condition, then=a, else=b)`",
    "case": "`case { condition | step; * }`",
    "not": "`not` stands before a filter, `!` in an expression",
    "and": "filters stand next to one another, with or without `and`",
    "or": "`a=1 or b=2`",
    "tostring": "every field is text already; `format` writes numbers",
    "tonumber": "text that is a number is read as one",
    "toint": "text that is a number is read as one",
    "todouble": "text that is a number is read as one",
    "trim": '`replace("^\\s+|\\s+$", with="", field=field)`',
    "strcat": "`concat([a, b])`",
    "split_part": '`splitString(field, by=",", index=0)`',
    "mvcount": '`array:length(array="name[]")`',
    "mvindex": "`name[0]` is the first element of an array",
    "exists": "`field = *` asks whether a field exists",
    "nullif": "an expression without a value leaves its target as it was",
    "ago": "the time window is given beside the query, or with `setTimeInterval(start=1d)`",
    "relative_time": "the time window is given beside the query, or with `setTimeInterval(start=1d)`",
    "strcmp": "`test(a == b)`",
    "bin": "`bucket(span=1h)`",
    "summarize": "`groupBy([fields], function=[count()])`",
    "where": "a condition stands as a step by itself: `| field > 5`",
    "eventstats": "`join`, `selfJoinFilter`, or `groupBy` with `collect`",
    "dedup": "`groupBy(field, function=tail(1))`",
    "uniq": "`groupBy(field, function=[])`",
    "lookup": '`match(file="name.csv", field=field)`',
    "json_extract": "`parseJson(field)`",
}
CQL_WORD_HINTS = {
    "contains": '`field like "text"`',
    "has": '`field like "text"`',
    "startswith": '`field = "text*"`',
    "endswith": '`field = "*text"`',
    "matches": "`field = /expression/`",
    "rlike": "`field = /expression/`",
    "equals": '`field = "text"`',
    "is": '`field = "text"`',
}
WORDED = late_pattern(rf"({'|'.join(CQL_WORD_HINTS)})\s+(?=[\"'/“])|(!?~)\s*(?=[\"'/“])|(is(?:\s+not)?\s+null)\b", re.I)
GLUED = late_pattern(r"[^\s|(){}\[\];,!=<>]")
NEXT = (
    (r"(?i)as\b", None, "an output is named with `as=`: `count(as=name)`"),
    (r"\w", r"(?i)\bas\s+$", "an output is named with `as=`: `count(as=name)`"),
    (
        r"(?i)(?:asc|desc)",
        r"\w\s+$",
        "the order is given with `order=`: `sort(field, order=desc)`",
    ),
    (
        r"(?i)[a-z]+\s*[,)]",
        r"=\s*\d+\s+$",
        'a length of time with a blank stands in quotes: `"1 hour"`',
    ),
    (
        r"\[",
        r"(?i)[a-z]\s+$",
        "the arguments of a function stand in parentheses: `table([a, b])`",
    ),
    (r"[\w.@#]+\s*:=", None, "an assignment is a step by itself: put `|` before it"),
    (
        r"[<>=!]",
        r"\)\s*$",
        "a call is no field: assign it first, or write `test(length(a) > 5)`",
    ),
    (r",", r"=\s*\([^()]*$", "a list stands in brackets: `[a, b]`"),
    (
        r"\)",
        r"=\s*[\w:]+\(\s*$",
        "a filter compares with text, no call: assign it first, or use `test()`",
    ),
    (
        r"=>",
        r"(?i)case\s*\{[^{}]*$",
        "a branch of `case` is `condition | step`; `=>` is for `match`",
    ),
    (r"=>", None, "at least is `>=`"),
    (
        r"[<>=]?<|=\s*>|>(?=[\s=]*\S)",
        r"=\s*$|<\s*$",
        "the comparisons are `=` `!=` `<` `<=` `>` `>=`",
    ),
    (r";", None, "`;` ends a branch of `case` or `match`; steps are parted by `|`"),
    (r",", r"(?i)(?:case|match)\s*\{[^{}]*$", "branches are parted by `;`"),
    (
        r",",
        r"=\s*[a-zA-Z:]+\s*\([^()]*$",
        "a filter compares with text, not with a call: `in(field, values=[a, b])`",
    ),
    (r"\(", r"=\s*$", "one value of several is `in(field, values=[a, b])`"),
    (r"\[", r"=\s*$", "one value of several is `in(field, values=[a, b])`"),
    (r"!", r"=\s*$", "not equal is `!=`"),
    (r"=", r"[=\s]$", "equal is `=` in a filter and `==` in an expression"),
    (
        r"`",
        None,
        'a field with an odd name stands in double quotes: `"odd name" = value`, or `getField("odd name")`',
    ),
    (
        r":=",
        r"\(\s*[^()=]*$",
        "inside a call a parameter is given with `=`; `:=` assigns in a step",
    ),
    (r":=", None, "an assignment is a step by itself: put `|` before it"),
    (r"=~", r":=", 'in an expression a function names its field: `regex("...", field=a)`'),
    (r"\)", r"\(\s*$", "put a condition between the parentheses"),
    (r"\)", None, "there is one `)` too many, or its `(` is missing"),
    (r"\]", None, "there is one `]` too many, or its `[` is missing"),
    (r"\}", None, "there is one `}` too many, or its `{` is missing"),
    (r"\{", None, "braces stand after `case` and `match`, and around sub-queries"),
    (
        r"/",
        r"[:=]=\s*$",
        'a regular expression stands in a filter, or in `regex("...", field=a)`',
    ),
    (r"$", r"(?i)\b(?:and|or|not)\s*$", "put a filter after it, or take the last word away"),
    (r"$", r"[=<>]\s*$", 'put a value after it; `""` is the empty text, `*` any'),
    (r"\?", None, "a choice is `if(condition, then=a, else=b)`; a text with `?` stands in double quotes"),
    (r"'", None, "a text stands in double quotes"),
)


def after_aggregate(word: str) -> str:
    """What may help somebody who has a word after an aggregate."""
    match word.lower():
        case "by":
            return "groups are made with `groupBy([field], function=count())`"
        case "as":
            return "an output is named inside the call: `count(as=name)`"
        case _:
            return "name a field: `field = *text*`"


def suggest_at(text: str, at: int) -> str | None:
    """What may help somebody whose text cannot be read from here on."""
    # Chosen, no source: hints look at the step before, and patterns that end in `$` would read all of a long query.
    before = text[max(0, at - 200) : at]
    for following, preceding, help in NEXT:
        # Compiled for who needs a hint, and not for everybody who imports this.
        if re.compile(following).match(text, at) and (preceding is None or re.search(preceding, before)):
            return help
    if at and at < len(text) and GLUED.match(before[-1:]) and not text[at].isalnum():
        return "a text with other characters than letters and digits stands in double quotes"
    return None


def operator_hint(word: str) -> str:
    """What CQL has for an operator of another language."""
    folded = " ".join(word.lower().split())
    if folded.startswith("is "):
        return (
            "`field = *` asks whether a field exists" if "not" in folded else "`field != *` asks whether it is missing"
        )
    return CQL_WORD_HINTS.get(folded, "`field = /expression/`, or `field != /expression/`")


def function_hint(name: str, known: list[str]) -> str | None:
    """What CQL has for a function of another language, or one of nearly that name."""
    return CQL_FUNCTION_HINTS.get(name.lower()) or did_you_mean(name, known)
