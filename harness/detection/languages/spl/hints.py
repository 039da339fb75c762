"""What people write in SPL out of the habit of other languages, and what SPL has for it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.diagnostics import did_you_mean

SPL_FUNCTION_HINTS = {
    "length": "len(field)",
    "strlen": "len(field)",
    "size": "mvcount(field)",
    "count": "mvcount(field)",
    "array_length": "mvcount(field)",
    "tolower": "lower(field)",
    "to_lower": "lower(field)",
    "lcase": "lower(field)",
    "toupper": "upper(field)",
    "to_upper": "upper(field)",
    "ucase": "upper(field)",
    "substring": "substr(field, 1, 3)",
    "left": "substr(field, 1, 3)",
    "right": "substr(field, -3)",
    "indexof": 'like(field, "%text%")',
    "contains": 'like(field, "%text%")',
    "has": 'like(field, "%text%")',
    "includes": 'like(field, "%text%")',
    "startswith": 'like(field, "text%")',
    "endswith": 'like(field, "%text")',
    "concat": "a . b",
    "strcat": "a . b",
    "iff": "if(condition, a, b)",
    "ifnull": "coalesce(field, value)",
    "nvl": "coalesce(field, value)",
    "isempty": 'isnull(field) OR field=""',
    "isnotempty": 'isnotnull(field) AND field!=""',
    "todatetime": 'strptime(field, "%Y-%m-%d")',
    "to_timestamp": 'strptime(field, "%Y-%m-%d")',
    "date_format": 'strftime(field, "%Y-%m-%d")',
    "formattime": 'strftime(field, "%Y-%m-%d")',
    "ago": 'relative_time(now(), "-1d")',
    "toint": "tonumber(field)",
    "int": "floor(field)",
    "todouble": "tonumber(field)",
    "float": "tonumber(field)",
    "str": "tostring(field)",
    "join": 'mvjoin(field, ",")',
    "regex_match": 'match(field, "expression")',
    "matches": 'match(field, "expression")',
    "regexp_replace": 'replace(field, "expression", "text")',
    "parse_json": 'spath(field, "path")',
    "ipv4_is_in_range": 'cidrmatch("10.0.0.0/8", field)',
    "dcount": "stats dc(field)",
}
SPL_COMMAND_HINTS = {
    "project": "table a b",
    "project-away": "fields - a b",
    "extend": "eval a=...",
    "summarize": "stats count by a",
    "groupby": "stats count by a",
    "filter": "search a=b",
    "order": "sort - a",
    "take": "head 10",
    "limit": "head 10",
    "distinct": "dedup a",
    "select": "table a b",
    "parse": 'rex field=a "(?<b>...)"',
    "mv-expand": "mvexpand a",
    "count": "stats count",
    "sum": "stats sum(a)",
}


def function_help(name: str, known: Iterable[str]) -> str | None:
    """What to write instead of a function that eval lacks."""
    meant = SPL_FUNCTION_HINTS.get(name.lower())
    return f"`{meant}`" if meant else did_you_mean(name, known)


def command_help(shown: str, called: bool, known: Iterable[str]) -> str | None:
    """What to write instead of a command that SPL lacks; `called` if a parenthesis follows."""
    if any(sign in shown for sign in "=<>"):
        return "a condition stands behind a command: `| search ...`, or `| where ...`"
    if called:
        return "a macro stands in back-ticks"
    if shown.lower() == "throttle":
        return "how often an alert may fire is set with the alert, not in its search"
    if shown.lower() == "comment":
        return "a comment stands between ``` and ```"
    meant = SPL_COMMAND_HINTS.get(shown.lower())
    return f"`| {meant}`" if meant else did_you_mean(shown, known)
