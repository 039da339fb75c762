"""Commands that take fields out of text: rex, spath, xmlkv, kv, xpath, fromjson, iplocation."""

from __future__ import annotations

import json
import re

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_multivalue, as_text, literal
from harness.detection.languages.spl.paths import extract_all, extract_first
from harness.detection.languages.spl.patterns import check_pattern, group_names
from harness.detection.languages.spl.registry import COMMANDS, Unless
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import GeneralArguments, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.values.records import is_supported_xpath
from harness.diagnostics import SourceError, Span

SED = re.compile(r"s(.)(?P<regex>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1(?P<flags>[gimsu\d]*)\s*", re.S)
TRANSLATE = re.compile(r"y(.)(?P<old>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1\s*", re.S)
MOST_OCCURRENCES = 20
COMMON_WORDS = {"and", "or", "not", "as", "by", "search", "where", "eval", "stats", "count", "table", "rename", "true"}


@COMMANDS.define("rex", order="keeps", fields="keeps", raw=Unless(("field",)), shape="pattern")
def rex(scope: Scope, stage: Stage) -> None:
    """Named groups of a regular expression as fields; with `mode=sed` a substitution.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "field", "max_match", "mode", "offset_field")
    field = found.text("field", "_raw")
    pattern = find_rex_pattern(found)
    subject = scope.typed(field, pattern.span)
    if found.text("mode", "").lower() == "sed":
        scope.derive([(field, apply_sed_script(as_text(subject), pattern))], stage.span)
        return
    check_pattern(pattern.text, pattern.span)
    names = group_names(pattern.text)
    if not names:
        message = "the regular expression has no named group"
        raise SourceError("no-group", message, pattern.span, help="write `(?<field>...)`")
    most = found.number("max_match", 1)
    made = [(n, extract_group(scope, subject, pattern, n, most)) for n in names]
    if "offset_field" in found.options:
        made.append((found.text("offset_field", ""), offsets(scope, found, subject, pattern, names)))
    scope.derive(made, stage.span)


def offsets(scope: Scope, found: BoundOptions, subject: Typed, pattern: Word, names: tuple[str, ...]) -> Typed:
    """`name=first-last` of each group in the first match, its characters counted from 0."""
    if found.number("max_match", 1) != 1:
        raise scope.unsupported("`offset_field` of several matches", found.options["offset_field"].span)
    if subject.kind in (Kind.NULL, Kind.LIST):
        return TYPED_NULL
    shown = []
    for name in names:
        before = ops.regex_extract(as_text(subject), literal(up_to(pattern.text, name)), literal("s"), literal(1.0))
        value = ops.regex_extract(as_text(subject), literal(pattern.text), literal(""), literal(name))
        first = ops.length(before)
        last = ops.subtract(ops.add(first, ops.length(value)), literal(1.0))
        shown.append(ops.concat(literal(f"{name}="), as_text(first), literal("-"), as_text(last)))
    return ops.list_join(apply(ops.list_, *shown), literal("&"))


def up_to(pattern: str, group: str) -> str:
    """A pattern whose first group is all text before a named group of the first match."""
    start = re.search(rf"\(\?P?<{re.escape(group)}>", pattern)
    head = pattern[: start.start()] if start else ""
    rest = pattern[start.start() :] if start else pattern
    plain = re.compile(r"\(\?P?<[A-Za-z_]\w*>")
    return f"^(.*?{plain.sub('(?:', head)})(?:{plain.sub('(?:', rest)})"


def find_rex_pattern(found: BoundOptions) -> Word:
    """The one pattern; pieces that a blank outside quotes cut apart are one again."""
    if not found.words:
        raise found.error("missing-pattern", "`rex` needs a pattern in quotes")
    first = found.words[0]
    if len(found.words) == 1:
        return first
    joined = " ".join(w.text for w in found.words)
    return Word(joined, True, first.span.to(found.words[-1].span))


def extract_group(scope: Scope, subject: Typed, pattern: Word, group: str, most: int) -> Typed:
    """A group's text; where there is none the field stays as it was."""
    old = scope.typed(group)
    if subject.kind is Kind.NULL:
        return old
    regex, name = literal(pattern.text, pattern.span), literal(group)
    if most == 1 and subject.kind is not Kind.LIST:
        new = ops.regex_extract(as_text(subject), regex, literal(""), name)
    else:
        whole = ops.list_join(subject, literal("\n")) if subject.kind is Kind.LIST else as_text(subject)
        new = ops.regex_extract_all(whole, regex, literal(""), name)
        if most:
            new = ops.list_slice(new, literal(1.0), literal(float(most)))
    if old.kind is Kind.NULL:
        return new
    if Kind.LIST in (old.kind, new.kind):
        return ops.coalesce(as_multivalue(new), as_multivalue(old))
    return ops.coalesce(new, as_text(old))


