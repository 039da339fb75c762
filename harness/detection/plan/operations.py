"""Operations of the plan: each primitive has one meaning here; an engine only says how to spell it.

Unless its line says otherwise an operation of a null is null, text is compared by its bytes, places count from 1 and
patterns are literals. A language's oddities are spelled by its front end as combinations of these.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.detection.plan.columns import Kind


@dataclass(frozen=True, slots=True)
class Operation:
    """A primitive: how it is called, the kind of its result (or which arguments decide it), what it means."""

    name: str
    parameters: str
    result: Kind | tuple[int, ...]
    meaning: str
    aggregate: bool = False
    window: bool = False


B, N, T, L = Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT, Kind.LIST
ANY = tuple(range(256))
EVEN = tuple(range(0, 1024, 2))

LOGIC_OPERATIONS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("and", "b, ...", B, "all true; Kleene's three values"),
    ("or", "b, ...", B, "one true; Kleene's three values"),
    ("not", "b", B, "the opposite; null of null"),
    ("is_null", "x", B, "whether it is null; never null"),
    ("is_true", "b", B, "whether it is true; false of null"),
    ("if", "b, x, y", (1, 2), "x where b is true, else y; null is not true"),
    ("case", "y, b, x, ...", EVEN, "x of the first b that is true, pair by pair, else y; null is not true"),
    ("coalesce", "x, ...", ANY, "the first that is not null"),
    ("equal", "x, y", B, "the same value; both of one kind"),
    ("not_equal", "x, y", B, "another value; both of one kind"),
    ("less", "x, y", B, "x < y; numbers as numbers, text by its bytes"),
    ("less_equal", "x, y", B, "x <= y"),
    ("greater", "x, y", B, "x > y"),
    ("greater_equal", "x, y", B, "x >= y"),
    ("in", "x, y, ...", B, "equal to one of the others"),
    ("equal_ci", "t, t", B, "the same text but for case"),
    ("in_ci", "t, t, ...", B, "the same text as one of the others but for case"),
    ("starts_with", "t, t", B, "begins with"),
    ("ends_with", "t, t", B, "ends with"),
    ("contains", "t, t", B, "has somewhere inside"),
    ("starts_with_ci", "t, t", B, "begins with, but for case"),
    ("ends_with_ci", "t, t", B, "ends with, but for case"),
    ("contains_ci", "t, t", B, "has somewhere inside, but for case"),
    (
        "glob",
        "t, pattern",
        B,
        "the whole text fits; * is any run of any characters, also none; nothing else is special",
    ),
    ("glob_ci", "t, pattern", B, "the same but for case"),
    ("like", "t, pattern", B, "the whole text fits; % is any run, _ any one character; no escape"),
    ("like_ci", "t, pattern", B, "the same but for case"),
    ("regex_found", "t, regex, flags", B, "found anywhere; flags of `imsu`; PCRE syntax"),
    (
        "cidr_contains",
        "t, network, ...",
        B,
        "an address (v4 or v6, any spelling) inside one of the networks; false of other text",
    ),
    ("is_number", "t", B, "text that `to_number` reads; never null"),
)

TEXT: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("lower", "t", T, "in lower case"),
    ("upper", "t", T, "in upper case"),
    ("length", "t", N, "number of code points"),
    ("concat", "t, ...", T, "one after the other; null if one is null"),
    (
        "substring",
        "t, start, length",
        T,
        "characters from place `start`; counted from the end if negative; all the rest if length is null",
    ),
    ("position", "t, t", N, "place of the first occurrence; 0 if there is none"),
    ("replace_text", "t, old, new", T, "every occurrence replaced"),
    (
        "regex_replace",
        "t, regex, flags, new, all",
        T,
        r"matches replaced; \1 is a group; the first one only unless `all` is true",
    ),
    (
        "regex_extract",
        "t, regex, flags, group",
        T,
        "group (number or name) of the first match; null without a match or where the group took no part",
    ),
    ("regex_extract_all", "t, regex, flags, group", L, "the group of every match; null without a match"),
    (
        "regex_pairs",
        "t, regex, flags, key, value, separator",
        L,
        "two groups of every match in which both took part, the separator between them; null of none",
    ),
    ("regex_split", "t, regex, flags", L, "the pieces between matches"),
    ("trim", "t, characters", T, "without any of these characters at both ends"),
    ("trim_start", "t, characters", T, "the same at the start"),
    ("trim_end", "t, characters", T, "the same at the end"),
    ("repeat", "t, n", T, "n times"),
    ("pad_start", "t, n, t", T, "filled at the start up to n characters"),
    ("reverse", "t", T, "backwards"),
    ("url_decode", "t", T, "%41 becomes A; what is no escape stays"),
    ("url_encode", "t", T, "A-Z a-z 0-9 - . _ ~ stay, the rest becomes %41 by UTF-8 bytes"),
    ("base64_decode", "t, charset", T, "decoded; `utf-8` or `utf-16le`; null if it is no base64 of that"),
    ("base64_encode", "t", T, "of the UTF-8 bytes"),
    ("hex_decode", "t", T, "bytes written as hex digits, read as UTF-8; null if they are not"),
    ("md5", "t", T, "lower-case hex of the UTF-8 text"),
    ("sha1", "t", T, "lower-case hex"),
    ("sha256", "t", T, "lower-case hex"),
    ("sha512", "t", T, "lower-case hex"),
    ("entropy", "t", N, "Shannon entropy of its characters, in bits"),
)

NUMBER_OPERATIONS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("add", "n, n", N, "sum"),
    ("subtract", "n, n", N, "difference"),
    ("multiply", "n, n", N, "product"),
    ("divide", "n, n", N, "quotient; null if the divisor is 0"),
    ("modulo", "n, n", N, "remainder with the sign of the dividend; null if the divisor is 0"),
    ("negate", "n", N, "the opposite"),
    ("abs", "n", N, "without sign"),
    ("ceil", "n", N, "the next integer above"),
    ("floor", "n", N, "the next integer below"),
    ("truncate", "n", N, "the integer part"),
    (
        "round",
        "n, digits",
        N,
        "half away from zero, on the shortest decimal text of the number; digits may be negative",
    ),
    ("sqrt", "n", N, "null of a negative number"),
    ("power", "n, n", N, "x to the y"),
    ("exp", "n", N, "e to the n"),
    ("ln", "n", N, "natural logarithm; null unless positive"),
    ("log", "n, base", N, "logarithm; null unless both are positive"),
    ("sin", "n", N, "sine"),
    ("cos", "n", N, "cosine"),
    ("tan", "n", N, "tangent"),
    ("asin", "n", N, "null outside -1 .. 1"),
    ("acos", "n", N, "null outside -1 .. 1"),
    ("atan", "n", N, "arc tangent"),
    ("atan2", "n, n", N, "angle of (y, x)"),
    ("least", "n, ...", N, "the smallest, nulls left out"),
    ("greatest", "n, ...", N, "the largest, nulls left out"),
    ("bit_and", "n, n", N, "of the integers"),
    ("bit_or", "n, n", N, "of the integers"),
    ("bit_xor", "n, n", N, "of the integers"),
    ("shift_left", "n, n", N, "of the integer"),
    ("shift_right", "n, n", N, "of the integer"),
    ("to_number", "t", N, "sign, digits, fraction, exponent and nothing else, no blanks; null of other text"),
    ("to_text", "n", T, "an integer without fraction, else the shortest decimal that reads back the same; NaN is nan"),
    ("from_base", "t, base", N, "digits of a base 2 .. 36, an optional 0x for 16; null of other text"),
    ("to_base", "n, base", T, "digits of a base 2 .. 36 in lower case"),
    ("format_number", "n, printf", T, "one C conversion such as %05.2f or %x, text around it"),
    ("format_text", "t, t, ...", T, "a C format with the values in its conversions; null where one does not fit"),
    ("group_digits", "n, digits", T, "with thousands commas and `digits` decimals"),
    ("boolean_text", "b, true, false", T, "one of two texts"),
)

TIME_OPERATIONS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    (
        "format_time",
        "seconds, format, zone",
        T,
        "an epoch as text; strftime codes of `plan.timeformat`; zone is an IANA name or +hh:mm",
    ),
    (
        "parse_time",
        "t, format, zone",
        N,
        "epoch seconds of a text; null where it does not fit; zone counts where the text has none",
    ),
    ("time_floor", "seconds, span, origin", N, "start of the span of `span` seconds, counted from the epoch `origin`"),
    (
        "calendar_floor",
        "seconds, unit, zone",
        N,
        "start of the second, minute, hour, day, week (Sunday), isoweek, month, quarter, year in a zone",
    ),
    ("moved_time", "seconds, t, zone", N, "moved by a text such as -1d@d; null of another; see `plan.timemoves`"),
    ("calendar_add", "seconds, n, unit, zone", N, "n units later by the calendar of a zone"),
    (
        "time_part",
        "seconds, part, zone",
        N,
        "year, month, day, hour, minute, second, dayofweek (1 Monday), dayofyear, isoweek in a zone",
    ),
)

LIST_OPERATIONS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("list", "t, ...", L, "the texts that are not null; null of none"),
    ("list_concat", "l, ...", L, "one after the other, nulls left out; texts count as lists of one; null of none"),
    ("list_length", "l", N, "how many; null of null"),
    ("list_get", "l, i", T, "the element at place i; counted from the end if negative; null outside"),
    (
        "list_slice",
        "l, i, j",
        L,
        "from place i to place j, both included, negative ones counted from the end; null if empty",
    ),
    ("list_join", "l, separator", T, "one text"),
    ("list_split", "t, separator", L, "the pieces between; every character for an empty separator"),
    ("list_distinct", "l", L, "without repetitions; the first of each stays in place"),
    ("list_sort", "l", L, "by bytes"),
    ("list_ordered", "l, how, b", L, "as `text` but for case, or as `number`, then other text; descending if true"),
    ("list_reverse", "l", L, "backwards"),
    ("list_contains", "l, t", B, "has this element"),
    ("list_position", "l, t", N, "place of the first such element; null if there is none"),
    ("list_zip", "l, l, separator", L, "pairs joined to text, up to the shorter one"),
    ("list_range", "n, n, step", L, "numbers as text from the first up to the second, which is not included"),
    ("list_filter", "l, lambda", L, "elements for which it is true; null if none"),
    ("list_map", "l, lambda", L, "what it makes of each element, nulls left out; null if none"),
    ("list_any", "l, lambda", B, "true for at least one element; false of none; null of null"),
    ("list_index", "l, lambda", N, "place of the first element for which it is true; null if none"),
    (
        "list_statistic",
        "l, statistic, fraction",
        N,
        "of the numbers among the elements: sum, mean, minimum, maximum, {stdev, variance}_{sample, population}, "
        "percentile or rank (by `fraction`), each as the aggregate of that name; null of none",
    ),
    ("list_mode", "l", T, "the most frequent element, the smallest of several"),
)

DOCUMENTS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    (
        "json_text",
        "t, path",
        T,
        "the value at a path such as $.a.b[0] as text, objects as JSON; null if it is not there",
    ),
    ("json_list", "t, path", L, "every value that a path with [*] reaches, as text; null if none"),
    ("json_keys", "t", L, "names in the object"),
    ("json_paths", "t", L, "paths to all values that are no object or array, each once: $.a.b[*]; null of none"),
    ("xml_paths", "t", L, "paths to all texts and attributes, each once: a.b, a.b{@c}; null of none"),
    ("json_valid", "t", B, "whether it is JSON; never null of text"),
    ("json_object", "key, value, ...", T, "an object as text"),
    ("json_array", "x, ...", T, "an array as text"),
    ("to_json", "x", T, "text quoted, number and boolean bare, list as array"),
    ("json_value", "t", T, "text as JSON: an object or an array is itself, other text is quoted"),
    ("json_inferred", "t", T, "the JSON that a text spells, `null` if it spells none"),
    ("json_native", "t", T, "what JSON holds: text bare, null as null, all else as JSON; null of what is none"),
    ("json_part", "t, path", T, "the JSON at a path, all of it as an array where that has [*]; null if not there"),
    ("json_elements", "t", L, "the elements of an array, each as JSON; null of anything else"),
    ("json_set", "t, path, json", T, "with a value at a path, whose keys are made; as it was where that does not fit"),
    ("json_append", "t, path, json", T, "with a value behind the array at a path; what is no array is put into one"),
    ("json_extend", "t, path, json", T, "the same with each element of an array"),
    ("json_delete", "t, path", T, "without the key at a path"),
    ("json_entries", "t", T, "an array of objects of `key` and `value`; null of what is no object"),
    (
        "record_fields",
        "t, reader, options",
        T,
        "an object of the texts that a reader (json, key_value, xml, cef, leef) takes out; see `plan.record_fields`",
    ),
    ("table_rows", "t, n, t", L, "the rows of a table in a text as objects; see `plan.text_tables`"),
    ("xml_text", "t, path", L, "texts of elements on a path a.b or a.b{2}, or of an attribute a.b{@c}; null of none"),
    (
        "key_value",
        "t, key, pair, delimiters",
        T,
        "value of key=value in a text; quotes taken off; null if it is not there",
    ),
    ("events_joined", "events, ...", Kind.EVENTS, "provenance: the distinct events of all arguments, nulls left out"),
    ("xpath_text", "t, path", L, "texts of all elements, or of an attribute, that an XPath reaches; null if none"),
    (
        "glob_payloads",
        "t, patterns, payloads, n, b",
        L,
        "payloads of the first n rows of a table whose pattern with * fits the whole text; each column is one text, "
        "its rows apart by the character 1e; heeds case where b is true; null if none fits",
    ),
    ("ip_text", "t", T, "an address in its canonical form; null of other text"),
    (
        "community_id",
        "n, t, t, t, t, t",
        T,
        "Community ID 1.0 of seed, protocol, addresses and ports, of ICMP type and code; null of what is no connection",
    ),
    ("ip_network", "t, bits", T, "the network of that many bits that an address is in; null of other text"),
)

AGGREGATE_OPERATIONS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("count", "[x]", N, "rows, or values that are not null"),
    ("count_distinct", "x", N, "distinct values that are not null"),
    ("sum", "n", N, "null of none"),
    ("mean", "n", N, "null of none"),
    ("minimum", "x", (0,), "the smallest number, or text by its bytes; null of none"),
    ("maximum", "x", (0,), "the largest"),
    ("stdev_sample", "n", N, "of n - 1; null of fewer than two"),
    ("stdev_population", "n", N, "of n; 0 of one; null of none"),
    ("variance_sample", "n", N, "of n - 1; null of fewer than two"),
    ("variance_population", "n", N, "of n; 0 of one; null of none"),
    ("percentile", "n, fraction", N, "linear between the nearest ranks (R-7); fraction is a literal 0 .. 1"),
    ("percentile_rank", "n, fraction", N, "the smallest number that so large a part does not exceed"),
    ("mode", "x", (0,), "the most frequent, the smallest of several; null of none"),
    ("values", "x", L, "distinct texts sorted by bytes; lists count by element; null of none"),
    ("collect", "x", L, "all texts in row order; lists count by element; null of none"),
    ("first", "x", (0,), "of the first row where it is not null, in row order"),
    ("last", "x", (0,), "of the last row where it is not null, in row order"),
    (
        "least_by",
        "x, n",
        (0,),
        "x of the row with the smallest n, the first of several; not of rows where either is null",
    ),
    (
        "greatest_by",
        "x, n",
        (0,),
        "x of the row with the largest n, the first of several; not of rows where either is null",
    ),
    ("all_true", "b", B, "no row false; null of none"),
    ("any_true", "b", B, "a row true; null of none"),
    ("slope", "y, x", N, "of the least-squares line"),
    ("intercept", "y, x", N, "of the least-squares line"),
    ("r_squared", "y, x", N, "of the least-squares line"),
    ("gather", "events", Kind.EVENTS, "provenance: the distinct events of all rows, ascending; see `plan.provenance`"),
)

WINDOWS: tuple[tuple[str, str, Kind | tuple[int, ...], str], ...] = (
    ("row_number", "", N, "place in the partition in the current order, from 1"),
    ("lag", "x, n", (0,), "of the row n places before; null outside"),
    ("lead", "x, n", (0,), "of the row n places after; null outside"),
    ("fill", "x", (0,), "of the nearest row at or before this one where it is not null"),
    ("smoothed", "n, n", N, "the exponential average so far: so much of the one before, the rest of this row's number"),
    (
        "series_of",
        "span, span, n, b, b",
        N,
        "number of the series, null in none: longest span and pause, time, whether the row starts one (null if no row "
        "has to), whether it ends one; see `plan.folds`",
    ),
    (
        "session_of",
        "span, span, n, b, b, b, n, b, b, t, ...",
        N,
        "number of the session, negative if nothing closed it: longest span and pause, most rows, whether rows must "
        "share a key with it, and those that open or close it too, whether a limit closes it even where rows do, "
        "time, opens it, closes it, keys; see `plan.folds`",
    ),
)

PLAN_OPERATIONS: dict[str, Operation] = {
    name: Operation(name, parameters, result, meaning, aggregate, window)
    for table, aggregate, window in (
        (LOGIC_OPERATIONS, False, False),
        (TEXT, False, False),
        (NUMBER_OPERATIONS, False, False),
        (TIME_OPERATIONS, False, False),
        (LIST_OPERATIONS, False, False),
        (DOCUMENTS, False, False),
        (AGGREGATE_OPERATIONS, True, False),
        (WINDOWS, False, True),
    )
    for name, parameters, result, meaning in table
}
