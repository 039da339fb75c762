"""Commands that take fields out of text: rex, spath, xmlkv, kv, xpath, fromjson, iplocation."""

from __future__ import annotations

import re

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_multivalue, as_text, change_each, literal
from harness.detection.languages.spl.regex import check_pattern, list_group_names
from harness.detection.languages.spl.registry import COMMANDS, Unless
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.detection.plan.values.pcre import TwoSpellingPattern
from harness.detection.plan.values.regex import read_pattern
from harness.diagnostics import SourceError
from harness.late_pattern import late_pattern

# Any character may part the pieces of a sed script, as in `s|/|-|`.
SED = late_pattern(r"s(.)(?P<regex>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1(?P<flags>[gimsu\d]*)\s*", re.S)
TRANSLATE = late_pattern(r"y(.)(?P<old>(?:\\.|(?!\1).)*)\1(?P<new>(?:\\.|(?!\1).)*)\1\s*", re.S)
# Chosen, no source: the pattern stands so often in the one that is made of it.
MOST_OCCURRENCES = 20
# Words of the language itself, which no document's member is called in a search.
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
        scope.derive([(field, change_each(subject, lambda v: apply_sed_script(v, pattern)))], stage.span)
        return
    check_pattern(pattern.text, pattern.span)
    names = list_group_names(pattern.text)
    # A pattern without a named group makes no field, which nobody means.
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
    if subject.kind is Kind.NULL:
        return TYPED_NULL
    shown = []
    for name in names:
        before = ops.regex_extract(as_text(subject), literal(up_to(pattern, name)), literal(""), literal(1.0))
        value = ops.regex_extract(as_text(subject), literal(pattern.text), literal(""), literal(name))
        first = ops.length(before)
        # Offsets are counted from 0 with the end included.
        last = ops.subtract(ops.add(first, ops.length(value)), literal(1.0))
        shown.append(ops.concat(literal(f"{name}="), as_text(first), literal("-"), as_text(last)))
    return ops.list_join(apply(ops.list_, *shown), literal("&"))


def up_to(pattern: Word, group: str) -> str:
    """A pattern whose first group is all text before a named group of the first match."""
    read = read_pattern(pattern.text)
    opening = next(o for o in read.openings if o.name == group)
    if opening.depth or read.branches or has_references(read):
        message = "`offset_field` of a group that stands in another, beside a `|` or a reference is not supported"
        raise SourceError("unsupported", message, pattern.span)
    # Only group 1 may capture, else it would not be the first.
    head = remove_captures(pattern.text[: opening.start])
    return f"^((?s:.*?){head})(?:{remove_captures(pattern.text[opening.start :])})"


def has_references(read: TwoSpellingPattern) -> bool:
    """Whether the number of a group matters inside the pattern."""
    return "a back reference" in read.reasons or "recursion or a condition" in read.reasons


def remove_captures(pattern: str) -> str:
    """The pattern with groups that capture nothing."""
    made, at = list[str](), 0
    for opening in read_pattern(pattern).openings:
        made.extend((pattern[at : opening.start], "(?:"))
        at = opening.end
    return "".join((*made, pattern[at:]))


def find_rex_pattern(found: BoundOptions) -> Word:
    """The one pattern; pieces that a blank outside quotes cut apart are one again."""
    if not found.words:
        raise found.error("missing-pattern", "`rex` needs a pattern in quotes")
    first = found.words[0]
    if len(found.words) == 1:
        return first
    # Argument tokens are joined shell-style (reference/spl.md 3.2); about 50 published patterns need it.
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
    # Where the pattern finds nothing an existing field stays (reference/spl.md 7).
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
    read = read_pattern(regex)
    groups = len(read.names)
    # No engine replaces the nth match alone, so the text before it is matched too, and put back as group 1.
    before = "^((?s:.*?)" + "(?s:.*?)".join([f"(?:{remove_captures(regex)})"] * (occurrence - 1)) + "(?s:.*?))"
    shifted = re.sub(r"\\([0-9])", lambda m: f"\\{int(m[1]) + 1 if m[1] != '0' else 0}", new)
    if groups > 8 or "\\0" in new or has_references(read):
        raise SourceError("unsupported", "a numbered occurrence with these groups is not supported", script.span)
    return f"{before}(?:{regex})", f"\\1{shifted}"


def translate_characters(value: Typed, script: Word, at: int) -> Typed:
    """The text with characters exchanged one by one: `y/abc/xyz/`."""
    found = TRANSLATE.fullmatch(script.text, at)
    if found is None or len(found["old"]) != len(found["new"]):
        raise SourceError("bad-sed", "the sed script cannot be read", script.span, help="write `s/regex/text/g`")
    for place, character in enumerate(found["old"]):
        # By way of private characters, so that `y/ab/ba/` does not exchange a letter twice.
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
