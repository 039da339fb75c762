"""What detlab does of each language, counted against the names that products document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.detection.evidence import LanguageEvidence, count_cases, find_evidence_file, read_evidence, settle_entry
from harness.detection.language import ReferenceEntry, SupportState, Switch, language

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A language's commands and functions with their states, its switches, and its cases by what became of them."""

    language: str
    product: str
    entries: tuple[ReferenceEntry, ...]
    switches: tuple[Switch, ...]
    cases: Mapping[str, int] = field(default_factory=dict)

    def count(self, state: SupportState) -> int:
        """How many entries are in a state."""
        return sum(e.state is state for e in self.entries)


def reference(name: str, found: LanguageEvidence | None = None) -> Reference:
    """The reference of a language by what runs showed, those that come with the package unless others are given."""
    spoken = language(name)
    evidence = read_evidence(find_evidence_file(name)) if found is None else found
    listed = sorted(spoken.reference(), key=lambda e: (e.kind, e.name.lower()))
    entries = tuple(apply_evidence(e, evidence) for e in listed)
    return Reference(
        language=name,
        product=spoken.product,
        entries=entries,
        switches=spoken.switches,
        cases=count_cases(evidence),
    )


def apply_evidence(entry: ReferenceEntry, found: LanguageEvidence) -> ReferenceEntry:
    """An entry with its state and its evidence."""
    state, counted, because = settle_entry(entry, found)
    return replace(entry, state=state, evidence=dict(counted), because=because)
