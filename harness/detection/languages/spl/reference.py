"""What Splunk documents of SPL, and what becomes of a search that uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.detection.language import ReferenceEntry
from harness.detection.languages.spl import aggregates, commands, functions
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, FUNCTIONS
from harness.late_pattern import late_pattern

TABLES = (aggregates, commands, functions)
PERCENTILE = late_pattern(r"(?:exact|upper)?perc")


# Beside the registry, whose tables cannot know what is missing from them; an entry that both have counts once.
DOCUMENTED = {
    "command": """
abstract accum addcoltotals addinfo addtotals analyzefields anomalies anomalousvalue anomalydetection append appendcols
appendpipe arules associate autoregress bin bucketdir chart cluster cofilter collapse collect concurrency contingency
convert correlate ctable datamodel dbinspect dedup delete delta diff dump erex eval eventcount eventstats extract
fieldformat fields fieldsummary filldown fillnull findkeywords findtypes folderize foreach format from fromjson gauge
gentimes geom geomfilter geostats head highlight history iconify inputcsv inputlookup iplocation join kmeans kvform
loadjob localize localop lookup makecontinuous makejson makemv makeresults map mcatalog mcollect metadata metasearch
meventcollect mpreview msearch mstats multikv multisearch mvcombine mvexpand nomv noop outlier outputcsv outputlookup
outputtext overlap pivot predict prjob rangemap rare redistribute regex reltime rename replace require rest return
reverse rex rtorder run runshellscript savedsearch script scrub search searchtxn selfjoin sendalert sendemail set
setfields sichart sirare sistats sitimechart sitop snowevent snoweventstream snowincident snowincidentstream sort spath
stats strcat streamstats table tags tail timechart timewrap tojson top transaction transpose trendline tscollect tstats
typeahead typelearner typer union uniq untable walklex where x11 xmlkv xmlunescape xpath xyseries
""",
    "eval function": """
abs acos acosh asin asinh atan atan2 atanh avg bit_and bit_or bit_not bit_xor bit_shift_left bit_shift_right case
ceiling cidrmatch coalesce commands cos cosh exact exp false floor hypot if in ipmask isarray isbool isdouble isint ismv
isnotnull isnull isnum isobject isstr json json_append json_array json_array_to_mv json_delete json_entries json_extend
json_extract json_extract_exact json_has_key_exact json_keys json_object json_set json_set_exact json_valid len like ln
log lookup lower ltrim match max md5 min mvappend mvcount mvdedup mvfilter mvfind mvindex mvjoin mvmap mvrange mvsort
mvzip mv_to_json_array now null nullif pi pow printf random relative_time replace round rtrim searchmatch sha1 sha256
sha512 sigfig sin sinh spath split sqrt strftime strptime substr sum tan tanh time toarray tobool todouble toint
tojson_array tomv tonumber toobject tostring trim true typeof upper urldecode validate
""",
    "statistical function": """
avg count distinct_count earliest earliest_time estdc estdc_error exactperc first last latest latest_time list max mean
median min mode per_day per_hour per_minute per_second perc range rate rate_avg rate_sum sparkline stdev stdevp sum
sumsq upperperc values var varp
""",
}


def list_documented_names(kind: str) -> tuple[str, ...]:
    """All names of a kind: `command`, `eval function`, `statistical function`."""
    return tuple(DOCUMENTED[kind].split())


def entries_of_spl() -> Iterator[ReferenceEntry]:
    """Commands, eval functions and statistical functions of SPL."""
    yield from of_table("command", COMMANDS, "search * | {name}", r"(?:^|[|\[])\s*{name}(?!\w)")
    yield from of_table("eval function", FUNCTIONS, "search * | eval r={name}()")
    statistic = r"(?<![\w:.$]){name}(?:\s*\(|\b(?!\s*=))"
    yield from of_table("statistical function", AGGREGATES, "search * | stats {name}(x)", statistic)


def of_table(kind: str, table: Mapping[str, Any], probe: str, usage: str = "") -> Iterator[ReferenceEntry]:
    """Every name that the table or the product has; `usage` is where a search has the `{name}`."""
    for name in dict.fromkeys((*list_documented_names(kind), *table)):
        written = rf"(?<![\w:.$]){name}\d+(?:\.\d+)?\s*\(" if PERCENTILE.fullmatch(name) else usage
        found = build_entry(kind, name, table, written.replace("{name}", re.escape(name)))
        yield replace(found, probe=probe.replace("{name}", name))


def build_entry(kind: str, name: str, table: Mapping[str, Any], usage: str) -> ReferenceEntry:
    """One name."""
    if name in table:
        found = table[name]
        refused = found.run.__name__ == "refused"
        return ReferenceEntry(
            kind=kind,
            name=name,
            summary=found.summary,
            reference=found.reference,
            because=found.summary if refused else "",
            usage=usage,
            signature=build_signature(kind, found),
            parameters=found.options if kind == "command" else (),
            examples=found.examples,
            manual=found.manual,
        )
    if kind == "statistical function" and (PERCENTILE.fullmatch(name) or name.startswith("per_")):
        summary = "With its number or its unit of time."
        return ReferenceEntry(kind=kind, name=name, summary=summary, usage=usage)
    because = "an error names it where a rule uses it"
    return ReferenceEntry(kind=kind, name=name, because=because, usage=usage)


def build_signature(kind: str, entry: Any) -> str:
    """How it is called, as far as its registration says: what a command takes is for its grammar to say."""
    if kind == "command":
        return f"| {entry.name}"
    return str(entry.signature) if kind == "eval function" else f"{entry.name}(field)"
