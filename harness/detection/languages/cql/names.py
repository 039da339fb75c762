"""Names that the grammar itself has to know: functions that exist, and arguments that are expressions."""

from __future__ import annotations

FUNCTION_NAME_TEXT = """
accumulate array:append array:contains array:dedup array:drop array:eval array:exists array:filter array:intersection
array:length array:reduceAll array:reduceColumn array:reduceRow array:regex array:rename array:sort array:union asn avg
base64Decode base64Encode beta:param beta:repeating bitfield:extractFlags bitfield:extractFlagsAsArray
bitfield:extractFlagsAsString bucket callFunction cidr coalesce collect communityId concat concatArray copyEvent
correlate count counterAsRate createEvents crypto:md5 crypto:sha1 crypto:sha256 default defineTable drop dropEvent
duration end eval eventFieldCount eventInternals eventSize fieldset fieldstats findTimestamp format formatDuration
formatTime geography:distance geohash getField groupBy hash hashMatch hashRewrite head if in ioc:lookup ipLocation join
json:prettyPrint kvParse length linReg lower lowercase match math:abs math:arccos math:arcsin math:arctan math:arctan2
math:ceil math:cos math:cosh math:deg2rad math:exp math:expm1 math:floor math:log math:log10 math:log1p math:log2
math:mod math:pow math:rad2deg math:sin math:sinh math:spherical2cartesian math:sqrt math:tan math:tanh max min neighbor
now objectArray:eval objectArray:exists parseCEF parseCsv parseFixedWidth parseHexString parseInt parseJson parseLEEF
parseTimestamp parseUri parseUrl parseXml partition percentage percentile range rdns readFile regex rename replace
reverseDns round sample sankey select selectFromMax selectFromMin selectLast selfJoin selfJoinFilter series session
setField setTimeInterval shannonEntropy slidingTimeWindow slidingWindow sort split splitString start stats stdDev
stripAnsiCodes subnet sum table tail test text:contains text:endsWith text:length text:positionOf text:startsWith
text:substring text:trim timeChart time:dayOfMonth time:dayOfWeek time:dayOfWeekName time:dayOfYear time:hour
time:millisecond
time:minute time:month time:monthName time:second time:weekOfYear time:year tokenHash top transpose unit:convert upper
urlDecode urlEncode wildcard window worldMap writeJson xml:prettyPrint
"""
FUNCTION_NAMES = {name.lower(): name for name in FUNCTION_NAME_TEXT.split()}

EXPRESSIONS: dict[str, frozenset[str]] = {
    "if": frozenset({"condition", "then", "else"}),
    "test": frozenset({"expression"}),
    "coalesce": frozenset({"expressions"}),
    "getField": frozenset({"source"}),
    "setField": frozenset({"target", "value"}),
    "text:contains": frozenset({"string", "substring"}),
    "text:endsWith": frozenset({"string", "substring"}),
    "text:startsWith": frozenset({"string", "substring"}),
    "text:length": frozenset({"string"}),
    "text:positionOf": frozenset({"string", "character", "begin", "occurrence"}),
    "text:substring": frozenset({"string", "begin", "end"}),
    "text:trim": frozenset({"field", "mode"}),
    "array:append": frozenset({"values"}),
    "eval": frozenset(),
}
"""Arguments that are expressions rather than names or texts; an unnamed one is too, and all of `eval`."""


def is_mistaken_comparison(function: str, name: str) -> bool:
    """Whether `name = ...` in a call is a comparison gone wrong rather than an argument with its name."""
    known = EXPRESSIONS.get(function) or frozenset()
    return bool(known) and name not in known | {"as", "array", "ignoreEmpty"}


def expression_argument(function: str, argument: str | None) -> bool:
    """Whether an argument of a function is read as an expression."""
    known = EXPRESSIONS.get(function)
    if known is None:
        return False
    if argument is None:
        return function != "array:append"
    return function == "eval" or argument in known