def apply_sed_script(subject: Typed, script: Word) -> Typed:
    """The text after the substitutions of a sed script."""
    at, value = 0, subject
    while at < len(script.text):
        found = SED.match(script.text, at)
        if found is None:
            return translate_characters(value, script, at)
        check_pattern(found["regex"], script.span)
        every = "g" in found["flags"]
        occurrence = int("".join(c for c in found["flags"] if c.isdigit()) or 1)
        flags = literal("".join(sorted(set(found["flags"]) & set("ims"))))
        regex, new = found["regex"], found["new"]
        if occurrence > 1:
            regex, new = nth(regex, new, occurrence, script)
            every = False
        value = ops.regex_replace(value, literal(regex), flags, literal(new), literal(every))
        at = found.end()
    return value


def nth(regex: str, new: str, occurrence: int, script: Word) -> tuple[str, str]:
    """The pattern and the new text that change only the match of that number."""
    if occurrence > MOST_OCCURRENCES:
        raise SourceError("unsupported", "so high a number of an occurrence is not supported", script.span)
    groups = re.compile(regex.replace("(?<", "(?P<")).groups if occurrence else 0
    before = "^((?s:.*?)" + "(?s:.*?)".join([f"(?:{without_groups(regex)})"] * (occurrence - 1)) + "(?s:.*?))"
    shifted = re.sub(r"\\([0-9])", lambda m: f"\\{int(m[1]) + 1 if m[1] != '0' else 0}", new)
    if groups > 8 or "\\0" in new:
        raise SourceError("unsupported", "a numbered occurrence with these groups is not supported", script.span)
    return f"{before}(?:{regex})", f"\\1{shifted}"


def without_groups(regex: str) -> str:
    """The pattern with groups that capture nothing."""
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", re.sub(r"\(\?P?<[A-Za-z_]\w*>", "(?:", regex))


def translate_characters(value: Typed, script: Word, at: int) -> Typed:
    """The text with characters exchanged one by one: `y/abc/xyz/`."""
    found = TRANSLATE.fullmatch(script.text, at)
    if found is None or len(found["old"]) != len(found["new"]):
        raise SourceError("bad-sed", "the sed script cannot be read", script.span, help="write `s/regex/text/g`")
    for place, character in enumerate(found["old"]):
        mark = chr(0xE000 + place)
        value = ops.replace_text(value, literal(character), literal(mark))
    for place, character in enumerate(found["new"]):
        value = ops.replace_text(value, literal(chr(0xE000 + place)), literal(character))
    return value


def collect_document_names(scope: Scope) -> list[str]:
    """Names in the query's text that may be fields of a document and are none yet."""
    return sorted(
        w.strip("\"'.:-")
        for w in scope.session.words
        if w.lower() not in COMMON_WORDS and "*" not in w and re.search(r"[A-Za-z]", w)
        if w not in scope.columns or w in scope.session.guessed
    )


@COMMANDS.define("spath", order="keeps", fields="keeps", raw=Unless(("input",)))
def spath(scope: Scope, stage: Stage) -> None:
    """Values at a path of a JSON or XML text; without a path every field that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "input", "output", "path")
    document = scope.typed(found.text("input", "_raw"), stage.span)
    found.at_most(0 if "path" in found.options else 1)
    path = found.word("path") or (found.words[0] if found.words else None)
    if path is None and "output" in found.options:
        raise SourceError("missing-path", "`output` of `spath` needs a path", found.options["output"].span)
    if path is not None:
        target = found.text("output", path.text)
        old = scope.typed(target)
        if document.kind is Kind.NULL:
            return
        new = extract_all(as_text(document), path.text, path.span)
        scope.derive([(target, prefer_new(new, old))], stage.span)
        return
    if document.kind is Kind.NULL:
        return
    base = as_text(document)
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if n]
    scope.derive([(n, over_guess(scope, n, extract_all(base, n))) for n in names], stage.span)


def over_guess(scope: Scope, name: str, new: Typed) -> Typed:
    """A new value, or what extraction found of a name that it could only guess."""
    return prefer_new(new, scope.typed(name)) if name in scope.columns else new


def prefer_new(new: Typed, old: Typed) -> Typed:
    """A new value, or the old one where there is none."""
    if old.kind is Kind.NULL:
        return new
    if Kind.LIST in (old.kind, new.kind):
        return ops.coalesce(as_multivalue(new), as_multivalue(old))
    return ops.coalesce(new, as_text(old))


def reads_event_as_json(stage: Stage) -> bool:
    """Whether `fromjson` is not told which field to read."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return not any(isinstance(i, Word) for i in items)


@COMMANDS.define("fromjson", order="keeps", fields="keeps", raw=reads_event_as_json)
def fromjson(scope: Scope, stage: Stage) -> None:
    """The members of a JSON object that the query names, as fields.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "prefix")
    field = found.words[0].text if found.words else "_raw"
    document = as_text(scope.typed(field, stage.span))
    prefix = found.text("prefix", "")
    if document.kind is Kind.NULL:
        return
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if n.startswith(prefix) and n != prefix]
    made = ((n, extract_first(document, n.removeprefix(prefix))) for n in names if n)
    scope.derive([(n, over_guess(scope, n, v)) for n, v in made], stage.span)


@COMMANDS.define("tojson", order="keeps", fields="remakes", raw="never")
def tojson(scope: Scope, stage: Stage) -> None:
    """All fields as one JSON object in `_raw` or the field named.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "output_field", "default_type", "fill_null", "include_internal")
    names = [n for w in found.words for n in scope.matching(w.text)] or [n for n in scope.columns if n[0] not in "_@"]
    for option in ("default_type",):
        if option in found.options:
            found.choice(option, "auto", "auto", "bool", "json", "num", "str", "none")
    members = [build_object_member(scope, n, found.flag("fill_null")) for n in names]
    listed = apply(ops.list_, *members) if members else ops.list_(Typed(literal(None).expression, Kind.TEXT))
    inside = ops.coalesce(ops.list_join(listed, literal(",")), literal(""))
    scope.derive([(found.text("output_field", "_raw"), ops.concat(literal("{"), inside, literal("}")))], stage.span)


def build_object_member(scope: Scope, name: str, fill: bool) -> Typed:
    """One field as a member of a JSON object; a missing one has none, unless it is filled with null."""
    value = scope.typed(name)
    key = json.dumps(name) + ":"
    absent = literal(f"{key}null") if fill else Typed(literal(None).expression, Kind.TEXT)
    if value.kind is Kind.NULL:
        return absent
    return ops.if_(ops.is_null(value), absent, ops.concat(literal(key), ops.to_json(value)))


@COMMANDS.define("xmlkv", order="keeps", fields="keeps", raw="always")
def xmlkv(scope: Scope, stage: Stage) -> None:
    """`<name>value</name>` in the text of the event as fields that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "maxinputs")
    field = found.words[0].text if found.words else "_raw"
    add_xml_elements(scope, as_text(scope.typed(field, stage.span)), stage.span)


def add_xml_elements(scope: Scope, document: Typed, span: Span) -> None:
    """Adds the texts of elements by their names."""
    if document.kind is Kind.NULL:
        return
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if re.fullmatch(r"[\w.-]+", n)]
    made = []
    for name in names:
        pattern = literal(rf"<{re.escape(name)}(?:\s[^>]*)?>([^<]*)</{re.escape(name)}>")
        value = ops.regex_extract(document, pattern, literal(""), literal(1.0))
        made.append((name, over_guess(scope, name, value)))
    scope.derive(made, span)


@COMMANDS.define("extract", "kv", order="keeps", fields="keeps", raw="always")
def extract(scope: Scope, stage: Stage) -> None:
    """`name=value` in the text of the event as fields that the query names.

    Reference: reference/spl.md 7
    """
    found = bind_options(
        stage, "pairdelim", "kvdelim", "limit", "maxchars", "mv_add", "clean_keys", "reload", "auto", "segment"
    )
    if found.words:
        message = f"the transform `{found.words[0].text[:40]}` of `transforms.conf`"
        raise scope.unsupported(message, found.words[0].span, "use `rex` or the options `pairdelim` and `kvdelim`")
    document = as_text(scope.typed("_raw", stage.span))
    if document.kind is Kind.NULL:
        return
    pair, delimiters = literal(found.text("kvdelim", "=")), literal(found.text("pairdelim", " \n\t,;|&"))
    names = [n for n in dict.fromkeys(collect_document_names(scope)) if re.fullmatch(r"\w+", n)]
    made = ((n, ops.key_value(document, literal(n), pair, delimiters)) for n in names)
    scope.derive([(n, over_guess(scope, n, v)) for n, v in made], stage.span)


@COMMANDS.define("xpath", order="keeps", fields="keeps", raw=Unless(("field",)))
def xpath(scope: Scope, stage: Stage) -> None:
    """The texts that an XPath such as `//Data[@Name='Image']` reaches in an XML text.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "field", "outfield", "default")
    if not found.words:
        raise found.error("missing-path", "`xpath` needs a path in quotes")
    path = found.words[0]
    if not is_supported_xpath(path.text):
        raise scope.unsupported("an XPath with such conditions", path.span)
    document = as_text(scope.typed(found.text("field", "_raw"), stage.span))
    value = ops.xpath_text(document, literal(path.text))
    if "default" in found.options and value.kind is not Kind.NULL:
        value = ops.coalesce(value, ops.list_(literal(found.text("default", ""))))
    scope.derive([(found.text("outfield", "xpath"), value)], stage.span)


PLACES = ("City", "Country", "Region", "lat", "lon")
MORE_PLACES = ("Continent", "MetroCode", "Timezone")


@COMMANDS.define("iplocation", order="keeps", fields="keeps", raw="never")
def iplocation(scope: Scope, stage: Stage) -> None:
    """Where an address is, by a lookup table `iplocation` with networks; without one nothing is known.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "prefix", "allfields", "lang")
    if not found.words:
        raise found.error("missing-field", "`iplocation` needs a field")
    prefix = found.text("prefix", "")
    names = [*PLACES, *(MORE_PLACES if found.flag("allfields") else ())]
    field = found.words[0]
    address = scope.typed(field.text, field.span)
    missing = literal("") if scope.session.switch("iplocation_unknown") == "empty" else TYPED_NULL
    table = scope.settings.lookups.get("iplocation")
    made = []
    for name in names:
        value = missing
        if table is not None and address.kind is not Kind.NULL and name in table.columns:
            value = look_up_location(as_text(address), table.rows, table.columns.index(name), missing)
        made.append((prefix + name, value))
    if table is None:
        message = "no table of addresses is given, so no address has a place"
        scope.session.warn("no-addresses", message, stage.span, "give a lookup `iplocation` with networks")
    scope.derive(made, stage.span)


def look_up_location(address: Typed, rows: tuple[tuple[str, ...], ...], place: int, missing: Typed) -> Typed:
    """The value of a column for the network that an address is in; the first column holds the networks."""
    by_value: dict[str, list[str]] = {}
    for row in rows:
        by_value.setdefault(row[place], []).append(row[0])
    found = Typed(missing.expression, Kind.TEXT)
    for value, networks in by_value.items():
        inside = ops.cidr_contains(address, *(literal(n) for n in networks))
        found = ops.if_(inside, literal(value), found)
    return found
